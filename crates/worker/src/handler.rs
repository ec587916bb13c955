//! One delivery, from its claim to its outcome.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering};
use std::time::Duration;

use diesel::PgConnection;
use futures_util::FutureExt;
use job_queue::Delivery;
use shared_model::backoff::Backoff;
use shared_model::database::{DatabaseError, Pool};
use shared_model::job::{ErrorCode, JobError, JobId, JobStatus};
use shared_model::job_store::claims::{self, Claim, ClaimKey, Claimed};
use shared_model::message::JobMessage;
use shared_model::results::NewResult;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::held::{Holding, Stop};
use crate::outcome::Outcome;
use crate::render::{Render, RenderError};
use crate::room::Room;

/// Tries to store a finished calendar before the work is given up: it cost the most of all.
const COMPLETE_TRIES: u32 = 3;

/// What a handler needs to know.
#[derive(Debug, Clone)]
pub struct Handler {
    /// The way to the jobs.
    pub pool: Pool,
    /// The host in the events' UIDs.
    pub calendar_host: Arc<str>,
    /// How long a claim holds unless renewed.
    pub lease: Duration,
    /// The longest that one attempt may take.
    pub job_timeout: Duration,
    /// How often a job is tried.
    pub max_attempts: i32,
    /// How much longer each render takes.
    pub render_delay: Duration,
    /// Makes the calendar.
    pub render: Render,
    /// Where attempts run beside each other, or alone.
    pub room: Room,
    /// Cancelled when nothing new is to begin.
    pub drain: CancellationToken,
    /// Renders that go on although nobody waits for them any more.
    pub abandoned: Abandoned,
}

/// Counts renders that were given up and have not come to their next look at the holding: each keeps a thread and a
/// connection. Clones share the count.
#[derive(Debug, Clone, Default)]
pub struct Abandoned(Arc<AtomicIsize>);

impl Abandoned {
    /// How many there are now.
    pub fn count(&self) -> usize {
        // for a moment below zero, when a render ends while it is being given up
        usize::try_from(self.0.load(Ordering::Relaxed)).unwrap_or(0)
    }
}

/// Lives on the render's thread and in the handler; who goes first tells who goes last.
#[derive(Debug)]
struct RenderWatch {
    one_is_gone: Arc<AtomicBool>,
    abandoned: Abandoned,
    is_render: bool,
}

impl RenderWatch {
    fn pair(abandoned: &Abandoned) -> (Self, Self) {
        let one_is_gone = Arc::new(AtomicBool::new(false));
        let watch = |is_render| Self {
            one_is_gone: Arc::clone(&one_is_gone),
            abandoned: abandoned.clone(),
            is_render,
        };
        (watch(true), watch(false))
    }
}

impl Drop for RenderWatch {
    fn drop(&mut self) {
        let is_last = self.one_is_gone.swap(true, Ordering::AcqRel);
        match (self.is_render, is_last) {
            (false, false) => drop(self.abandoned.0.fetch_add(1, Ordering::Relaxed)),
            (true, true) => drop(self.abandoned.0.fetch_sub(1, Ordering::Relaxed)),
            (true, false) | (false, true) => {}
        }
    }
}

/// How the work of one attempt ended.
enum Work {
    Rendered(Box<NewResult>),
    Failed(RenderError),
    Panicked(String),
    TimedOut,
    Stopped(Stop),
}

impl Handler {
    /// Does what the delivery asks for.
    pub async fn handle(&self, delivery: &Delivery, holding: &Holding) -> Outcome {
        let message = match &delivery.message {
            Ok(message) => message,
            Err(error) => {
                log::error!("queue.message_id" = delivery.message_id, error:%; "a message can't be read; it is left for the dead-letter queue");
                return Outcome::Unreadable;
            }
        };
        let id = message.job_id;
        let place = match self.wait_for(holding, self.room.enter()).await {
            Ok(place) => place,
            Err(outcome) => return outcome,
        };
        let claimed = self.claim(message, holding, claims::claim).await;
        if !matches!(claimed, Ok(Claimed::OnlyAlone)) {
            return self.follow(id, claimed, holding).await;
        }
        // not claimed yet: it loses no attempt while it waits
        drop(place);
        let _solitude = match self.wait_for(holding, self.room.enter_alone()).await {
            Ok(solitude) => solitude,
            Err(outcome) => return outcome,
        };
        log::warn!("job.id":% = id; "attempts at the job ended without a word; it is tried alone");
        let claimed = self.claim(message, holding, claims::claim_alone).await;
        self.follow(id, claimed, holding).await
    }

