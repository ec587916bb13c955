//! A queue and the client that calls it.

use std::fmt;

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use sqs_client::{Client, Failure, QueueAddress, QueueArn, QueueAttributes, SdkConfig};
use tokio::sync::OnceCell;

use crate::error::QueueError;

/// Attempts per call. More than that is up to the services, which repeat calls at their own pace.
const MAX_ATTEMPTS: u32 = 2;

/// A queue and the client that calls it.
pub(super) struct Queue {
    pub(super) client: Client,
    pub(super) address: QueueAddress,
    url: OnceCell<String>,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Queue {
    /// Makes no call yet.
    pub(super) fn new(config: &SdkConfig, address: QueueAddress) -> Self {
        Self {
            client: sqs_client::config::client(config, MAX_ATTEMPTS),
            address,
            url: OnceCell::new(),
        }
    }

    /// Returns the queue with this ARN, called by the same client.
    pub(super) async fn sibling(&self, arn: &str) -> Result<Self, QueueError> {
        let arn: QueueArn = arn
            .parse()
            .map_err(|error: sqs_client::arn::InvalidQueueArn| {
                QueueError::Refused(error.to_string())
            })?;
        let call = self.client.get_queue_url();
        let call = call.queue_name(arn.address().name());
        let answer = call.queue_owner_aws_account_id(arn.account()).send().await;
        let answer = answer.map_err(|error| self.explain(&error))?;
        Ok(Self {
            client: self.client.clone(),
            address: arn.address().clone(),
            url: OnceCell::new_with(Some(answer.queue_url.unwrap_or_default())),
        })
    }

    /// Returns the queue's URL. A name is looked up once.
    pub(super) async fn url(&self) -> Result<&str, QueueError> {
        let lookup = async || {
            if let Some(url) = self.address.url() {
                return Ok(url.to_owned());
            }
            let call = self.client.get_queue_url().queue_name(self.address.name());
            let answer = call.send().await;
            let answer = answer.map_err(|error| self.explain(&error))?;
            answer.queue_url.ok_or_else(|| {
                QueueError::Unavailable("the answer to GetQueueUrl contains no URL".to_owned())
            })
        };
        self.url.get_or_try_init(lookup).await.map(String::as_str)
    }

    /// Returns all attributes of the queue.
    pub(super) async fn attributes(&self) -> Result<QueueAttributes, QueueError> {
        let attributes = QueueAttributes::read(&self.client, self.url().await?).await;
        attributes.map_err(|error| self.explain(&error))
    }

    /// Explains why a call failed. If only an operator can correct the cause, the text says how.
    pub(super) fn explain<E, R>(&self, error: &SdkError<E, R>) -> QueueError
    where
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
        R: fmt::Debug + Send + Sync + 'static,
    {
        let queue = &self.address;
        match Failure::from(error) {
            Failure::NoSuchQueue => QueueError::Refused(format!(
                "there is no queue {queue} in this account and region: check QUEUE_URL and AWS_REGION, or create the queue"
            )),
            Failure::Forbidden(message) => QueueError::Refused(format!(
                "the credentials do not allow this call on {queue}: {message}"
            )),
            failure if failure.is_of_identity() => QueueError::Refused(failure.to_string()),
            failure => QueueError::Unavailable(failure.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::error::ErrorMetadata;
    use aws_sdk_sqs::operation::receive_message::ReceiveMessageError;

    use super::*;

    fn explained(code: &str) -> QueueError {
        let config = SdkConfig::builder()
            .behavior_version(aws_sdk_sqs::config::BehaviorVersion::v2026_01_12())
            .build();
        let queue = Queue::new(&config, "sqs://ical".parse().unwrap());
        let refusal = ErrorMetadata::builder().code(code).message("why").build();
        let refusal = ReceiveMessageError::generic(refusal);
        queue.explain(&SdkError::service_error(refusal, ()))
    }

    #[test]
    fn an_error_that_an_operator_has_to_correct_says_how() {
        for (code, words) in [
            ("QueueDoesNotExist", "check QUEUE_URL and AWS_REGION"),
            ("AccessDenied", "do not allow this call on sqs://ical: why"),
            ("ExpiredToken", "have expired: replace them"),
            ("InvalidClientTokenId", "does not accept these credentials"),
        ] {
            let error = explained(code);
            assert!(matches!(error, QueueError::Refused(_)), "{code}: {error:?}");
            assert!(error.to_string().contains(words), "{code}: {error}");
        }
    }

    #[test]
    fn an_error_that_may_pass_is_not_a_refusal() {
        for code in ["ThrottlingException", "InternalError", "SomethingNew"] {
            let error = explained(code);
            assert!(
                matches!(error, QueueError::Unavailable(_)),
                "{code}: {error:?}"
            );
        }
    }
}
