//! Sends deletes and releases to the queue, in batches.

use std::sync::Arc;
use std::time::Duration;

use job_queue::{BatchOutcome, MAX_BATCH, Settlement, Subscription};
use shared_model::backoff::Backoff;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::in_flight::InFlight;
use crate::telemetry;

/// How long a settlement waits for others to share its batch: a batch costs as much as a single call.
const LINGER: Duration = Duration::from_millis(20);
/// The maximum number of times that a settlement is sent. If the last call fails too, the queue delivers the message
/// again, and a worker finds that its job has ended.
const MAX_CALLS: u32 = 4;

/// Accepts settlements and sends them in the background. Clones share one background task.
#[derive(Debug, Clone)]
pub struct Settler(mpsc::UnboundedSender<Settlement>);

impl Settler {
    /// Starts the background task. It ends once every clone is dropped and every settlement has been sent.
    pub fn start(
        subscription: Arc<dyn Subscription>,
        in_flight: InFlight,
    ) -> (Self, JoinHandle<()>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (
            Self(sender),
            tokio::spawn(settle_all(subscription, in_flight, receiver)),
        )
    }

    /// Accepts a settlement. Never waits.
    pub fn settle(&self, settlement: Settlement) {
        // Sending can't fail, because the receiver lives as long as any sender.
        let _ = self.0.send(settlement);
    }
}

async fn settle_all(
    subscription: Arc<dyn Subscription>,
    in_flight: InFlight,
    mut receiver: mpsc::UnboundedReceiver<Settlement>,
) {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    while receiver.recv_many(&mut batch, MAX_BATCH).await > 0 {
        if batch.len() < MAX_BATCH {
            let fill = async {
                while batch.len() < MAX_BATCH {
                    let missing = MAX_BATCH - batch.len();
                    if receiver.recv_many(&mut batch, missing).await == 0 {
                        break;
                    }
                }
            };
            let _ = tokio::time::timeout(LINGER, fill).await;
        }
        let batch = std::mem::take(&mut batch);
        settle_batch(subscription.as_ref(), &in_flight, batch).await;
    }
}

async fn settle_batch(
    subscription: &dyn Subscription,
    in_flight: &InFlight,
    batch: Vec<Settlement>,
) {
    let (mut deletions, mut releases) = (Vec::new(), Vec::new());
    for settlement in batch {
        match settlement {
            Settlement::Delete(deletion) => deletions.push(deletion),
            Settlement::Release(release) => releases.push(release),
        }
    }
    for call in 1..=MAX_CALLS {
        let outcomes = subscription.delete(&deletions).await;
        deletions = failed(deletions, outcomes, "delete");
        if !releases.is_empty() {
            let _lock = in_flight.extension_lock().await;
            let outcomes = subscription.release(&releases).await;
            releases = failed(releases, outcomes, "release");
        }
        if deletions.is_empty() && releases.is_empty() {
            return;
        }
        if call < MAX_CALLS {
            tokio::time::sleep(Backoff::CALL.after(call)).await;
        }
    }
    let unsettled = deletions.len() + releases.len();
    metrics::counter!(telemetry::SETTLEMENTS_FAILED).increment(unsettled as u64);
    log::warn!("queue.settlements" = unsettled; "could not delete or release some messages; the queue will deliver them again");
}

/// Returns the settlements that are worth another attempt.
fn failed<T>(settlements: Vec<T>, outcomes: Vec<BatchOutcome>, verb: &str) -> Vec<T> {
    settlements
        .into_iter()
        .zip(outcomes)
        .filter_map(|(settlement, outcome)| match outcome {
            BatchOutcome::Done => None,
            BatchOutcome::Lost => {
                log::debug!("could not {verb} a delivery: it no longer belongs to this worker");
                None
            }
            BatchOutcome::Failed(error) => {
                log::warn!(error; "could not {verb} a delivery");
                Some(settlement)
            }
        })
        .collect()
}