    /// Waits for a place to run in, unless the worker is to begin nothing new or the delivery is lost.
    async fn wait_for<T>(
        &self,
        holding: &Holding,
        place: impl Future<Output = T>,
    ) -> Result<T, Outcome> {
        tokio::select! {
            biased;
            reason = holding.stopped() => Err(match reason {
                Stop::Shutdown => Outcome::GivenBack,
                Stop::Lost | Stop::Cancelled => Outcome::Lost,
            }),
            place = place => Ok(place),
            () = self.drain.cancelled() => Err(Outcome::GivenBack),
        }
    }

    async fn claim(
        &self,
        message: &JobMessage,
        holding: &Holding,
        claim: fn(&mut PgConnection, JobId, i32, Duration, i32) -> Result<Claimed, DatabaseError>,
    ) -> Result<Claimed, DatabaseError> {
        let (id, generation) = (message.job_id, message.generation);
        let (lease, max_attempts) = (self.lease, self.max_attempts);
        let until = Instant::now() + lease;
        let claimed = self
            .pool
            .run(move |connection| claim(connection, id, generation, lease, max_attempts))
            .await;
        if let Ok(Claimed::Begin(claim)) = &claimed {
            holding.set_claim(claim.key, until);
        }
        claimed
    }

    async fn follow(
        &self,
        id: JobId,
        claimed: Result<Claimed, DatabaseError>,
        holding: &Holding,
    ) -> Outcome {
        match claimed {
            Ok(Claimed::Begin(claim)) => self.attempt(claim, holding).await,
            Ok(Claimed::Void(reason)) => {
                log::debug!("job.id":% = id; "nothing to do: {reason}");
                Outcome::Void
            }
            Ok(Claimed::Leased(remaining)) => Outcome::Leased(remaining),
            // never of a job that was claimed alone
            Ok(Claimed::OnlyAlone) => Outcome::GivenBack,
            Ok(Claimed::Exhausted) => {
                log::error!("job.id":% = id; "the job failed: its attempts are used up");
                Outcome::Failed
            }
            Ok(Claimed::Revoked) => Outcome::Revoked,
            Err(DatabaseError::Unavailable(error)) => {
                log::warn!("job.id":% = id, error; "could not claim the job; it stays in the queue");
                Outcome::Undone
            }
            Err(error @ DatabaseError::Query(_)) => {
                log::error!("job.id":% = id, error:%; "could not claim the job; it stays in the queue");
                Outcome::Undone
            }
        }
    }

    async fn attempt(&self, claim: Claim, holding: &Holding) -> Outcome {
        let key = claim.key;
        let began = Instant::now();
        let work = self.work(claim, holding).await;
        metrics::histogram!("worker_attempt_duration_seconds")
            .record(began.elapsed().as_secs_f64());
        let error = match work {
            Work::Rendered(result) => return self.complete(key, result, holding).await,
            Work::Failed(error) => {
                log::warn!("job.id":% = key.id, "job.attempt" = key.attempt, error:%; "the attempt failed");
                if !error.is_passing() {
                    return self.fail(key, error.to_job_error()).await;
                }
                error.to_job_error()
            }
            Work::Panicked(message) => {
                log::error!("job.id":% = key.id, "job.attempt" = key.attempt, error = message; "the attempt panicked");
                JobError::new(ErrorCode::Panic, "the calendar could not be rendered")
            }
            Work::TimedOut => {
                log::warn!("job.id":% = key.id, "job.attempt" = key.attempt; "the attempt took too long");
                JobError::new(
                    ErrorCode::Timeout,
                    format!(
                        "the attempt took longer than {} s",
                        self.job_timeout.as_secs()
                    ),
                )
            }
            Work::Stopped(Stop::Cancelled) => return self.revoke(key).await,
            Work::Stopped(Stop::Lost) => {
                log::warn!("job.id":% = key.id, "job.attempt" = key.attempt; "the attempt was given up: the job could not be kept");
                metrics::counter!("worker_claims_lost_total").increment(1);
                return Outcome::Lost;
            }
            Work::Stopped(Stop::Shutdown) => {
                let error = JobError::new(ErrorCode::WorkerStopped, "its worker was stopped");
                return self.retry(key, error, Duration::ZERO).await;
            }
        };
        if key.attempt >= self.max_attempts {
            return self.fail(key, error.after_last_attempt(key.attempt)).await;
        }
        let delay = Backoff::JOB.after(u32::try_from(key.attempt).unwrap_or(u32::MAX));
        self.retry(key, error, delay).await
    }

