//! Why a call to a queue failed.

use broker_address::AccessError;
use shared_model::database::DatabaseError;

/// Why a call to a queue failed as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// The queue cannot be reached, is overloaded or has an internal error. Another attempt may succeed.
    #[error("the queue is not available: {0}")]
    Unavailable(String),
    /// The queue does not exist, or the credentials or the region are wrong. An operator has to correct that.
    #[error("{0}")]
    Refused(String),
}

impl From<DatabaseError> for QueueError {
    fn from(error: DatabaseError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<AccessError> for QueueError {
    fn from(error: AccessError) -> Self {
        Self::Refused(error.to_string())
    }
}
