//! One attempt, from its claim to its outcome.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use shared_model::backoff::Backoff;
use shared_model::job::{ErrorCode, JobError};
use shared_model::job_store::claims::{Claim, ClaimKey};
use shared_model::results::NewResult;
use tokio::time::Instant;

use super::Handler;
use crate::in_flight::{InFlightGuard, StopReason};
use crate::outcome::Outcome;
use crate::render::RenderError;
use crate::telemetry;

/// How the render of an attempt ended.
enum Rendered {
    Calendar(Box<NewResult>),
    Failed(RenderError),
    Panicked(String),
    TimedOut,
    Stopped(StopReason),
}

impl Handler {
    pub(super) async fn attempt(&self, claim: Claim, guard: &InFlightGuard) -> Outcome {
        let key = claim.key;
        let began = Instant::now();
        let rendered = self.run_render(claim, guard).await;
        metrics::histogram!(telemetry::ATTEMPT_DURATION).record(began.elapsed().as_secs_f64());
        match rendered {
            Rendered::Calendar(result) => self.complete(key, result, guard).await,
            Rendered::Failed(error) => {
                log::warn!("job.id":% = key.id, "job.attempt" = key.attempt, error:%; "the attempt failed");
                if error.is_transient() {
                    self.retry_or_fail(key, error.to_job_error()).await
                } else {
                    self.fail(key, error.to_job_error()).await
                }
            }
            Rendered::Panicked(message) => {
                log::error!("job.id":% = key.id, "job.attempt" = key.attempt, error = message; "the attempt panicked");
                let error = JobError::new(ErrorCode::Panic, "the calendar could not be rendered");
                self.retry_or_fail(key, error).await
            }
            Rendered::TimedOut => {
                log::warn!("job.id":% = key.id, "job.attempt" = key.attempt; "the attempt exceeded JOB_TIMEOUT");
                let seconds = self.job_timeout.as_secs();
                let detail = format!("the attempt took longer than {seconds} s");
                let error = JobError::new(ErrorCode::Timeout, detail);
                self.retry_or_fail(key, error).await
            }
            Rendered::Stopped(StopReason::Cancelled) => self.revoke(key).await,
            Rendered::Stopped(StopReason::Lost) => {
                log::warn!("job.id":% = key.id, "job.attempt" = key.attempt; "the attempt was stopped: its claim or delivery could not be renewed");
                metrics::counter!(telemetry::CLAIMS_LOST).increment(1);
                Outcome::Lost
            }
            Rendered::Stopped(StopReason::Shutdown) => {
                let error = JobError::new(ErrorCode::WorkerStopped, "the worker was shut down");
                self.retry(key, error, Duration::ZERO).await
            }
        }
    }

    async fn retry_or_fail(&self, key: ClaimKey, error: JobError) -> Outcome {
        if key.attempt >= self.max_attempts {
            return self.fail(key, error.after_last_attempt(key.attempt)).await;
        }
        let delay = Backoff::JOB.after(u32::try_from(key.attempt).unwrap_or(u32::MAX));
        self.retry(key, error, delay).await
    }

    async fn run_render(&self, claim: Claim, guard: &InFlightGuard) -> Rendered {
        let control = guard.render_control();
        let host = Arc::clone(&self.calendar_host);
        let render = self.render;
        let (render_watch, _attempt_watch) = self.abandoned.watch();
        let rendering = async {
            tokio::time::sleep(self.render_delay).await;
            self.pool
                .run_long(move |connection| {
                    let _watch = render_watch;
                    render(connection, &claim.request, &host, &control)
                })
                .await
        };
        tokio::select! {
            biased;
            reason = guard.stopped() => Rendered::Stopped(reason),
            rendered = AssertUnwindSafe(rendering).catch_unwind() => match rendered {
                Ok(Ok(result)) => Rendered::Calendar(Box::new(result)),
                Ok(Err(error)) => Rendered::Failed(error),
                Err(panic) => Rendered::Panicked(panic_message(panic.as_ref())),
            },
            () = tokio::time::sleep(self.job_timeout) => {
                // The render runs on another thread, where it checks this token.
                guard.stop_token().cancel();
                Rendered::TimedOut
            }
        }
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
