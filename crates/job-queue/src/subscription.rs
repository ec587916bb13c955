//! What the worker receives messages with, and how it settles a delivery.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use shared_model::job_store::claims::Claim;
use shared_model::message::{JobMessage, MessageError};
use shared_model::trace::Trace;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::QueueError;
use crate::findings::Findings;
use crate::limits::CallLimits;

/// How a worker receives.
#[derive(Debug, Clone, Copy)]
pub struct SubscriptionOptions {
    /// The visibility timeout: how long a delivery is hidden from other workers unless it is extended. Whole seconds on
    /// SQS.
    pub visibility: Duration,
    /// How long one call waits for messages if the queue is empty.
    pub wait: Duration,
    /// How many attempts a job may have. The queue `postgres:` delivers no job that has had as many.
    pub max_attempts: i32,
    /// How many deliveries the worker has in flight at most (`WORKER_CONCURRENCY`). A queue that pushes messages pushes no
    /// more than these.
    pub slots: usize,
}

/// What a worker receives.
#[derive(Debug)]
pub enum Received {
    /// A message, which has to be settled. Its job is not claimed yet.
    Message(Delivery),
    /// A job of the queue `postgres:`. Receiving it was claiming it, and ending or retrying the job settles it.
    Claim {
        /// The claim.
        claim: Box<Claim>,
        /// Until when it lasts at least, unless it is renewed.
        until: Instant,
    },
}

impl Received {
    /// Returns the trace of the job, or `None` if the message can't be read.
    pub fn trace(&self) -> Option<Trace> {
        match self {
            Self::Message(delivery) => delivery.message.as_ref().ok().map(JobMessage::trace),
            Self::Claim { claim, .. } => Some(claim.trace),
        }
    }
}

/// The receiving half of a queue.
#[async_trait]
pub trait Subscription: std::fmt::Debug + Send + Sync {
    /// Waits for jobs and receives at most `max` of them. Returns nothing if none arrived in time. After `stop` is
    /// cancelled, returns as soon as possible without losing a message.
    ///
    /// Only one task may receive at a time. Do not drop the future before it completes: a message that it received would
    /// stay hidden until its visibility timeout ends.
    ///
    /// # Errors
    /// Returns an error if the queue did not answer or refused the call.
    async fn receive(
        &self,
        max: usize,
        stop: &CancellationToken,
    ) -> Result<Vec<Received>, QueueError>;

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

    /// Takes messages that can't be read out of the queue, into its dead-letter queue. A queue that does this by itself
    /// after some receives (SQS) is not called, and the message becomes visible again until then.
    ///
    /// Returns one outcome per rejection, in the same order.
    async fn reject(&self, rejections: &[Rejection]) -> Vec<BatchOutcome>;

    /// Returns a subscription to the dead-letter queue, which holds the messages that were received too often from this
    /// queue, or `None` if this queue has none.
    ///
    /// # Errors
    /// Returns an error if the queue did not answer or refused the call.
    async fn dead_letters(&self) -> Result<Option<Arc<dyn Subscription>>, QueueError>;

    /// Looks at the queue: what does not suit this worker.
    ///
    /// # Errors
    /// Returns an error if the queue does not answer. SQS also returns one if it does not exist or refuses the
    /// credentials, so that the worker tries again until an operator has corrected that.
    async fn inspect(&self, worker: WorkerNeeds) -> Result<Findings, QueueError>;

    /// Returns how deliveries are settled economically.
    fn limits(&self) -> CallLimits {
        CallLimits::BILLED
    }

    /// Returns whether the queue counts how often it delivers a message, and moves it to the dead-letter queue after too
    /// many times (SQS). An attempt is then stopped when its delivery can't be extended, because the message would be
    /// delivered to other workers again and again. On other queues the attempt goes on: the claim keeps other workers out,
    /// and they release the message until the job ends.
    fn counts_deliveries(&self) -> bool {
        false
    }

