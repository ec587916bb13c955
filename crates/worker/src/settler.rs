//! Tells the queue how deliveries ended, in batches.

use std::sync::Arc;
use std::time::Duration;

use job_queue::{MAX_BATCH, Settlement, Subscription};
use shared_model::backoff::Backoff;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::held::Held;

/// How long a settlement waits for others to go with: a batch costs as much as a single one.
const LINGER: Duration = Duration::from_millis(20);
/// After so many tries a settlement is let go. The delivery then comes once more, and finds its job ended.
const MAX_TRIES: u32 = 4;

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

async fn settle_batch(subscription: &dyn Subscription, held: &Held, mut batch: Vec<Settlement>) {
    for tries in 1..=MAX_TRIES {
        let (deleted, released): (Vec<_>, Vec<_>) =
            batch.into_iter().partition(Settlement::is_delete);
        batch = subscription.settle(deleted).await;
        if !released.is_empty() {
            let _gate = held.extension_gate().await;
            batch.extend(subscription.settle(released).await);
        }
        if batch.is_empty() {
            return;
        }
        if tries < MAX_TRIES {
            tokio::time::sleep(Backoff::CALL.after(tries)).await;
        }
    }
    metrics::counter!("worker_settlements_failed_total").increment(batch.len() as u64);
    log::warn!("queue.settlements" = batch.len(); "gave up telling the queue; these deliveries will come once more");
}