    async fn work(&self, claim: Claim, holding: &Holding) -> Work {
        let shared = holding.share();
        let host = Arc::clone(&self.calendar_host);
        let render = self.render;
        let (of_render, _of_handler) = RenderWatch::pair(&self.abandoned);
        let rendering = async {
            tokio::time::sleep(self.render_delay).await;
            self.pool
                .run_long(move |connection| {
                    let _watch = of_render;
                    render(connection, &claim.request, &host, &shared)
                })
                .await
        };
        tokio::select! {
            biased;
            reason = holding.stopped() => Work::Stopped(reason),
            rendered = AssertUnwindSafe(rendering).catch_unwind() => match rendered {
                Ok(Ok(result)) => Work::Rendered(Box::new(result)),
                Ok(Err(error)) => Work::Failed(error),
                Err(panic) => Work::Panicked(panic_message(panic.as_ref())),
            },
            () = tokio::time::sleep(self.job_timeout) => {
                // the render itself runs on another thread, and looks at this
                holding.stop_token().cancel();
                Work::TimedOut
            }
        }
    }

    async fn complete(&self, key: ClaimKey, result: Box<NewResult>, holding: &Holding) -> Outcome {
        let result = Arc::new(result);
        for tries in 1..=COMPLETE_TRIES {
            let result = Arc::clone(&result);
            let completed = self
                .pool
                .run(move |connection| claims::complete(connection, key, &result))
                .await;
            match completed {
                Ok(true) => {
                    log::info!("job.id":% = key.id, "job.attempt" = key.attempt; "the calendar is stored");
                    return Outcome::Succeeded;
                }
                Ok(false) if tries == 1 => return lost(key),
                // perhaps an earlier try was written and only its answer got lost: the delivery comes once more, and finds out
                Ok(false) => return Outcome::Lost,
                Err(DatabaseError::Unavailable(error))
                    if tries < COMPLETE_TRIES && !holding.stop_token().is_cancelled() =>
                {
                    log::warn!("job.id":% = key.id, error; "could not store the calendar yet");
                    tokio::time::sleep(Backoff::CALL.after(tries)).await;
                }
                Err(error) => return undone(key, &error),
            }
        }
        Outcome::Undone
    }

    async fn fail(&self, key: ClaimKey, error: JobError) -> Outcome {
        let detail = error.detail.clone();
        match self
            .pool
            .run(move |connection| claims::fail(connection, key, &error))
            .await
        {
            Ok(true) => {
                log::error!("job.id":% = key.id, "job.attempt" = key.attempt, error = detail; "the job failed");
                Outcome::Failed
            }
            Ok(false) => lost(key),
            Err(error) => undone(key, &error),
        }
    }

    async fn retry(&self, key: ClaimKey, error: JobError, delay: Duration) -> Outcome {
        match self
            .pool
            .run(move |connection| claims::retry(connection, key, &error, delay))
            .await
        {
            Ok(Some(JobStatus::Revoked)) => Outcome::Revoked,
            Ok(Some(_)) => Outcome::Retry(delay),
            Ok(None) => lost(key),
            Err(error) => undone(key, &error),
        }
    }

    async fn revoke(&self, key: ClaimKey) -> Outcome {
        match self
            .pool
            .run(move |connection| claims::revoke(connection, key))
            .await
        {
            Ok(true) => {
                log::info!("job.id":% = key.id, "job.attempt" = key.attempt; "the job was cancelled");
                Outcome::Revoked
            }
            Ok(false) => lost(key),
            Err(error) => undone(key, &error),
        }
    }
}

/// A late write matched no row: somebody else has the job, and nothing was harmed.
fn lost(key: ClaimKey) -> Outcome {
    log::warn!("job.id":% = key.id, "job.attempt" = key.attempt; "a late write was refused: the job is not this attempt's any more");
    metrics::counter!("worker_late_writes_refused_total").increment(1);
    Outcome::Lost
}

/// The claim then runs out by itself, and the job is tried again.
fn undone(key: ClaimKey, error: &DatabaseError) -> Outcome {
    log::warn!("job.id":% = key.id, "job.attempt" = key.attempt, error:%; "could not note how the attempt ended");
    Outcome::Undone
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
