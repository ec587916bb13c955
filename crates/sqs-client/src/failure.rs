//! Why a call to SQS failed, in words.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sqs::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

use crate::credentials;

/// What the SDK says about a profile of IAM Identity Center if it was built without the feature `sso`. It has no type of
/// its own for this error.
const SSO_NOT_BUILT: &str = "following cargo feature(s) enabled: sso";

/// Why a call failed. The text of each variant says what a person can do about it; callers that know more, such as the
/// name of the setting to check, write their own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// There is no such queue in this account and region.
    #[error("the queue does not exist in this account and region")]
    NoSuchQueue,
    /// The credentials are valid, but do not allow the call. Contains AWS's explanation.
    #[error("the credentials do not allow it: {0}")]
    Forbidden(String),
    /// The credentials have expired.
    #[error("the AWS credentials have expired: replace them where they were read from")]
    CredentialsExpired,
    /// AWS does not accept the credentials. Contains the error code.
    #[error(
        "AWS does not accept these credentials ({0}): check the access key, the secret and the session token"
    )]
    CredentialsRejected(String),
    /// No credentials are configured.
    #[error(
        "no AWS credentials were found: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and \
         AWS_SESSION_TOKEN if they are temporary), or name a file in AWS_SHARED_CREDENTIALS_FILE"
    )]
    CredentialsMissing,
    /// There is a folder in place of the credentials file.
    #[error(
        "{} is a folder, which Docker creates if the file to mount does not exist: remove the folder and create the \
         file as credentials.example shows", .0.display()
    )]
    CredentialsFileIsFolder(PathBuf),
    /// The profile signs in with IAM Identity Center, and this program was built without the feature `sso`.
    #[error(
        "the AWS profile signs in with IAM Identity Center (SSO), and this program was built without it: build it with \
         `--features sso`, or choose another profile with AWS_PROFILE"
    )]
    SsoNotBuilt,
    /// Credentials are configured, but could not be loaded. Contains the reason.
    #[error("the AWS credentials could not be loaded: {0}")]
    CredentialsUnavailable(String),
    /// No region is configured.
    #[error("no AWS region was found: set AWS_REGION")]
    RegionMissing,
    /// A queue of this name exists with other attributes.
    #[error("a queue of this name exists with other attributes")]
    QueueExists,
    /// A queue of this name was deleted less than 60 s ago:
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteQueue.html>
    #[error(
        "a queue of this name was deleted less than 60 s ago; SQS does not allow the name again before that"
    )]
    DeletedRecently,
    /// The queue was purged less than 60 s ago:
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_PurgeQueue.html>
    #[error("the queue was purged less than 60 s ago; SQS allows one purge per 60 s")]
    PurgedRecently,
    /// The FIFO queue has no content-based deduplication, and the message has no deduplication id.
    #[error("the queue has no content-based deduplication: each message needs a deduplication id")]
    DeduplicationIdMissing,
    /// The endpoint does not know the action: it is not AWS, but supports a part of its API.
    #[error("the endpoint does not support this action")]
    UnknownAction,
    /// SQS could not process the call this time.
    #[error("{code}: {message}")]
    Busy {
        /// The error code.
        code: String,
        /// AWS's explanation.
        message: String,
    },
    /// SQS refused the call for another reason.
    #[error("{code}: {message}")]
    Refused {
        /// The error code.
        code: String,
        /// AWS's explanation.
        message: String,
    },
    /// SQS did not answer in time. It may have carried out the call.
    #[error("SQS did not answer in time")]
    TimedOut,
    /// The call did not reach SQS, or its answer got lost. Contains the reason.
    #[error("could not reach SQS: {0}; check the network and AWS_ENDPOINT_URL_SQS")]
    Unreachable(String),
    /// The answer could not be understood, or the call could not be built.
    #[error("{0}")]
    Other(String),
}

impl Failure {
    /// Returns whether the credentials or the region are the reason, so that no call to any queue would succeed.
    pub fn is_of_identity(&self) -> bool {
        match self {
            Self::CredentialsExpired
            | Self::CredentialsRejected(_)
            | Self::CredentialsMissing
            | Self::CredentialsFileIsFolder(_)
            | Self::SsoNotBuilt
            | Self::CredentialsUnavailable(_)
            | Self::RegionMissing => true,
            Self::NoSuchQueue
            | Self::Forbidden(_)
            | Self::QueueExists
            | Self::DeletedRecently
            | Self::PurgedRecently
            | Self::DeduplicationIdMissing
            | Self::UnknownAction
            | Self::Busy { .. }
            | Self::Refused { .. }
            | Self::TimedOut
            | Self::Unreachable(_)
            | Self::Other(_) => false,
        }
    }

    fn of_service(code: &str, message: &str) -> Self {
        let with_message = |failure: fn(String) -> Self| failure(message.to_owned());
        // the older protocol writes AWS.SimpleQueueService.NonExistentQueue, the newer one com.amazonaws.sqs#QueueDoesNotExist
        match code.rsplit(['.', '#']).next().unwrap_or(code) {
            // InvalidAddress means that the URL names another region than the queue's
            "QueueDoesNotExist" | "NonExistentQueue" | "InvalidAddress" => Self::NoSuchQueue,
            "AccessDenied" | "AccessDeniedException" => with_message(Self::Forbidden),
            "ExpiredToken" | "ExpiredTokenException" => Self::CredentialsExpired,
            "InvalidClientTokenId"
            | "UnrecognizedClientException"
            | "SignatureDoesNotMatch"
            | "IncompleteSignature"
            | "InvalidSecurity"
            | "MissingAuthenticationToken" => Self::CredentialsRejected(code.to_owned()),
            "QueueDeletedRecently" => Self::DeletedRecently,
            "PurgeQueueInProgress" => Self::PurgedRecently,
            "QueueNameExists" | "QueueAlreadyExists" => Self::QueueExists,
            "InvalidAction" | "UnknownOperationException" | "NotImplemented" => Self::UnknownAction,
            _ if message.contains("ContentBasedDeduplication") => Self::DeduplicationIdMissing,
            "RequestThrottled"
            | "ThrottlingException"
            | "Throttling"
            | "OverLimit"
            | "InternalError"
            | "InternalFailure"
            | "ServiceUnavailable" => Self::Busy {
                code: code.to_owned(),
                message: message.to_owned(),
            },
            _ => Self::Refused {
                code: code.to_owned(),
                message: message.to_owned(),
            },
        }
    }

