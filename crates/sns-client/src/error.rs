//! Why a call to SNS failed, in words.

use std::error::Error;
use std::fmt;

use aws_sdk_sns::error::{ProvideErrorMetadata, SdkError};
use sqs_client::Failure;

use crate::address::TopicAddress;

/// A call failed. The text says why and, where a person can do something about it, what.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TopicError(pub(crate) String);

impl TopicError {
    /// There is no such topic.
    pub(crate) fn no_such_topic(topic: &TopicAddress) -> Self {
        Self(format!(
            "there is no topic {topic} in this account and region: check EVENTS_URL and AWS_REGION, or create the topic"
        ))
    }

    /// Explains why a call about a topic failed; `action` is the permission that it needs.
    pub(crate) fn explain<E, R>(topic: &TopicAddress, action: &str, error: &SdkError<E, R>) -> Self
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
        R: fmt::Debug + Send + Sync + 'static,
    {
        if let SdkError::ServiceError(refusal) = error {
            let refusal = refusal.err();
            let message = refusal.message().unwrap_or_default();
            match refusal.code().unwrap_or_default() {
                "NotFound" | "NotFoundException" => return Self::no_such_topic(topic),
                "AuthorizationError" | "AccessDenied" | "AccessDeniedException" => {
                    return Self(format!(
                        "the credentials do not allow {action} on {topic}: {message}"
                    ));
                }
                _ => {}
            }
        }
        Self(match Failure::from(error) {
            Failure::TimedOut => "SNS did not answer in time".to_owned(),
            Failure::Unreachable(reason) => {
                format!("could not reach SNS: {reason}; check the network and AWS_ENDPOINT_URL_SNS")
            }
            failure => failure.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sns::error::ErrorMetadata;
    use aws_sdk_sns::operation::publish::PublishError;

    use super::*;

    #[test]
    fn an_error_says_what_to_do() {
        let topic: TopicAddress = "sns://ends".parse().unwrap();
        for (code, words) in [
            (
                "NotFound",
                "check EVENTS_URL and AWS_REGION, or create the topic",
            ),
            (
                "AuthorizationError",
                "do not allow sns:Publish on sns://ends: why",
            ),
            ("ExpiredToken", "have expired: replace them"),
            ("InvalidClientTokenId", "does not accept these credentials"),
            ("Throttling", "Throttling: why"),
        ] {
            let refusal = ErrorMetadata::builder().code(code).message("why").build();
            let error = SdkError::service_error(PublishError::generic(refusal), ());
            let text = TopicError::explain(&topic, "sns:Publish", &error).to_string();
            assert!(text.contains(words), "{code}: {text}");
        }
        let timeout = SdkError::<PublishError, ()>::timeout_error("slow");
        let text = TopicError::explain(&topic, "sns:Publish", &timeout).to_string();
        assert_eq!(text, "SNS did not answer in time");
    }
}
