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
}

/// Which messages of a call were sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Published {
    /// The messages that the queue has confirmed.
    pub sent: Vec<SendKey>,
    /// All other messages, each with the queue's reason. They have to be sent again.
    pub failed: Vec<(SendKey, String)>,
}
