//! One delivery, from its receipt to its outcome: the worker claims the job, renders the calendar and stores it.
//!
//! # Layout
//! - `attempt`: runs the render, and decides between success, retry and failure
//! - `record`: writes the end of the attempt to the job's row
//! - `abandoned`: counts the renders that outlive their attempt

use std::sync::Arc;
use std::time::Duration;

use job_queue::Delivery;
use shared_model::database::{DatabaseError, Pool};
use shared_model::job::JobId;
use shared_model::job_store::claims::{self, Claimed, Isolation};
use shared_model::message::JobMessage;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::in_flight::{InFlightGuard, StopReason};
use crate::isolation::{IsolationGate, IsolationPass};
use crate::outcome::Outcome;
use crate::render::Render;

mod abandoned;
mod attempt;
mod record;

pub use abandoned::AbandonedRenders;

/// Handles deliveries. Each clone handles one delivery at a time.
#[derive(Debug, Clone)]
pub struct Handler {
    /// The connections to the database.
    pub pool: Pool,
    /// The host name in the UIDs of events.
    pub calendar_host: Arc<str>,
    /// How long a claim is valid unless it is renewed.
    pub lease: Duration,
    /// The maximum duration of one attempt.
    pub job_timeout: Duration,
    /// The maximum number of attempts at a job.
    pub max_attempts: i32,
    /// An artificial delay before every render.
    pub render_delay: Duration,
    /// Renders the calendar.
    pub render: Render,
    /// Separates attempts that run in isolation from all others.
    pub isolation: IsolationGate,
    /// Cancelled when no further job may begin.
    pub drain: CancellationToken,
    /// Counts renders that outlive their attempt.
    pub abandoned: AbandonedRenders,
}

impl Handler {
    /// Runs the job that the delivery refers to, unless there is nothing to do or another worker runs it.
    pub async fn handle(&self, delivery: &Delivery, guard: &InFlightGuard) -> Outcome {
        let message = match &delivery.message {
            Ok(message) => message,
            Err(error) => {
                log::error!("queue.message_id" = delivery.message_id, error:%; "a message can't be read; it is left for the dead-letter queue");
                return Outcome::Unreadable;
            }
        };
        let id = message.job_id;
        let pass = match self.wait_for_pass(guard, Isolation::Shared).await {
            Ok(pass) => pass,
            Err(outcome) => return outcome,
        };
        let claimed = self.claim(message, guard, Isolation::Shared).await;
        if !matches!(claimed, Ok(Claimed::NeedsIsolation)) {
            return self.proceed(id, claimed, guard).await;
        }
        // The job has not been claimed yet, so it loses no attempt while it waits for isolation.
        drop(pass);
        let _pass = match self.wait_for_pass(guard, Isolation::Isolated).await {
            Ok(pass) => pass,
            Err(outcome) => return outcome,
        };
        log::warn!("job.id":% = id; "the job seems to crash its workers; running it in isolation");
        let claimed = self.claim(message, guard, Isolation::Isolated).await;
        self.proceed(id, claimed, guard).await
    }

    /// Waits until the attempt may run, unless the worker drains or the delivery is lost.
    async fn wait_for_pass(
        &self,
        guard: &InFlightGuard,
        isolation: Isolation,
    ) -> Result<IsolationPass, Outcome> {
        tokio::select! {
            biased;
            reason = guard.stopped() => Err(match reason {
                StopReason::Shutdown => Outcome::NotStarted,
                StopReason::Lost | StopReason::Cancelled => Outcome::Lost,
            }),
            pass = self.isolation.enter(isolation) => Ok(pass),
            () = self.drain.cancelled() => Err(Outcome::NotStarted),
        }
    }

    async fn claim(
        &self,
        message: &JobMessage,
        guard: &InFlightGuard,
        isolation: Isolation,
    ) -> Result<Claimed, DatabaseError> {
        let (id, generation) = (message.job_id, message.generation);
        let (lease, max_attempts) = (self.lease, self.max_attempts);
        let until = Instant::now() + lease;
        let claimed = self
            .pool
            .run(move |connection| {
                claims::claim(connection, id, generation, lease, max_attempts, isolation)
            })
            .await;
        if let Ok(Claimed::Begin(claim)) = &claimed {
            guard.set_claim(claim.key, until);
        }
        claimed
    }

    /// Runs the attempt if the job was claimed. Otherwise, returns the outcome that follows from the reason.
    async fn proceed(
        &self,
        id: JobId,
        claimed: Result<Claimed, DatabaseError>,
        guard: &InFlightGuard,
    ) -> Outcome {
        match claimed {
            Ok(Claimed::Begin(claim)) => self.attempt(claim, guard).await,
            Ok(Claimed::Stale(reason)) => {
                log::debug!("job.id":% = id; "the message is stale: {reason}");
                Outcome::Stale
            }
            Ok(Claimed::Leased(remaining)) => Outcome::Leased(remaining),
            // A claim in isolation never returns this.
            Ok(Claimed::NeedsIsolation) => Outcome::NotStarted,
            Ok(Claimed::Exhausted) => {
                log::error!("job.id":% = id; "the job failed: all its attempts are used up");
                Outcome::Failed
            }
            Ok(Claimed::Revoked) => Outcome::Revoked,
            Err(DatabaseError::Unavailable(error)) => {
                log::warn!("job.id":% = id, error; "could not claim the job; its message stays in the queue");
                Outcome::Unknown
            }
            Err(error @ DatabaseError::Query(_)) => {
                log::error!("job.id":% = id, error:%; "could not claim the job; its message stays in the queue");
                Outcome::Unknown
            }
        }
    }
}
