//! From the outbox to the queue: what was accepted is published, at least once.
//!
//! A relay takes jobs under a lease, sends them, and marks those that the queue took for certain; so several relays
//! run side by side, and one that dies between the two costs a second message, which does no harm.

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

/// How often an idle relay looks by itself: for what another API accepted and then died over, and for what the sweeps
/// put back.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How long a queue may take over one batch. Less than the lease, so that no other relay sends the batch meanwhile.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(20);

/// Publishes what is in the outbox.
pub struct Relay {
    /// The database.
    pub pool: Pool,
    /// The queue's sending half.
    pub publisher: Arc<dyn Publisher>,
    /// Told when a job was accepted.
    pub wake: Arc<Notify>,
    /// Told how the queue was found.
    pub queue: watch::Sender<QueueState>,
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay")
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing was to be sent, or other relays have it.
    Idle,
    /// Everything taken was sent: so many jobs.
    Sent(usize),
    /// The queue did not take all of it; the rest is back in the outbox.
    Partly {
        /// Jobs sent.
        sent: usize,
        /// Jobs not sent.
        failed: usize,
    },
}

/// Why a step did not get to its end. What was taken and not marked is sent again.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The outbox could not be read or marked.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The queue did not take the batch.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

impl Relay {
    /// Publishes until `shutdown`; a batch that is under way is finished first.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut failures = 0;
        while !shutdown.is_cancelled() {
            match self.publish_once().await {
                Ok(Step::Sent(MAX_BATCH)) => failures = recovered(failures),
                // less than a full batch was all there was
                Ok(Step::Idle | Step::Sent(_)) => {
                    failures = recovered(failures);
                    wait(&shutdown, LOOK_INTERVAL, self.wake.notified()).await;
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
                    log::log!(level, error:%; "jobs can't be published now; trying again");
                    pause(&shutdown, failures).await;
                }
            }
        }
    }

    /// Sends one batch, if there is anything to send.
    ///
    /// # Errors
    /// When the database or the queue does not answer.
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
                self.give_back(batch.iter().map(|message| message.job_id).collect())
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
                    "no answer within {seconds} s"
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
            log::warn!("job.id":% = id, error = reason; "the queue did not take a job; trying again");
        }
        self.give_back(failed.into_iter().map(|(id, _)| id).collect())
            .await?;
        Ok(Step::Partly {
            sent: sent_count,
            failed: failed_count,
        })
    }

    async fn give_back(&self, ids: Vec<JobId>) -> Result<(), DatabaseError> {
        self.pool
            .run(move |connection| outbox::release_unpublished(connection, &ids))
            .await
    }
}

/// Says so if there were failures, and forgets them.
fn recovered(failures: u32) -> u32 {
    if failures > 0 {
        log::info!("jobs are published again");
    }
    0
}

/// For the queue or the database to recover: no job that is accepted meanwhile ends it.
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
