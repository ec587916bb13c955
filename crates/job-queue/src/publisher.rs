//! What the API's relay sends through.

use async_trait::async_trait;
use shared_model::job::JobId;
use shared_model::message::JobMessage;

use crate::error::QueueError;

/// The most messages of one call, which is SQS's limit:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html>
pub const MAX_BATCH: usize = 10;

/// The sending half of a queue.
#[async_trait]
pub trait Publisher: std::fmt::Debug + Send + Sync {
    /// Sends at most [`MAX_BATCH`] messages.
    ///
    /// # Errors
    /// When the call failed as a whole. Some messages may have arrived all the same, so send them again: a second
    /// message for a job does no harm.
    async fn publish(&self, messages: &[JobMessage]) -> Result<Published, QueueError>;

    /// Whether the queue is there and lets this process in.
    ///
    /// # Errors
    /// When it does not, with the reason.
    async fn check(&self) -> Result<(), QueueError>;
}

/// What became of each message of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Published {
    /// Taken by the queue, for certain.
    pub sent: Vec<JobId>,
    /// Everything else, with the queue's reason: to be sent again.
    pub failed: Vec<(JobId, String)>,
}
