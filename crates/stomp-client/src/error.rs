//! Why there is no connection, or why a command failed.

use crate::decoder::DecodeError;

/// Why no connection was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// Nobody answered, or the connection was cut. Another attempt may succeed.
    #[error("{0}")]
    Unreachable(String),
    /// The server answered and does not admit this client, for the reason that it gave.
    #[error("{0}")]
    Refused(String),
    /// The server answered, and no TLS session came about.
    #[error("{0}")]
    Tls(String),
    /// What answered does not speak STOMP 1.2.
    #[error("what answers is not a STOMP 1.2 server: {0}")]
    NotStomp(String),
}

impl From<DecodeError> for ConnectError {
    fn from(error: DecodeError) -> Self {
        Self::NotStomp(error.to_string())
    }
}

/// Why a command failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The server refused the command, for the reason that it gave. The connection goes on.
    #[error("{0}")]
    Refused(String),
    /// The connection has ended, for this reason. The server may have carried out the command.
    #[error("the connection has ended: {0}")]
    Ended(String),
}
