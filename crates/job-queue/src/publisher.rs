//! What the API's relay sends messages with.

use async_trait::async_trait;
use shared_model::job_store::outbox::SendKey;
use shared_model::message::OutboundMessage;

use crate::error::QueueError;
use crate::findings::Findings;
use crate::limits::CallLimits;

/// The sending half of a queue. The table of jobs has none, because the workers claim jobs from it.
#[async_trait]
pub trait Publisher: std::fmt::Debug + Send + Sync {
    /// Sends at most [`CallLimits::batch`] messages.
    ///
    /// # Errors
    /// Returns an error if the call failed as a whole. Some messages may have been sent all the same. Send all of them
    /// again: a second message for a job does no harm.
    async fn publish(&self, messages: &[OutboundMessage]) -> Result<Published, QueueError>;

    /// Returns how messages are sent economically.
    fn limits(&self) -> CallLimits {
        CallLimits::BILLED
    }

    /// Looks at the queue: whether it exists, accepts the credentials, and keeps what is sent to it. Finds nothing, and makes
    /// no call, if the API can go on whatever the answer is (SQS).
    ///
    /// # Errors
    /// Returns an error if the queue does not answer.
    async fn inspect(&self) -> Result<Findings, QueueError>;

    /// Counts the messages in the queue and in its dead-letter queue.
    ///
    /// # Errors
    /// Returns an error if the queue can't be reached, or does not allow this to the credentials.
    async fn depth(&self) -> Result<QueueDepth, QueueError>;
}

/// Which messages of a call were sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Published {
    /// The messages that the queue has confirmed.
    pub sent: Vec<SendKey>,
    /// All other messages, each with the queue's reason. They have to be sent again.
    pub failed: Vec<(SendKey, String)>,
}

/// How many messages are in a queue. The numbers of SQS are approximate, and up to a minute old.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueDepth {
    /// Messages that a worker can receive now.
    pub visible: u64,
    /// Messages that a worker has received and not settled, or `None` if the queue does not tell.
    pub in_flight: Option<u64>,
    /// Messages that nobody can receive yet, because the queue delays them. Those that wait in the outbox until they are
    /// due do not count.
    pub delayed: u64,
    /// All messages in the dead-letter queue, or `None` if the queue has none. An error if only they can't be counted.
    pub dead_letters: Result<Option<u64>, QueueError>,
}
