//! Visibility timeouts and delays for brokers that have neither: RabbitMQ, ActiveMQ and Kafka.
//!
//! Such a broker gives a message to one worker, which holds it until it settles the message or its connection ends; then
//! another worker gets it. What else a worker expects of a queue is done here, for all of them ([`HeldSubscription`]):
//!
//! - **Visibility timeout.** The worker itself keeps the time. A message that it has neither extended nor settled in time is
//!   returned, so a worker that goes on living keeps no message that it has forgotten. Extending makes no call. If the
//!   connection ends, the broker delivers the message to another worker although the job runs on here. The claim on the job
//!   keeps that worker from running it as well.
//! - **Delay.** A message that is to come again later is noted in the outbox ([`outbox::postpone`]), and then settled. A crash
//!   between the two leaves two copies of the message, and never none.
//! - **A message that can't be read** is moved to the dead-letter queue when it is settled.
//!
//! # Layout
//! - `entries`: what this worker holds, and until when
//! - `leave`: how messages are returned, postponed and moved to the dead-letter queue

mod entries;
mod leave;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use shared_model::database::Pool;
use shared_model::message::JobMessage;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::error::QueueError;
use crate::findings::Findings;
use crate::limits::CallLimits;
use crate::subscription::{
    BatchOutcome, Deletion, Delivery, Receipt, Received, Rejection, Release, Subscription,
    SubscriptionOptions, WorkerNeeds,
};
use entries::{Content, Entries};
use leave::Leaving;

/// The longest pause between two looks for messages whose visibility timeout has ended. With a visibility timeout of less than
/// eight times as long, it is an eighth of that timeout.
const MAX_LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What a broker without visibility timeouts and delays can do.
///
/// No receipt is passed to two calls at the same time, and none again after an outcome other than `Failed`.
#[async_trait]
pub(crate) trait Broker: std::fmt::Debug + Send + Sync + 'static {
    /// Waits up to `wait` for messages, and returns at most `max`. After `stop` is cancelled, returns as soon as possible
    /// without losing a message.
    ///
    /// # Errors
    /// Returns an error if the broker did not answer or refused the call.
    async fn take(
        &self,
        max: usize,
        wait: Duration,
        stop: &CancellationToken,
    ) -> Result<Vec<Taken>, QueueError>;

    /// The messages are done with: they are never delivered again. Returns one outcome per receipt, in the same order;
    /// `Lost` if the connection that the message came with has ended.
    async fn settle(&self, receipts: &[Receipt]) -> Vec<BatchOutcome>;

    /// Lets the messages be delivered again immediately. Returns one outcome per receipt, in the same order, or `None` if
    /// the broker can't return a single message.
    async fn give_back(&self, receipts: &[Receipt]) -> Option<Vec<BatchOutcome>>;

    /// Moves a message with this body, which can't be read, to the dead-letter queue.
    async fn bury(&self, receipt: &Receipt, body: &[u8]) -> BatchOutcome;

    /// Looks at the queue: see [`Subscription::inspect`].
    async fn inspect(&self, worker: WorkerNeeds) -> Result<Findings, QueueError>;

    /// See [`Subscription::keeps_order`].
    fn keeps_order(&self) -> bool {
        true
    }

    /// See [`Subscription::drained_until`].
    async fn drained_until(&self) -> Result<Option<Instant>, QueueError> {
        Ok(None)
    }

    /// Closes the connection. The broker then delivers to others what was taken and not settled.
    async fn close(&self);
}

/// A message as the broker delivers it.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    /// Identifies the delivery to the broker, also among those of earlier connections.
    pub(crate) receipt: Receipt,
    /// The broker's id of the message, for the log.
    pub(crate) message_id: String,
    /// How many times the message has been delivered, including this time; 1 if the broker does not count.
    pub(crate) receive_count: u32,
    /// What was sent.
    pub(crate) body: Vec<u8>,
}

/// The receiving half of a queue of such a broker.
#[derive(Debug)]
pub(crate) struct HeldSubscription<B> {
    holder: Arc<Holder<B>>,
    wait: Duration,
    returning: AbortOnDropHandle<()>,
}

/// What the task that returns forgotten messages shares.
#[derive(Debug)]
struct Holder<B> {
    broker: B,
    pool: Pool,
    visibility: Duration,
    entries: Entries,
}

