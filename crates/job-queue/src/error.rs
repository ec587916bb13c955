//! Why a queue did not do what it was asked.

/// A call to a queue that failed as a whole.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// It can't be reached, is overloaded or broken: worth another try.
    #[error("the queue is not available: {0}")]
    Unavailable(String),
    /// It refused: there is no such queue, or the credentials or the region are wrong. Somebody has to mend that.
    #[error("{0}")]
    Refused(String),
}
