//! What the API's relay sends messages with.

use async_trait::async_trait;
use shared_model::job_store::outbox::SendKey;
use shared_model::message::OutboundMessage;

use crate::error::QueueError;

/// The sending half of a queue. The table of jobs has none, because the workers claim jobs from it.
#[async_trait]
pub trait Publisher: std::fmt::Debug + Send + Sync {
    /// Sends at most [`MAX_BATCH`](crate::MAX_BATCH) messages.
    ///
    /// # Errors
    /// Returns an error if the call failed as a whole. Some messages may have been sent all the same. Send all of them
    /// again: a second message for a job does no harm.
    async fn publish(&self, messages: &[OutboundMessage]) -> Result<Published, QueueError>;

    /// Checks that the queue exists and accepts the credentials.
    ///
    /// # Errors
    /// Returns an error if the queue does not exist, cannot be reached or rejects the credentials.
    async fn check(&self) -> Result<(), QueueError>;

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
    /// Messages that a worker has received and not settled.
    pub in_flight: u64,
    /// Messages that nobody can receive yet, because the queue delays them.
    pub delayed: u64,
    /// All messages in the dead-letter queue, or `None` if the queue has none. An error if only they can't be counted.
    pub dead_letters: Result<Option<u64>, QueueError>,
}
