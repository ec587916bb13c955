//! Why a call to SNS failed, in words.

use std::error::Error;
use std::fmt;

use aws_sdk_sns::error::{ProvideErrorMetadata, SdkError};
use sqs_client::{EntryError, Failure};

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
            let code = refusal.code().unwrap_or_default();
            if let Some(known) = Self::of_code(topic, action, code, message) {
                return known;
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

    /// Explains why one entry of a call was refused.
    pub(crate) fn refused(topic: &TopicAddress, action: &str, error: &EntryError) -> Self {
        let known = Self::of_code(topic, action, &error.code, &error.message);
        known.unwrap_or_else(|| Self(error.to_string()))
    }

    fn of_code(topic: &TopicAddress, action: &str, code: &str, message: &str) -> Option<Self> {
        match code {
            "NotFound" | "NotFoundException" => Some(Self::no_such_topic(topic)),
            "AuthorizationError" | "AccessDenied" | "AccessDeniedException" => Some(Self(format!(
                "the credentials do not allow {action} on {topic}: {message}"
            ))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sns::error::ErrorMetadata;
    use aws_sdk_sns::operation::publish_batch::PublishBatchError;

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
            let error = SdkError::service_error(PublishBatchError::generic(refusal), ());
            let text = TopicError::explain(&topic, "sns:Publish", &error).to_string();
            assert!(text.contains(words), "{code}: {text}");
        }
        let timeout = SdkError::<PublishBatchError, ()>::timeout_error("slow");
        let text = TopicError::explain(&topic, "sns:Publish", &timeout).to_string();
        assert_eq!(text, "SNS did not answer in time");
    }

    #[test]
    fn an_error_of_one_entry_says_what_to_do_too() {
        let topic: TopicAddress = "sns://ends".parse().unwrap();
        for (code, words) in [
            (
                "AuthorizationError",
                "do not allow sns:Publish on sns://ends: why",
            ),
            ("InvalidParameter", "InvalidParameter: why"),
        ] {
            let error = EntryError {
                code: code.to_owned(),
                message: "why".to_owned(),
                sender_fault: true,
            };
            let text = TopicError::refused(&topic, "sns:Publish", &error).to_string();
            assert!(text.contains(words), "{code}: {text}");
        }
    }
}