    /// Returns whether an empty receive shows that the queue is empty, and messages arrive in about the order in which
    /// they were sent. If not, a message counts as lost only if [`drained_until`](Self::drained_until) shows that.
    fn keeps_order(&self) -> bool {
        true
    }

    /// Returns a time such that everything that was sent before it has been received and settled, or `None` if the queue can't
    /// tell. Called every few seconds, and only if [`keeps_order`](Self::keeps_order) is false.
    ///
    /// # Errors
    /// Returns an error if the queue did not answer or refused the call.
    async fn drained_until(&self) -> Result<Option<Instant>, QueueError> {
        Ok(None)
    }

    /// Returns to the queue what was received and not settled, and leaves the queue. Called once, after the last
    /// settlement.
    async fn close(&self) {}
}

/// What a worker needs from its queue, as far as a look at the queue can compare it.
#[derive(Debug, Clone, Copy)]
pub struct WorkerNeeds {
    /// How many attempts a job may have.
    pub max_attempts: u32,
    /// The maximum duration of one attempt.
    pub job_timeout: Duration,
    /// How many deliveries the worker has in flight at most.
    pub slots: usize,
    /// How many workers run, including this one.
    pub workers: u32,
}

/// A message that was received, with the right to settle it. Settling consumes the delivery, so settling it twice does
/// not compile.
#[derive(Debug)]
pub struct Delivery {
    /// The job that the message refers to, or why its body cannot be read.
    pub message: Result<JobMessage, MessageError>,
    /// The queue's id of the message, for the log. It is not permanent: a redriven message has a new id.
    pub message_id: String,
    /// How many times the message has been received, including this time; 1 if the queue does not count.
    pub receive_count: u32,
    /// On a FIFO queue, the message group, within which order is preserved. `None` on a standard queue, where a group is
    /// only a tenant.
    pub group: Option<String>,
    /// Identifies this delivery to the queue.
    pub receipt: Receipt,
}

impl Delivery {
    /// Settles the delivery: [`Subscription::delete`] then deletes the message.
    pub fn delete(self) -> Deletion {
        Deletion {
            receipt: self.receipt,
        }
    }

    /// Settles the delivery: [`Subscription::release`] then returns the message to the queue, to be delivered again
    /// after `delay`.
    pub fn release(self, delay: Duration) -> Release {
        Release {
            receipt: self.receipt,
            delay,
        }
    }

    /// Settles the delivery of a message that can't be read: [`Subscription::reject`] then takes it out of the queue.
    pub fn reject(self) -> Rejection {
        Rejection {
            receipt: self.receipt,
        }
    }
}

/// Identifies a delivery to its queue. Only the subscription that created a receipt can interpret it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Receipt(String);

impl Receipt {
    /// Creates the receipt that a subscription has received.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The decision to delete the message of a delivery, for [`Subscription::delete`].
#[derive(Debug, Clone)]
pub struct Deletion {
    pub(crate) receipt: Receipt,
}

/// The decision to return the message of a delivery to the queue, for [`Subscription::release`].
#[derive(Debug, Clone)]
pub struct Release {
    pub(crate) receipt: Receipt,
    pub(crate) delay: Duration,
}

/// The decision to take the message of a delivery out of the queue, because it can't be read, for
/// [`Subscription::reject`].
#[derive(Debug, Clone)]
pub struct Rejection {
    pub(crate) receipt: Receipt,
}

/// How to settle a delivery.
#[derive(Debug)]
pub enum Settlement {
    /// Delete its message.
    Delete(Deletion),
    /// Return its message to the queue, to be delivered again later.
    Release(Release),
    /// Take its message out of the queue, because it can't be read.
    Reject(Rejection),
}

/// The queue's answer for one receipt of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchOutcome {
    /// The queue carried it out.
    Done,
    /// The delivery no longer belongs to this worker. Another attempt would not help.
    Lost,
    /// The queue did not carry it out, for this reason. Another attempt may succeed.
    Failed(String),
}
