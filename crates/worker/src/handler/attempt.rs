//! One attempt, from its claim to its outcome.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use shared_model::backoff::Backoff;
use shared_model::job::{ErrorCode, JobError};
use shared_model::job_store::claims::{Claim, ClaimKey};
use shared_model::todo::SelectedTodos;
use shared_model::trace::Span;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::Handler;
use super::abandoned::RenderWatch;
use crate::database::SharedTodos;
use crate::in_flight::{InFlightGuard, StopReason};
use crate::isolation;
use crate::outcome::Outcome;
use crate::render::{Compressor, Source};
use crate::rendered::Rendered;
use crate::telemetry::{self, Stage};

/// What a render needs, apart from the claim.
enum Prepared {
    /// The job runs in a process of its own.
    Alone(OwnedSemaphorePermit),
    /// Its todos have been read.
    Memory(Arc<SelectedTodos>),
    /// It reads its todos on a connection of its own.
    Database(OwnedSemaphorePermit),
}

impl Handler {
    /// Runs one attempt at a claimed job, and records how it ended. If the job needs a process of its own and too many run,
    /// gives up the claim, so that the job comes again after `delay`: if the job waited with its claim, it would lose the
    /// attempt when the worker dies. But if the queue counts deliveries, the job waits.
    pub async fn attempt(&self, claim: Claim, guard: &InFlightGuard, delay: Duration) -> Outcome {
        let alone = if claim.is_suspect {
            let slot = Arc::clone(&self.processes).try_acquire_owned().ok();
            if slot.is_none() && !guard.is_counted() {
                self.unclaim(claim.key, delay).await;
                return Outcome::Leased(delay);
            }
            slot
        } else {
            None
        };
        let (key, attempt) = (claim.key, claim.attempt);
        let began = Instant::now();
        let wait = wait_of_first_attempt(&claim);
        if let Some(wait) = wait {
            metrics::histogram!(telemetry::QUEUE_WAIT).record(wait.as_secs_f64());
        }
        self.database.process.activity.started(wait);
        let mut span = Span::step("render");
        span.set("job.attempt", i64::from(attempt));
        span.set("job.isolated", claim.is_suspect);
        let rendered = self.run_render(claim, alone, guard).await;
        if let Some(error) = rendered.error() {
            span.fail(error);
        }
        drop(span);
        metrics::histogram!(telemetry::ATTEMPT_DURATION).record(began.elapsed().as_secs_f64());
        let span = Span::step("complete");
        let outcome = self.end(key, attempt, rendered, guard).await;
        drop(span);
        self.count(outcome, began.elapsed());
        outcome
    }

    /// Records how an attempt ended.
    async fn end(
        &self,
        key: ClaimKey,
        attempt: i32,
        rendered: Rendered,
        guard: &InFlightGuard,
    ) -> Outcome {
        match rendered {
            Rendered::Calendar(result, _slot) => {
                Stage::Store.time(self.complete(key, result, guard)).await
            }
            Rendered::Stored => self.stored(key),
            Rendered::Failed(error) => {
                log::warn!("job.id":% = key.id, "job.attempt" = attempt, error:%; "the attempt failed");
                if error.is_transient() {
                    self.retry_or_fail(key, attempt, error.to_job_error()).await
                } else {
                    self.fail(key, error.to_job_error()).await
                }
            }
            Rendered::Panicked(message) => {
                log::error!("job.id":% = key.id, "job.attempt" = attempt, error = message; "the attempt panicked");
                let error = JobError::new(ErrorCode::Panic, "the calendar could not be rendered");
                self.retry_or_fail(key, attempt, error).await
            }
            Rendered::Crashed(message) => {
                log::error!("job.id":% = key.id, "job.attempt" = attempt, error = message; "the attempt crashed");
                let error = JobError::new(ErrorCode::WorkerStopped, "the renderer crashed");
                self.retry_or_fail(key, attempt, error).await
            }
            Rendered::TimedOut => {
                log::warn!("job.id":% = key.id, "job.attempt" = attempt; "the attempt exceeded JOB_TIMEOUT");
                let seconds = self.options.job_timeout.as_secs();
                let detail = format!("the attempt took longer than {seconds} s");
                let error = JobError::new(ErrorCode::Timeout, detail);
                self.retry_or_fail(key, attempt, error).await
            }
            Rendered::Stopped(StopReason::Cancelled) => self.revoke(key).await,
            Rendered::Stopped(StopReason::Lost) => {
                log::warn!("job.id":% = key.id, "job.attempt" = attempt; "the attempt was stopped: its claim or delivery could not be renewed");
                metrics::counter!(telemetry::CLAIMS_LOST).increment(1);
                Outcome::Lost
            }
            Rendered::Stopped(StopReason::Shutdown) => {
                let error = JobError::new(ErrorCode::WorkerStopped, "the worker was shut down");
                self.retry(key, error, Duration::ZERO).await
            }
        }
    }

    /// Counts an attempt that took this long.
    fn count(&self, outcome: Outcome, run: Duration) {
        let activity = &self.database.process.activity;
        match outcome {
            Outcome::Succeeded => activity.succeeded(run),
            Outcome::Failed => activity.failed(run),
            Outcome::Retry(_) => activity.retried(run),
            Outcome::Revoked => activity.revoked(1),
            // another worker ends the job, or nobody knows how it stands
            Outcome::Lost
            | Outcome::Unknown
            | Outcome::Stale
            | Outcome::Leased(_)
            | Outcome::Unreadable
            | Outcome::NotStarted => {}
        }
    }

