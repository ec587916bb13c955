//! The SDK's errors, in words that say what to do.

use std::error::Error as StdError;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sqs::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

use crate::error::Error;

/// Where a call went.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    pub(crate) queue: &'a str,
    pub(crate) region: &'a str,
}

/// What the failure of a call means to a person.
pub(crate) fn explain<E, R>(
    action: &'static str,
    place: &Place<'_>,
    error: &SdkError<E, R>,
) -> Error
where
    E: StdError + ProvideErrorMetadata + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    if let SdkError::ServiceError(refusal) = error {
        let code = refusal.err().code().unwrap_or("unknown");
        return refused(
            action,
            place,
            code,
            refusal.err().message().unwrap_or_default(),
        );
    }
    if let Some(error) = cause::<CredentialsError>(error) {
        return Error::Setup(credentials(error));
    }
    let call = format!("{action} on {}", place.queue);
    match error {
        SdkError::TimeoutError(_) => Error::Unanswered(format!("no answer to {call} in time")),
        SdkError::DispatchFailure(_) => Error::Unanswered(format!(
            "could not reach SQS for {call}: {}; check the network and AWS_ENDPOINT_URL_SQS",
            innermost(error)
        )),
        _ => Error::Unanswered(format!("{call}: {}", DisplayErrorContext(error))),
    }
}

fn refused(action: &'static str, place: &Place<'_>, code: &str, message: &str) -> Error {
    let Place { queue, region } = place;
    // the older protocol wrote AWS.SimpleQueueService.NonExistentQueue
    match code.rsplit(['.', '#']).next().unwrap_or(code) {
        "QueueDoesNotExist" | "NonExistentQueue" | "InvalidAddress" => Error::Setup(format!(
            "there is no queue named {queue} in {region} for these credentials: check the name and AWS_REGION, \
             or create it with: queue --name {queue} --create"
        )),
        "AccessDenied" | "AccessDeniedException" => Error::Setup(format!(
            "these credentials do not allow {action} on {queue}: {message}"
        )),
        "ExpiredToken" | "ExpiredTokenException" => Error::Setup(
            "the AWS credentials have expired: put fresh ones where these came from".to_owned(),
        ),
        "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "InvalidSecurity"
        | "MissingAuthenticationToken" => Error::Setup(format!(
            "AWS does not accept these credentials ({code}): check the access key, the secret and the session token"
        )),
        "QueueDeletedRecently" => Error::Failed(format!(
            "a queue named {queue} was deleted less than a minute ago: SQS wants 60 s before the name is used again"
        )),
        "PurgeQueueInProgress" => Error::Failed(format!(
            "{queue} was purged less than a minute ago: SQS allows one purge in 60 s"
        )),
        "QueueNameExists" | "QueueAlreadyExists" => Error::Setup(format!(
            "a queue named {queue} exists with other attributes: use it as it is, or delete it first"
        )),
        "InvalidAction" | "UnknownOperationException" | "NotImplemented" => {
            Error::UnknownAction(action)
        }
        _ if message.contains("ContentBasedDeduplication") => Error::Setup(format!(
            "{queue} has no content-based deduplication: give each message an id of its own, \
             such as --dedup-id '{{number}}', or set ContentBasedDeduplication on the queue"
        )),
        "RequestThrottled"
        | "ThrottlingException"
        | "Throttling"
        | "OverLimit"
        | "InternalError"
        | "InternalFailure"
        | "ServiceUnavailable" => Error::Busy(format!("{action} on {queue}: {code}: {message}")),
        _ => Error::Failed(format!(
            "SQS refuses {action} on {queue}: {code}: {message}"
        )),
    }
}

fn credentials(error: &CredentialsError) -> String {
    match error {
        CredentialsError::CredentialsNotLoaded(_) => {
            "no AWS credentials were found: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY \
             (and AWS_SESSION_TOKEN if they are temporary), or name a file in AWS_SHARED_CREDENTIALS_FILE"
                .to_owned()
        }
        error => format!(
            "the AWS credentials could not be had: {}",
            DisplayErrorContext(error)
        ),
    }
}

/// The first error of that type in the chain.
fn cause<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
