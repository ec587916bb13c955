//! Tells the queue how deliveries ended, in batches.

use std::sync::Arc;
use std::time::Duration;

use job_queue::{BatchOutcome, MAX_BATCH, Settlement, Subscription};
use shared_model::backoff::Backoff;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::held::Held;

/// How long a settlement waits for others to go with: a batch costs as much as a single one.
const LINGER: Duration = Duration::from_millis(20);
/// Attempts per settlement. After the last one, the queue delivers the message once more, and the worker finds that its
/// job has ended.
const MAX_ATTEMPTS: u32 = 4;

/// Takes settlements. Clones share the way to the queue.
#[derive(Debug, Clone)]
pub struct Settler(mpsc::UnboundedSender<Settlement>);

impl Settler {
    /// Starts the task that tells the queue. It ends, with everything told, when every clone is gone.
    pub fn start(subscription: Arc<dyn Subscription>, held: Held) -> (Self, JoinHandle<()>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (
            Self(sender),
            tokio::spawn(settle_all(subscription, held, receiver)),
        )
    }

    /// Hands over a settlement. Never waits.
    pub fn settle(&self, settlement: Settlement) {
        // the receiver outlives every sender
        let _ = self.0.send(settlement);
    }
}

async fn settle_all(
    subscription: Arc<dyn Subscription>,
    held: Held,
    mut receiver: mpsc::UnboundedReceiver<Settlement>,
) {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    while receiver.recv_many(&mut batch, MAX_BATCH).await > 0 {
        if batch.len() < MAX_BATCH {
            let fill = async {
                while batch.len() < MAX_BATCH {
                    let room = MAX_BATCH - batch.len();
                    if receiver.recv_many(&mut batch, room).await == 0 {
                        break;
                    }
                }
            };
            // whoever is late goes with the next batch
            let _ = tokio::time::timeout(LINGER, fill).await;
        }
        settle_batch(subscription.as_ref(), &held, std::mem::take(&mut batch)).await;
    }
}

async fn settle_batch(subscription: &dyn Subscription, held: &Held, batch: Vec<Settlement>) {
    let (mut deletions, mut releases) = (Vec::new(), Vec::new());
    for settlement in batch {
        match settlement {
            Settlement::Delete(deletion) => deletions.push(deletion),
            Settlement::Release(release) => releases.push(release),
        }
    }
    for attempt in 1..=MAX_ATTEMPTS {
        let outcomes = subscription.delete(&deletions).await;
        deletions = failed(deletions, outcomes, "delete");
        if !releases.is_empty() {
            let _gate = held.extension_gate().await;
            let outcomes = subscription.release(&releases).await;
            releases = failed(releases, outcomes, "release");
        }
        if deletions.is_empty() && releases.is_empty() {
            return;
        }
        if attempt < MAX_ATTEMPTS {
            tokio::time::sleep(Backoff::CALL.after(attempt)).await;
        }
    }
    let unsettled = deletions.len() + releases.len();
    metrics::counter!("worker_settlements_failed_total").increment(unsettled as u64);
    log::warn!("queue.settlements" = unsettled; "gave up settling; the queue will deliver these messages once more");
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
