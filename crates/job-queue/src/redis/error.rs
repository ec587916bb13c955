//! What the errors of Redis mean.

use std::error::Error;
use std::io;

use redis::{ErrorKind, RedisError, ServerErrorKind};

use super::GROUP;
use super::address::Address;
use crate::error::QueueError;

/// Returns what a failed call means for the caller.
pub(super) fn explain(error: &RedisError, address: &Address) -> QueueError {
    let refused = |text: String| QueueError::Refused(text);
    match error.code() {
        Some("NOGROUP") => return missing(address),
        Some("WRONGTYPE") => {
            return refused(format!("{} in Redis is not a stream", address.stream()));
        }
        Some("NOAUTH" | "WRONGPASS" | "NOPERM") => return wrong_login(&error.to_string()),
        _ => {}
    }
    match error.kind() {
        ErrorKind::AuthenticationFailed => wrong_login(&error.to_string()),
        // What rustls refuses: a certificate that nobody vouches for, or an answer that is not TLS.
        ErrorKind::Io if has_invalid_data(error) => refused(format!(
            "no TLS connection to Redis at {address}: {error}; if the certificate comes from an authority of your own, set \
             QUEUE_CA_FILE to the certificate of the authority"
        )),
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => {
            refused(format!("{address} does not answer as Redis does: {error}"))
        }
        ErrorKind::Io => QueueError::Unavailable(format!("Redis at {address}: {error}")),
        _ => QueueError::Unavailable(error.to_string()),
    }
}

/// Returns what it means that a server did not accept a connection.
pub(super) fn explain_refusal(error: &RedisError, address: &Address) -> QueueError {
    match error.kind() {
        // The choice of a database, without a password or the permission, or of one that does not exist.
        ErrorKind::Server(ServerErrorKind::ResponseError) => {
            let text = error.to_string();
            if text.contains("Authentication required") || text.contains("permissions") {
                wrong_login(&text)
            } else {
                QueueError::Refused(text)
            }
        }
        _ => explain(error, address),
    }
}

fn wrong_login(reason: &str) -> QueueError {
    QueueError::Refused(format!(
        "Redis refuses the user or password of QUEUE_URL ({reason})"
    ))
}

/// Returns the error of a server that took too long.
pub(super) fn no_answer(address: &Address) -> QueueError {
    QueueError::Unavailable(format!("Redis at {address} did not answer in time"))
}

/// Returns the error of a stream or group that does not exist.
pub(super) fn missing(address: &Address) -> QueueError {
    let stream = address.stream();
    QueueError::Refused(format!(
        "the stream {stream} or its group {GROUP} does not exist in Redis: create them with redis-cli XGROUP CREATE \
         {stream} {GROUP} 0 MKSTREAM"
    ))
}

/// Returns whether another connection may succeed where this one failed: it broke, or its server has become a replica, has
/// not read its data yet, or no longer has the stream.
pub(super) fn needs_another_connection(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Server(kind) => matches!(
            kind,
            ServerErrorKind::ReadOnly
                | ServerErrorKind::MasterDown
                | ServerErrorKind::BusyLoading
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::Moved
        ),
        // such as NOGROUP: an answer of a working connection
        ErrorKind::Extension => false,
        _ => true,
    }
}

fn has_invalid_data(error: &RedisError) -> bool {
    error
        .source()
        .and_then(|source| source.downcast_ref::<io::Error>())
        .is_some_and(|source| source.kind() == io::ErrorKind::InvalidData)
}
