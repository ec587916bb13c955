//! The relay publishes accepted jobs from the outbox to the queue, at least once.
//!
//! It leases a batch of jobs, sends their messages, and marks the jobs that the queue confirmed. The lease lets several
//! relays run at the same time. A relay that dies between sending and marking causes a second message, which is harmless.

use std::sync::Arc;
use std::time::Duration;

use job_queue::{MAX_BATCH, Published, Publisher, QueueError};
use shared_model::backoff::Backoff;
use shared_model::database::{DatabaseError, Pool};
use shared_model::job::JobId;
use shared_model::job_store::outbox;
use shared_model::message::JobMessage;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::readiness::QueueState;
use crate::telemetry::{OUTBOX_FAILURES, OUTBOX_PUBLISHED};

/// How often an idle relay checks the outbox without being woken. It finds jobs of a process that died after accepting
/// them, and jobs that a sweep returned to the outbox.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// The time limit for sending a batch. It is shorter than the lease, so that no other relay sends the batch meanwhile.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(20);

/// Publishes the jobs in the outbox.
pub struct Relay {
    /// The database.
    pub pool: Pool,
    /// The queue's publisher.
    pub publisher: Arc<dyn Publisher>,
    /// Notified when a job is accepted.
    pub wake: Arc<Notify>,
    /// Receives the result of each call to the queue.
    pub queue: watch::Sender<QueueState>,
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay")
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}

/// The outcome of one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There was nothing to send, or other relays have leased it.
    Idle,
    /// All jobs of the batch were sent. Holds their number.
    Sent(usize),
    /// The queue rejected some jobs. They are back in the outbox.
    Partly {
        /// Jobs sent.
        sent: usize,
        /// Jobs not sent.
        failed: usize,
    },
}

/// A step failed. Jobs that it leased and did not mark as published are sent again.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The outbox could not be read or updated.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The batch could not be sent.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

impl Relay {
    /// Publishes jobs until `shutdown`. A batch that has begun is finished first.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut failures = 0;
        while !shutdown.is_cancelled() {
            match self.publish_once().await {
                Ok(Step::Sent(MAX_BATCH)) => failures = recovered(failures),
                // a batch that is not full has emptied the outbox
                Ok(Step::Idle | Step::Sent(_)) => {
                    failures = recovered(failures);
                    wait(&shutdown, CHECK_INTERVAL, self.wake.notified()).await;
                }
                Ok(Step::Partly { .. }) => {
                    failures += 1;
                    pause(&shutdown, failures).await;
                }
                Err(error) => {
                    failures += 1;
                    let level = if failures == 1 {
                        log::Level::Warn
                    } else {
                        log::Level::Debug
                    };
                    log::log!(level, error:%; "could not publish jobs; trying again");
                    pause(&shutdown, failures).await;
                }
            }
        }
    }

    /// Sends one batch, if there is anything to send.
    ///
    /// # Errors
    /// Returns an error if the database or the queue fails.
    pub async fn publish_once(&self) -> Result<Step, RelayError> {
        let batch = self.lease().await?;
        if batch.is_empty() {
            return Ok(Step::Idle);
        }
        match self.publish(&batch).await {
            Ok(published) => {
                self.queue.send_replace(QueueState::Reachable);
                Ok(self.settle(published).await?)
            }
            Err(error) => {
                self.queue.send_replace(QueueState::Unreachable);
                metrics::counter!(OUTBOX_FAILURES).increment(batch.len() as u64);
                self.release(batch.iter().map(|message| message.job_id).collect())
                    .await?;
                Err(error.into())
            }
        }
    }

    async fn lease(&self) -> Result<Vec<JobMessage>, DatabaseError> {
        let limit = i64::try_from(MAX_BATCH).unwrap_or(i64::MAX);
        self.pool
            .run(move |connection| outbox::lease_unpublished(connection, limit))
            .await
    }

    async fn publish(&self, batch: &[JobMessage]) -> Result<Published, QueueError> {
        tokio::time::timeout(PUBLISH_TIMEOUT, self.publisher.publish(batch))
            .await
            .unwrap_or_else(|_elapsed| {
                let seconds = PUBLISH_TIMEOUT.as_secs();
                Err(QueueError::Unavailable(format!(
                    "no response within {seconds} s"
                )))
            })
    }

    async fn settle(&self, published: Published) -> Result<Step, DatabaseError> {
        let Published { sent, failed } = published;
        let (sent_count, failed_count) = (sent.len(), failed.len());
        if sent_count > 0 {
            self.pool
                .run(move |connection| outbox::mark_published(connection, &sent))
                .await?;
            metrics::counter!(OUTBOX_PUBLISHED).increment(sent_count as u64);
        }
        if failed_count == 0 {
            return Ok(Step::Sent(sent_count));
        }
        metrics::counter!(OUTBOX_FAILURES).increment(failed_count as u64);
        for (id, reason) in &failed {
            log::warn!("job.id":% = id, error = reason; "the queue rejected a job; trying again");
        }
        self.release(failed.into_iter().map(|(id, _)| id).collect())
            .await?;
        Ok(Step::Partly {
            sent: sent_count,
            failed: failed_count,
        })
    }

    async fn release(&self, ids: Vec<JobId>) -> Result<(), DatabaseError> {
        self.pool
            .run(move |connection| outbox::release_unpublished(connection, &ids))
            .await
    }
}

/// Logs the recovery if there were failures. Returns the new number of failures, 0.
fn recovered(failures: u32) -> u32 {
    if failures > 0 {
        log::info!("jobs can be published again");
    }
    0
}

/// Waits for the queue or the database to recover. Newly accepted jobs do not shorten the wait.
async fn pause(shutdown: &CancellationToken, failures: u32) {
    wait(
        shutdown,
        Backoff::CALL.after(failures),
        std::future::pending(),
    )
    .await;
}

async fn wait(shutdown: &CancellationToken, time: Duration, wake: impl Future<Output = ()>) {
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = tokio::time::sleep(time) => {}
        () = wake => {}
    }
}