    async fn retry_or_fail(&self, key: ClaimKey, attempt: i32, error: JobError) -> Outcome {
        if attempt >= self.options.claim.max_attempts {
            return self.fail(key, error.after_last_attempt(attempt)).await;
        }
        let delay = Backoff::JOB.after(u32::try_from(attempt).unwrap_or(u32::MAX));
        self.retry(key, error, delay).await
    }

    /// Renders the calendar within `JOB_TIMEOUT`. Reading the todos of a small calendar may take as long again, and waiting
    /// until a large or isolated one may begin does not count.
    async fn run_render(
        &self,
        claim: Claim,
        alone: Option<OwnedSemaphorePermit>,
        guard: &InFlightGuard,
    ) -> Rendered {
        let prepared = tokio::select! {
            biased;
            reason = guard.stopped() => return Rendered::Stopped(reason),
            prepared = self.prepare(&claim, alone) => prepared,
        };
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(rendered) => return rendered,
        };
        let (render_watch, _attempt_watch) = self.abandoned.watch();
        let rendering = async {
            // even a sleep of zero lasts a millisecond
            if !self.options.render_delay.is_zero() {
                tokio::time::sleep(self.options.render_delay).await;
            }
            let rendering = self.render(prepared, claim, guard, render_watch);
            Stage::Render.time(rendering).await
        };
        tokio::select! {
            biased;
            reason = guard.stopped() => Rendered::Stopped(reason),
            rendered = AssertUnwindSafe(rendering).catch_unwind() => rendered.unwrap_or_else(|panic| {
                Rendered::Panicked(panic_message(panic.as_ref()))
            }),
            () = tokio::time::sleep(self.options.job_timeout) => {
                // The render runs on another thread, where it checks this token.
                guard.stop_token().cancel();
                Rendered::TimedOut
            }
        }
    }

    /// Reads the todos of a small calendar, or waits until a large or isolated one may begin. `alone` is the slot of an
    /// isolated one, if it has one already.
    async fn prepare(
        &self,
        claim: &Claim,
        alone: Option<OwnedSemaphorePermit>,
    ) -> Result<Prepared, Rendered> {
        if claim.is_suspect {
            log::warn!("job.id":% = claim.key.id; "the job seems to crash its workers; running it in a process of its own");
            let slot = match alone {
                Some(slot) => slot,
                None => acquire(&self.processes).await?,
            };
            return Ok(Prepared::Alone(slot));
        }
        let reading = Stage::Read.time(self.database.todos(&claim.request.filter));
        match tokio::time::timeout(self.options.job_timeout, reading).await {
            Ok(Ok(SharedTodos::Few(todos))) => Ok(Prepared::Memory(todos)),
            Ok(Ok(SharedTodos::Many)) => Ok(Prepared::Database(
                acquire(&self.database.large_slots).await?,
            )),
            Ok(Err(error)) => Err(Rendered::Failed(error.into())),
            Err(_) => Err(Rendered::TimedOut),
        }
    }

    async fn render(
        &self,
        prepared: Prepared,
        claim: Claim,
        guard: &InFlightGuard,
        watch: RenderWatch,
    ) -> Rendered {
        match prepared {
            Prepared::Alone(_slot) => isolation::attempt(claim.key).await,
            Prepared::Memory(todos) => self.render_from_memory(claim, todos, guard, watch).await,
            Prepared::Database(slot) => self.render_from_database(claim, slot, guard, watch).await,
        }
    }

    async fn render_from_memory(
        &self,
        claim: Claim,
        todos: Arc<SelectedTodos>,
        guard: &InFlightGuard,
        watch: RenderWatch,
    ) -> Rendered {
        let control = guard.render_control();
        let host = Arc::clone(&self.options.calendar_host);
        let render = self.options.render;
        let work = move |compressor: &mut Compressor| {
            let _watch = watch;
            let source = Source::Memory(&todos);
            render(source, &claim.request, &host, &control, compressor)
        };
        match self.renderers.run(Box::new(work)).await {
            Some(Ok(rendered)) => rendered.into(),
            Some(Err(panic)) => Rendered::Panicked(panic_message(panic.as_ref())),
            None => Rendered::Stopped(StopReason::Shutdown),
        }
    }

    async fn render_from_database(
        &self,
        claim: Claim,
        slot: OwnedSemaphorePermit,
        guard: &InFlightGuard,
        watch: RenderWatch,
    ) -> Rendered {
        let control = guard.render_control();
        let host = Arc::clone(&self.options.calendar_host);
        let render = self.options.render;
        let rendered = self.database.large.run_long(move |connection| {
            let _watch = watch;
            let source = Source::Database(connection);
            render(
                source,
                &claim.request,
                &host,
                &control,
                &mut Compressor::default(),
            )
            // if the attempt has ended meanwhile, nobody takes the slot, and it is free
            .map(|result| (result, slot))
        });
        match rendered.await {
            Ok((result, slot)) => Rendered::Calendar(Arc::new(result), Some(slot)),
            Err(error) => Rendered::Failed(error),
        }
    }
}

/// Returns how long a job waited for its first attempt. Later attempts wait for other reasons, and a redriven job has waited
/// for an operator.
fn wait_of_first_attempt(claim: &Claim) -> Option<Duration> {
    let is_first = claim.attempt == 1 && claim.generation == 1;
    is_first.then(|| Duration::try_from_secs_f64(claim.waited_seconds).unwrap_or_default())
}

async fn acquire(slots: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Rendered> {
    let slot = Arc::clone(slots).acquire_owned().await;
    // nobody closes the semaphore while the process runs
    slot.or(Err(Rendered::Stopped(StopReason::Shutdown)))
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
