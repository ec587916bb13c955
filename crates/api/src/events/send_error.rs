//! Why an event was not delivered.

/// Why an event was not delivered, for operators.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Another attempt may succeed.
    #[error("{0}")]
    Failed(String),
    /// The receiver wants no more events.
    #[error("{0}")]
    Unwanted(String),
}
