//! What the worker receives, and how a delivery is settled.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use shared_model::message::{JobMessage, MessageError};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::error::QueueError;

/// How a worker receives.
#[derive(Debug, Clone, Copy)]
pub struct SubscriptionOptions {
    /// How long a delivery stays hidden from other workers unless extended. Whole seconds on SQS.
    pub visibility: Duration,
    /// How long an empty queue is waited for in one call.
    pub wait: Duration,
}

/// The receiving half of a queue.
#[async_trait]
pub trait Subscription: std::fmt::Debug + Send + Sync {
    /// Waits for deliveries and takes at most `max` (1 to 10) of them. Empty when none came in time. After `stop` it
    /// returns as soon as it can without losing any.
    ///
    /// Await it to its end: a delivery of an abandoned call stays hidden until its visibility ends.
    ///
    /// # Errors
    /// When the queue did not answer or refused.
    async fn receive(
        &self,
        max: usize,
        stop: &CancellationToken,
    ) -> Result<Vec<Delivery>, QueueError>;

    /// Hides these deliveries from other workers for the whole visibility from now. One answer each, in order.
    async fn extend(&self, receipts: &[Receipt]) -> Vec<Extension>;

    /// Settles deliveries, and gives back those settlements that are worth another try.
    async fn settle(&self, settlements: Vec<Settlement>) -> Vec<Settlement>;

    /// The queue that takes what was received too often here, if this one has one.
    ///
    /// # Errors
    /// When the queue did not answer or refused.
    async fn dead_letters(&self) -> Result<Option<Arc<dyn Subscription>>, QueueError>;

    /// What of the queue's own settings will not work with this worker, in words; `max_attempts` is the worker's.
    ///
    /// # Errors
    /// When the queue did not answer or refused.
    async fn warnings(&self, max_attempts: u32) -> Result<Vec<String>, QueueError>;
}

/// One receipt of a message: its payload, and the right to settle it, which is used up by settling.
#[derive(Debug)]
pub struct Delivery {
    /// The job that it is about, or why the body can't be read.
    pub message: Result<JobMessage, MessageError>,
    /// The queue's name for the message, for the log. Not an identity: a redriven message has a new one.
    pub message_id: String,
    /// How often the message has been received, this time included.
    pub receive_count: u32,
    /// On a FIFO queue, the group within which order counts.
    pub group: Option<String>,
    /// What names this delivery to the queue.
    pub receipt: Receipt,
}

impl Delivery {
    /// Done with: never deliver it again.
    pub fn delete(self) -> Settlement {
        Settlement {
            receipt: self.receipt,
            kind: SettlementKind::Delete,
        }
    }

    /// Not done with: deliver it again after `delay`.
    pub fn release(self, delay: Duration) -> Settlement {
        Settlement {
            receipt: self.receipt,
            kind: SettlementKind::Release(delay),
        }
    }
}

/// What names a delivery to its queue.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Receipt(pub(crate) ReceiptKind);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum ReceiptKind {
    Sqs(String),
    Postgres { id: Uuid, delivery: i64 },
}

/// What became of extending a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extension {
    /// It is hidden for the whole visibility from now.
    Extended,
    /// It belongs to this worker no longer, and can't be extended.
    Lost,
    /// The queue did not answer; it may still be extended.
    Failed(String),
}

/// A delivery's end, still to be told to the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    pub(crate) receipt: Receipt,
    pub(crate) kind: SettlementKind,
}

impl Settlement {
    /// Whether the delivery is done with.
    pub fn is_delete(&self) -> bool {
        self.kind == SettlementKind::Delete
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SettlementKind {
    Delete,
    Release(Duration),
}
