//! One delivery, from its receipt to its outcome: the worker claims the job, renders the calendar and stores it.
//!
//! # Layout
//! - `attempt`: renders the calendar, and decides between success, retry and failure
//! - `record`: writes the end of the attempt to the job's row
//! - `renderers`: renders calendars whose todos are in memory, on one thread for each core
//! - `abandoned`: counts the renders that outlive their attempt

use std::sync::Arc;
use std::time::Duration;

use job_queue::Delivery;
use shared_model::database::DatabaseError;
use shared_model::job::{JobId, JobStatus};
use shared_model::job_store::claims::{self, ClaimKey, ClaimOptions, Claimed, Delivered};
use shared_model::trace::Span;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use uuid::Uuid;

use crate::database::Database;
use crate::evidence::Evidence;
use crate::in_flight::InFlightGuard;
use crate::outcome::Outcome;
use crate::render::Render;
use crate::telemetry::Stage;

mod abandoned;
mod attempt;
mod record;
mod renderers;

pub use abandoned::AbandonedRenders;
use renderers::Renderers;

/// How long a worker waits for a row that another session has locked before it tries again, the first times. After that,
/// its message goes back to the queue.
const BUSY_WAITS: [Duration; 3] = [
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(20),
];
/// How long a message stays hidden, the first time, whose job's row is locked or waits for a process of its own.
pub(crate) const BUSY_RELEASE_DELAY: Duration = Duration::from_secs(1);
/// How many times that time doubles.
const BUSY_DOUBLINGS: u32 = 5;
/// How long such a message stays hidden, at most.
pub(crate) const LONGEST_BUSY_RELEASE: Duration =
    Duration::from_secs(BUSY_RELEASE_DELAY.as_secs() << BUSY_DOUBLINGS);

/// How many attempts have a process of their own at the same time. After a worker has died twice, all the jobs that it ran
/// are suspects, most of them wrongly.
const MAX_PROCESSES: usize = 4;

/// How a handler works.
#[derive(Debug, Clone)]
pub struct HandlerOptions {
    /// The host name in the UIDs of events.
    pub calendar_host: Arc<str>,
    /// The conditions of a claim.
    pub claim: ClaimOptions,
    /// The maximum duration of one attempt.
    pub job_timeout: Duration,
    /// An artificial delay before every render.
    pub render_delay: Duration,
    /// Renders the calendar.
    pub render: Render,
}

/// Handles deliveries. Each clone handles one delivery at a time.
#[derive(Debug, Clone)]
pub struct Handler {
    pub(crate) database: Database,
    pub(crate) evidence: Evidence,
    pub(crate) abandoned: AbandonedRenders,
    options: HandlerOptions,
    renderers: Renderers,
    /// One permit for each attempt in a process of its own.
    processes: Arc<Semaphore>,
}

impl Handler {
    /// Creates a handler with nothing to do.
    pub fn new(database: Database, options: HandlerOptions) -> Self {
        Self {
            database,
            evidence: Evidence::default(),
            abandoned: AbandonedRenders::default(),
            options,
            renderers: Renderers::new(),
            processes: Arc::new(Semaphore::new(MAX_PROCESSES)),
        }
    }

    /// Returns what the handler and its consumer observe about the queue.
    pub fn evidence(&self) -> Evidence {
        self.evidence.clone()
    }

    /// Runs the job that the delivery refers to, unless there is nothing to do or another worker runs it.
    pub async fn handle(&self, delivery: &Delivery, guard: &InFlightGuard) -> Outcome {
        let message = match &delivery.message {
            Ok(message) => message,
            Err(error) => {
                log::error!("queue.message_id" = delivery.message_id, error:%; "a message can't be read; it is moved to the dead-letter queue, now or after some more receives");
                return Outcome::Unreadable;
            }
        };
        let id = message.job_id;
        let claiming = self.claim(id, message.generation, guard);
        let span = Span::step("claim");
        let claimed = Stage::Claim.time(claiming).await;
        drop(span);
        match claimed {
            Ok(Claimed::Begin(claim)) => {
                self.evidence.delivered(claim.created_at);
                self.attempt(*claim, guard, busy_delay(delivery)).await
            }
            Ok(Claimed::Stale(reason)) => {
                log::debug!("job.id":% = id; "the message is stale: {reason}");
                Outcome::Stale
            }
            Ok(Claimed::NotYet(remaining)) => Outcome::Leased(remaining),
            Ok(Claimed::Busy) => Outcome::Leased(busy_delay(delivery)),
            Ok(Claimed::Unclaimable) => self.end_unclaimable(id, delivery).await,
            Err(error) => unknown(id, &error),
        }
    }