    fn of_credentials(error: &CredentialsError) -> Self {
        if let Some(folder) = credentials::folder_in_place_of_file() {
            return Self::CredentialsFileIsFolder(folder);
        }
        match error {
            CredentialsError::CredentialsNotLoaded(_) => Self::CredentialsMissing,
            error => {
                let reason = DisplayErrorContext(error).to_string();
                if reason.contains(SSO_NOT_BUILT) {
                    Self::SsoNotBuilt
                } else {
                    Self::CredentialsUnavailable(reason)
                }
            }
        }
    }
}

impl<E, R> From<&SdkError<E, R>> for Failure
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    R: fmt::Debug + Send + Sync + 'static,
{
    fn from(error: &SdkError<E, R>) -> Self {
        if let SdkError::ServiceError(refusal) = error {
            let refusal = refusal.err();
            let code = refusal.code().unwrap_or("unknown");
            return Self::of_service(code, refusal.message().unwrap_or_default());
        }
        if let Some(error) = cause::<CredentialsError>(error) {
            return Self::of_credentials(error);
        }
        match error {
            SdkError::TimeoutError(_) => Self::TimedOut,
            SdkError::ConstructionFailure(_) | SdkError::DispatchFailure(_) => {
                let reason = innermost(error);
                // https://docs.rs/aws-sdk-sqs/latest/src/aws_sdk_sqs/config/endpoint.rs.html
                if reason.contains("Missing Region") {
                    Self::RegionMissing
                } else if matches!(error, SdkError::DispatchFailure(_)) {
                    Self::Unreachable(reason)
                } else {
                    Self::Other(reason)
                }
            }
            _ => Self::Other(DisplayErrorContext(error).to_string()),
        }
    }
}

/// Returns the first error of a type in the chain of causes.
fn cause<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// Returns the text of the last error in the chain of causes.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use aws_config::{BehaviorVersion, SdkConfig};
    use aws_sdk_sqs::config::{Credentials, Region, SharedCredentialsProvider};
    use aws_sdk_sqs::error::ErrorMetadata;
    use aws_sdk_sqs::operation::receive_message::ReceiveMessageError;

    use super::*;

    fn refused(code: &str, message: &str) -> Failure {
        let refusal = ErrorMetadata::builder().code(code).message(message).build();
        let refusal = ReceiveMessageError::generic(refusal);
        Failure::from(&SdkError::service_error(refusal, ()))
    }

    #[test]
    fn codes_of_the_old_and_the_new_protocol_are_understood() {
        for code in [
            "AWS.SimpleQueueService.NonExistentQueue",
            "com.amazonaws.sqs#QueueDoesNotExist",
            "InvalidAddress",
        ] {
            assert_eq!(refused(code, ""), Failure::NoSuchQueue, "{code}");
        }
        for code in [
            "ExpiredToken",
            "com.amazon.coral.service#ExpiredTokenException",
        ] {
            assert_eq!(refused(code, ""), Failure::CredentialsExpired, "{code}");
        }
        assert_eq!(
            refused("AccessDenied", "no"),
            Failure::Forbidden("no".to_owned())
        );
        assert_eq!(
            refused("InvalidClientTokenId", ""),
            Failure::CredentialsRejected("InvalidClientTokenId".to_owned())
        );
    }

    #[test]
    fn a_failure_that_passes_is_told_from_a_refusal() {
        for code in ["ThrottlingException", "InternalError", "ServiceUnavailable"] {
            assert!(matches!(refused(code, ""), Failure::Busy { .. }), "{code}");
        }
        assert!(matches!(
            refused("InvalidParameterValue", "MaxNumberOfMessages"),
            Failure::Refused { .. }
        ));
        assert_eq!(
            refused(
                "InvalidParameterValue",
                "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"
            ),
            Failure::DeduplicationIdMissing
        );
    }

    async fn failure(config: SdkConfig) -> Failure {
        let client = crate::config::client(&config, 1);
        let call = client.get_queue_url().queue_name("ical");
        Failure::from(&call.send().await.unwrap_err())
    }

    fn config() -> SdkConfig {
        let credentials = Credentials::new("key", "secret", None, None, "test");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build()
    }

    #[tokio::test]
    async fn a_missing_region_is_recognized() {
        assert_eq!(failure(config()).await, Failure::RegionMissing);
    }

    #[tokio::test]
    async fn an_endpoint_that_refuses_the_connection_is_unreachable() {
        let config = config()
            .into_builder()
            .region(Region::new("us-east-1"))
            .endpoint_url("http://127.0.0.1:1")
            .build();
        let failure = failure(config).await;
        assert!(
            matches!(&failure, Failure::Unreachable(reason) if reason.contains("refused")),
            "{failure:?}"
        );
    }
}
