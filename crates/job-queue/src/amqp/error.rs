//! Why a call to RabbitMQ failed.

use std::time::Duration;

use lapin::ErrorKind;
use lapin::protocol::{AMQPError, AMQPErrorKind, AMQPHardError, AMQPSoftError};

use crate::broker_address::BrokerAddress;
use crate::error::QueueError;

/// How long RabbitMQ may take to answer. A queue that has just been started again answers late, or not at all.
const LIMIT: Duration = Duration::from_secs(10);

/// Waits for RabbitMQ's answer.
///
/// # Errors
/// Returns why the call failed, also if there is no answer in time.
pub(super) async fn answered<T>(
    call: impl Future<Output = lapin::Result<T>>,
) -> Result<T, QueueError> {
    match tokio::time::timeout(LIMIT, call).await {
        Ok(answer) => answer.map_err(|error| explain(&error)),
        Err(_elapsed) => Err(QueueError::Unavailable(format!(
            "RabbitMQ did not answer within {} s",
            LIMIT.as_secs()
        ))),
    }
}

/// Returns why a call failed as a whole.
pub(super) fn explain(error: &lapin::Error) -> QueueError {
    match answer(error) {
        Some(answer) if is_refusal(answer) => {
            QueueError::Refused(format!("RabbitMQ refuses the call ({})", text(answer)))
        }
        Some(answer) => QueueError::Unavailable(text(answer)),
        None => QueueError::Unavailable(error.to_string()),
    }
}

/// Returns why a connection could not be opened.
pub(super) fn explain_connecting(error: &lapin::Error, address: &BrokerAddress) -> QueueError {
    use AMQPErrorKind::{Hard, Soft};
    let Some(answer) = answer(error) else {
        return explain_handshake(error, address);
    };
    let (vhost, words) = (&address.vhost, text(answer));
    match answer.kind() {
        Soft(AMQPSoftError::ACCESSREFUSED) => QueueError::Refused(format!(
            "RabbitMQ refuses the user or password of QUEUE_URL ({words})"
        )),
        Hard(AMQPHardError::NOTALLOWED) => QueueError::Refused(format!(
            "RabbitMQ refuses the virtual host {vhost} of QUEUE_URL ({words}): create it, and let the user use it: \
             rabbitmqctl add_vhost {vhost} && rabbitmqctl set_permissions -p {vhost} USER '.*' '.*' '.*'"
        )),
        _ => QueueError::Unavailable(words),
    }
}

/// Returns why there is no connection. A server that does not present a trusted certificate, or speaks no TLS, has
/// answered: another attempt would not help.
fn explain_handshake(error: &lapin::Error, address: &BrokerAddress) -> QueueError {
    let cause = match error.kind() {
        ErrorKind::IOError(error) => error.get_ref(),
        _ => None,
    };
    let (host, port) = (address.host(), address.port());
    match cause.and_then(|cause| cause.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(reason)) => QueueError::Refused(format!(
            "the certificate of {host} is not trusted ({reason}): set QUEUE_CA_FILE to the authority's certificate"
        )),
        Some(reason) => QueueError::Refused(format!(
            "no TLS connection to port {port} of {host} is possible ({reason}); RabbitMQ without TLS is amqp://"
        )),
        None => QueueError::Unavailable(error.to_string()),
    }
}

/// Returns what RabbitMQ answered, or `None` if the error is of another kind, for example a connection that was closed.
pub(super) fn answer(error: &lapin::Error) -> Option<&AMQPError> {
    match error.kind() {
        ErrorKind::ProtocolError(answer) => Some(answer),
        _ => None,
    }
}

/// Returns RabbitMQ's words.
pub(super) fn text(answer: &AMQPError) -> String {
    answer.get_message().to_string()
}

/// Returns whether an operator has to correct something before another attempt can succeed. A queue that exists, but whose
/// servers are down, is also "not found".
fn is_refusal(answer: &AMQPError) -> bool {
    match answer.kind() {
        AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND) => is_missing(answer),
        AMQPErrorKind::Soft(_) | AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) => true,
        AMQPErrorKind::Hard(_) => false,
    }
}

/// Returns whether a queue does not exist.
pub(super) fn is_missing(answer: &AMQPError) -> bool {
    matches!(answer.kind(), AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND))
        && answer.get_message().as_str().contains("no queue")
}

/// Returns whether the user lacks a permission.
pub(super) fn is_forbidden(answer: &AMQPError) -> bool {
    matches!(
        answer.kind(),
        AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED)
    )
}