    /// Gives up a claim whose attempt has not begun. Another worker can claim the job immediately.
    pub async fn decline(&self, key: ClaimKey) -> Outcome {
        self.unclaim(key, Duration::ZERO).await;
        self.database.notifier.job_due();
        Outcome::NotStarted
    }

    async fn unclaim(&self, key: ClaimKey, delay: Duration) {
        let unclaimed = self
            .database
            .pool
            .run(move |connection| claims::unclaim(connection, &[key], delay));
        if let Err(error) = unclaimed.await {
            log::warn!("job.id":% = key.id, error:%; "could not give up a claim; its lease will expire");
        }
        self.database.notifier.jobs_changed([key.id]);
    }

    /// Claims a job. While its row is locked, tries again a few times.
    async fn claim(
        &self,
        id: JobId,
        generation: i32,
        guard: &InFlightGuard,
    ) -> Result<Claimed, DatabaseError> {
        let claim = Uuid::now_v7();
        let key = ClaimKey { id, claim };
        let mut waits = BUSY_WAITS.into_iter();
        loop {
            let until = Instant::now() + self.options.claim.lease;
            let claimed = self.database.claim(Delivered { key, generation }).await?;
            match &claimed {
                Claimed::Begin(_) => {
                    guard.set_claim(key, until);
                    return Ok(claimed);
                }
                Claimed::Busy => match waits.next() {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => return Ok(claimed),
                },
                Claimed::Stale(_) | Claimed::NotYet(_) | Claimed::Unclaimable => {
                    return Ok(claimed);
                }
            }
        }
    }

    async fn end_unclaimable(&self, id: JobId, delivery: &Delivery) -> Outcome {
        let max_attempts = self.options.claim.max_attempts;
        let ended = self
            .database
            .pool
            .run(move |connection| claims::end_unclaimable(connection, max_attempts, Some(&[id])))
            .await;
        let status = match ended {
            Ok(ended) => ended.first().map(|ended| ended.status),
            Err(error) => return unknown(id, &error),
        };
        self.database.notifier.jobs_changed([id]);
        let activity = &self.database.process.activity;
        match status {
            Some(JobStatus::Revoked) => {
                activity.revoked(1);
                Outcome::Revoked
            }
            Some(_) => {
                activity.failed_waiting(1);
                log::error!("job.id":% = id; "the job failed: all its attempts are used up");
                Outcome::Failed
            }
            // another session has ended it or locked it
            None => Outcome::Leased(busy_delay(delivery)),
        }
    }
}

/// Returns how long a message stays hidden whose job's row is locked or waits for a process of its own. The time grows with each receive, because SQS moves
/// a message to the dead-letter queue after too many.
fn busy_delay(delivery: &Delivery) -> Duration {
    let doublings = delivery.receive_count.saturating_sub(1);
    BUSY_RELEASE_DELAY * 2_u32.pow(doublings.min(BUSY_DOUBLINGS))
}

/// The outcome if the state of the job could not be read or written.
fn unknown(id: JobId, error: &DatabaseError) -> Outcome {
    match error {
        DatabaseError::Unavailable(error) => {
            log::warn!("job.id":% = id, error; "could not claim the job; its message stays in the queue");
        }
        DatabaseError::Query(error) => {
            log::error!("job.id":% = id, error:%; "could not claim the job; its message stays in the queue");
        }
    }
    Outcome::Unknown
}
