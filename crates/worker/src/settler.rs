//! Sends deletes, releases and rejections to the queue, in batches.

use std::sync::Arc;
use std::time::Duration;

use job_queue::{BatchOutcome, CallLimits, Deletion, Rejection, Release, Settlement, Subscription};
use shared_model::backoff::Backoff;
use shared_model::batch_lane::{Lane, LaneLimits, RunBatch};
use shared_model::database::DatabaseError;

use crate::in_flight::InFlight;
use crate::telemetry;

/// The maximum number of times that a settlement is sent. If the last call fails too, the queue delivers the message
/// again, and a worker finds that its job has ended.
const MAX_CALLS: u32 = 4;

/// If each call is billed: how many calls of a kind run at the same time, and how long a batch that is not full waits for
/// more items, because a batch costs as much as a single call.
const BILLED: (usize, Duration) = (8, Duration::from_millis(20));
/// If calls are free. What arrives while two of a kind run is the next batch.
const FREE: (usize, Duration) = (2, Duration::ZERO);

/// Settles deliveries. Clones share batches.
#[derive(Debug, Clone)]
pub struct Settler {
    deletions: Lane<Deletion, BatchOutcome>,
    releases: Lane<Release, BatchOutcome>,
    rejections: Lane<Rejection, BatchOutcome>,
    /// Settling takes no longer than this. The message then becomes visible again.
    time_limit: Duration,
}

impl Settler {
    /// Creates a settler for a queue that hides deliveries for `visibility`.
    ///
    /// # Panics
    /// Panics outside of a tokio runtime.
    pub fn start(
        subscription: Arc<dyn Subscription>,
        in_flight: InFlight,
        visibility: Duration,
    ) -> Self {
        let CallLimits { batch, is_billed } = subscription.limits();
        let (parallel, linger) = if is_billed { BILLED } else { FREE };
        let limits = LaneLimits {
            parallel,
            linger,
            ..LaneLimits::items(batch)
        };
        let deletions = Deletions(Arc::clone(&subscription));
        let rejections = Rejections(Arc::clone(&subscription));
        let releases = Releases {
            subscription,
            in_flight,
        };
        Self {
            deletions: Lane::start(limits, deletions),
            releases: Lane::start(limits, releases),
            rejections: Lane::start(
                LaneLimits {
                    linger: Duration::ZERO,
                    ..limits
                },
                rejections,
            ),
            time_limit: visibility / 2,
        }
    }

    /// Waits until the queue has confirmed the settlement, or until another call would be pointless.
    pub async fn settle(&self, settlement: Settlement) {
        let settled = async {
            match settlement {
                Settlement::Delete(deletion) => {
                    call_again(&self.deletions, deletion, "delete").await
                }
                Settlement::Release(release) => {
                    call_again(&self.releases, release, "release").await
                }
                Settlement::Reject(rejection) => {
                    call_again(&self.rejections, rejection, "reject").await
                }
            }
        };
        let settled = tokio::time::timeout(self.time_limit, settled).await;
        if !settled.unwrap_or(false) {
            metrics::counter!(telemetry::SETTLEMENTS_FAILED).increment(1);
            log::warn!("could not settle a message; the queue will deliver it again");
        }
    }
}

/// Returns `false` if the queue carried out none of the calls.
async fn call_again<I: Clone + Send + Sync + 'static>(
    lane: &Lane<I, BatchOutcome>,
    item: I,
    verb: &str,
) -> bool {
    for call in 1..=MAX_CALLS {
        match lane.call(item.clone()).await {
            Ok(BatchOutcome::Done) => return true,
            Ok(BatchOutcome::Lost) => {
                log::debug!("could not {verb} a delivery: it no longer belongs to this worker");
                return true;
            }
            Ok(BatchOutcome::Failed(error)) => log::warn!(error; "could not {verb} a delivery"),
            Err(error) => log::debug!(error:%; "could not {verb} a delivery"),
        }
        if call < MAX_CALLS {
            tokio::time::sleep(Backoff::CALL.after(call)).await;
        }
    }
    false
}

struct Deletions(Arc<dyn Subscription>);

impl RunBatch<Deletion, BatchOutcome> for Deletions {
    async fn run(&self, items: Arc<Vec<Deletion>>) -> Result<Vec<BatchOutcome>, DatabaseError> {
        Ok(self.0.delete(&items).await)
    }
}

struct Rejections(Arc<dyn Subscription>);

impl RunBatch<Rejection, BatchOutcome> for Rejections {
    async fn run(&self, items: Arc<Vec<Rejection>>) -> Result<Vec<BatchOutcome>, DatabaseError> {
        Ok(self.0.reject(&items).await)
    }
}

struct Releases {
    subscription: Arc<dyn Subscription>,
    in_flight: InFlight,
}

impl RunBatch<Release, BatchOutcome> for Releases {
    async fn run(&self, items: Arc<Vec<Release>>) -> Result<Vec<BatchOutcome>, DatabaseError> {
        let _lock = self.in_flight.begin_releasing().await;
        Ok(self.subscription.release(&items).await)
    }
}
