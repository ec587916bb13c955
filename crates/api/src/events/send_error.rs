//! Why an event was not delivered.

use std::time::Duration;

/// The most characters of a reason that are stored and shown.
const MAX_LENGTH: usize = 300;

/// Why an event was not delivered, for operators.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Another attempt may succeed.
    #[error("{0}")]
    Failed(String),
    /// This process could not make the attempt, for a reason that is not the receiver's. Another attempt may succeed, or
    /// another process.
    #[error("{0}")]
    Local(String),
    /// The receiver wants no more events.
    #[error("{0}")]
    Unwanted(String),
}

impl SendError {
    /// The destination did not answer in time.
    pub fn timed_out(limit: Duration) -> Self {
        Self::Failed(format!(
            "it did not answer within {} s",
            limit.as_secs_f64()
        ))
    }

    /// Returns the reason, shortened, and without control characters, which PostgreSQL may refuse: it may repeat what the
    /// receiver sent, such as the names in its certificate.
    pub fn summary(&self) -> String {
        let mut text = self.to_string().replace(char::is_control, " ");
        if let Some((end, _)) = text.char_indices().nth(MAX_LENGTH) {
            text.truncate(end);
            text.push('…');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reason_is_shortened() {
        assert_eq!(SendError::Failed("short".to_owned()).summary(), "short");
        assert_eq!(SendError::Failed("a\0b\n".to_owned()).summary(), "a b ");
        let summary = SendError::Failed("ü".repeat(MAX_LENGTH + 1)).summary();
        assert_eq!(summary, format!("{}…", "ü".repeat(MAX_LENGTH)));
    }
}
