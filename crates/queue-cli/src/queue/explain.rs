//! Errors of calls, in words for the person at the terminal.

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use sqs_client::Failure;

use crate::error::Error;

/// What a call was made to.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    pub(crate) queue: &'a str,
    pub(crate) region: &'a str,
}

/// Explains why a call failed, and what a person can do about it.
pub(crate) fn explain<E, R>(
    action: &'static str,
    target: &Target<'_>,
    error: &SdkError<E, R>,
) -> Error
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let Target { queue, region } = target;
    match Failure::from(error) {
        Failure::NoSuchQueue => Error::Setup(format!(
            "there is no queue named {queue} in {region} for these credentials: check the name and AWS_REGION, \
             or create it with: queue --name {queue} --create"
        )),
        Failure::Forbidden(message) => Error::Setup(format!(
            "these credentials do not allow {action} on {queue}: {message}"
        )),
        Failure::QueueExists => Error::Setup(format!(
            "a queue named {queue} exists with other attributes: use it unchanged, or delete it first"
        )),
        Failure::DeduplicationIdMissing => Error::Setup(format!(
            "{queue} has no content-based deduplication: give each message its own deduplication id, for example with \
             --dedup-id '{{number}}', or set ContentBasedDeduplication on the queue"
        )),
        Failure::UnknownAction => Error::UnknownAction(action),
        failure if failure.is_of_identity() => Error::Setup(failure.to_string()),
        failure @ Failure::Busy { .. } => {
            Error::Busy(format!("{action} on {queue} failed: {failure}"))
        }
        failure @ (Failure::TimedOut | Failure::Unreachable(_) | Failure::Other(_)) => {
            Error::Unanswered(format!("{action} on {queue} failed: {failure}"))
        }
        failure => Error::Failed(format!("SQS refused {action} on {queue}: {failure}")),
    }
}
