//! What the errors of Redis mean.

use std::error::Error;
use std::io;
use std::sync::Arc;

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
            "no TLS connection to Redis at {address}: {error}; if a private authority has certified the server, set \
             QUEUE_CA_FILE to the authority's certificate; if this port has no TLS, QUEUE_URL has to begin with redis://"
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
        ErrorKind::Io if is_cut(error) && !address.address.is_tls => {
            QueueError::Unavailable(format!(
                "Redis at {address} ends the connection: {error}; if this port has TLS, QUEUE_URL has to begin with rediss://"
            ))
        }
        _ => explain(error, address),
    }
}

/// Returns whether a server accepted the connection and ended it.
fn is_cut(error: &RedisError) -> bool {
    error.is_connection_dropped() && !error.is_connection_refusal()
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

/// Returns the error of a server that took too long to accept a connection. One without TLS on its port does so for ever: it
/// waits for the end of what it takes for a command.
pub(super) fn no_connection(address: &Address) -> QueueError {
    if !address.address.is_tls {
        return no_answer(address);
    }
    QueueError::Unavailable(format!(
        "Redis at {address} did not accept a TLS connection in time; if this port has no TLS, QUEUE_URL has to begin with \
         redis://"
    ))
}

/// Returns the error of certificates that can't be used.
pub(super) fn wrong_authorities(error: &RedisError) -> QueueError {
    QueueError::Refused(format!("QUEUE_CA_FILE has no valid certificate: {error}"))
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
    // The client shares its errors, and the shared error is the source, not what it contains.
    let shared = error.source().and_then(|source| source.downcast_ref());
    shared
        .and_then(|source: &Arc<dyn Error + Send + Sync>| source.downcast_ref::<io::Error>())
        .is_some_and(|source| source.kind() == io::ErrorKind::InvalidData)
}