impl<B: Broker> HeldSubscription<B> {
    /// Creates a subscription. It postpones messages through `pool`.
    ///
    /// # Panics
    /// Panics outside of a tokio runtime.
    pub(crate) fn new(broker: B, pool: Pool, options: SubscriptionOptions) -> Self {
        let holder = Arc::new(Holder {
            broker,
            pool,
            visibility: options.visibility,
            entries: Entries::default(),
        });
        let returning = tokio::spawn(Arc::clone(&holder).return_forgotten());
        Self {
            holder,
            wait: options.wait,
            returning: AbortOnDropHandle::new(returning),
        }
    }
}

#[async_trait]
impl<B: Broker> Subscription for HeldSubscription<B> {
    async fn receive(
        &self,
        max: usize,
        stop: &CancellationToken,
    ) -> Result<Vec<Received>, QueueError> {
        if stop.is_cancelled() {
            return Ok(Vec::new());
        }
        let taken = self.holder.broker.take(max, self.wait, stop).await?;
        let held = taken.into_iter().map(|taken| self.holder.hold(taken));
        Ok(held.map(Received::Message).collect())
    }

    async fn extend(&self, receipts: &[Receipt]) -> Vec<BatchOutcome> {
        let until = Instant::now() + self.holder.visibility;
        let entries = &self.holder.entries;
        receipts
            .iter()
            .map(|receipt| {
                if entries.extend(receipt, until) {
                    BatchOutcome::Done
                } else {
                    BatchOutcome::Lost
                }
            })
            .collect()
    }

    async fn delete(&self, deletions: &[Deletion]) -> Vec<BatchOutcome> {
        let receipts = deletions.iter().map(|deletion| &deletion.receipt);
        self.holder.delete(receipts).await
    }

    async fn release(&self, releases: &[Release]) -> Vec<BatchOutcome> {
        let releases = releases
            .iter()
            .map(|release| (&release.receipt, release.delay));
        self.holder.release(releases).await
    }

    async fn reject(&self, rejections: &[Rejection]) -> Vec<BatchOutcome> {
        // what can't be read leaves by the same way as if it were released
        let receipts = rejections.iter().map(|rejection| &rejection.receipt);
        let at_once = receipts.map(|receipt| (receipt, Duration::ZERO));
        self.holder.release(at_once).await
    }

    /// Returns `None`: only messages that can't be read are moved to the dead-letter queue, for an operator to look at.
    /// Messages that the broker itself has moved there count as lost, and their jobs are published again.
    async fn dead_letters(&self) -> Result<Option<Arc<dyn Subscription>>, QueueError> {
        Ok(None)
    }

    async fn inspect(&self, worker: WorkerNeeds) -> Result<Findings, QueueError> {
        self.holder.broker.inspect(worker).await
    }

    fn limits(&self) -> CallLimits {
        CallLimits::FREE
    }

    fn keeps_order(&self) -> bool {
        self.holder.broker.keeps_order()
    }

    async fn drained_until(&self) -> Result<Option<Instant>, QueueError> {
        self.holder.broker.drained_until().await
    }

    async fn close(&self) {
        self.returning.abort();
        self.holder.broker.close().await;
    }
}

impl<B: Broker> Holder<B> {
    fn hold(&self, taken: Taken) -> Delivery {
        let message = JobMessage::decode(&String::from_utf8_lossy(&taken.body));
        let content = match &message {
            Ok(message) => Content::Job(message.job_id, message.generation),
            Err(_) => Content::Unreadable(taken.body),
        };
        let until = Instant::now() + self.visibility;
        self.entries.add(taken.receipt.clone(), content, until);
        Delivery {
            message,
            message_id: taken.message_id,
            receive_count: taken.receive_count,
            group: None,
            receipt: taken.receipt,
        }
    }

    /// Returns the messages whose visibility timeout has ended, forever. Their deliveries were lost: otherwise the worker
    /// would have extended or settled them.
    async fn return_forgotten(self: Arc<Self>) {
        let mut ticks = interval(MAX_LOOK_INTERVAL.min(self.visibility / 8));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let forgotten = self.entries.begin_overdue(Instant::now());
            if forgotten.is_empty() {
                continue;
            }
            log::debug!("queue.messages" = forgotten.len(); "returning messages that were neither extended nor settled");
            let leaving = forgotten.into_iter().map(Leaving::at_once).collect();
            for outcome in self.leave(leaving).await.values() {
                if let BatchOutcome::Failed(error) = outcome {
                    log::debug!(error; "could not return a message; trying again");
                }
            }
        }
    }
}
