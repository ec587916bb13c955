//! What the worker receives, and how a delivery is settled.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use shared_model::message::{JobMessage, MessageError};
use tokio_util::sync::CancellationToken;

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

    /// Hides these deliveries from other workers for the whole visibility timeout, counted from now.
    ///
    /// Returns one outcome per receipt, in the same order.
    async fn extend(&self, receipts: &[Receipt]) -> Vec<BatchOutcome>;

    /// Deletes messages, so that they are never delivered again.
    ///
    /// Returns one outcome per deletion, in the same order.
    async fn delete(&self, deletions: &[Deletion]) -> Vec<BatchOutcome>;

    /// Returns messages to the queue, each to be delivered again after its delay.
    ///
    /// Returns one outcome per release, in the same order.
    async fn release(&self, releases: &[Release]) -> Vec<BatchOutcome>;

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

/// A message that was received, with the right to settle it. Settling consumes the delivery, so settling it twice does
/// not compile.
#[derive(Debug)]
pub struct Delivery {
    /// The job that the message refers to, or why its body cannot be read.
    pub message: Result<JobMessage, MessageError>,
    /// The queue's id of the message, for the log. It is not an identity: a redriven message has a new id.
    pub message_id: String,
    /// How often the message has been received, including this time.
    pub receive_count: u32,
    /// On a FIFO queue, the message group, within which order is preserved.
    pub group: Option<String>,
    /// Identifies this delivery to the queue.
    pub receipt: Receipt,
}

impl Delivery {
    /// Settles the delivery by deleting its message.
    pub fn delete(self) -> Deletion {
        Deletion {
            receipt: self.receipt,
        }
    }

    /// Settles the delivery by returning its message to the queue, to be delivered again after `delay`.
    pub fn release(self, delay: Duration) -> Release {
        Release {
            receipt: self.receipt,
            delay,
        }
    }
}

/// Identifies a delivery to its queue. Only the backend that created a receipt can interpret it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Receipt(String);

impl Receipt {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A delivery that was settled by deleting its message. The queue does not know yet.
#[derive(Debug)]
pub struct Deletion {
    pub(crate) receipt: Receipt,
}

/// A delivery that was settled by returning its message to the queue. The queue does not know yet.
#[derive(Debug)]
pub struct Release {
    pub(crate) receipt: Receipt,
    pub(crate) delay: Duration,
}

/// How a delivery was settled.
#[derive(Debug)]
pub enum Settlement {
    /// Its message is deleted.
    Delete(Deletion),
    /// Its message is delivered again later.
    Release(Release),
}

/// The queue's answer for one receipt of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchOutcome {
    /// The queue did it.
    Done,
    /// The delivery no longer belongs to this worker. Another attempt would not help.
    Lost,
    /// The queue did not do it, for this reason. Another attempt may succeed.
    Failed(String),
}
