//! The SDK's client with the timeouts that it does not have by itself, and a queue that is looked up by name.

use std::fmt;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{HttpClient, IdentityCache, SharedCredentialsProvider, SharedHttpClient};
use aws_sdk_sqs::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use tokio::sync::OnceCell;

use super::credentials::{self, FollowingCredentials};
use crate::error::QueueError;
use crate::queue_url::QueueUrl;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Of one try. The SDK waits for ever by default, and a poll that never ends is a worker that does nothing.
pub(super) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// Of one call with its retries.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(25);

/// Finds region, endpoint and credentials as every AWS tool does: the environment, the files, the machine's role. The
/// credentials follow their file.
pub async fn load_config() -> SdkConfig {
    let http = SharedHttpClient::new(https());
    let shared = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http.clone())
        // the provider keeps them, and knows better when they end
        .identity_cache(IdentityCache::no_cache())
        .load()
        .await;
    let credentials = FollowingCredentials::new(shared.region().cloned(), http);
    let credentials = SharedCredentialsProvider::new(credentials);
    shared
        .into_builder()
        .credentials_provider(credentials)
        .build()
}

fn https() -> impl HttpClient + 'static {
    let ring = Provider::Rustls(CryptoMode::Ring);
    aws_smithy_http_client::Builder::new()
        .tls_provider(ring)
        .build_https()
}

/// A queue and the client to reach it with.
pub(super) struct Queue {
    pub(super) client: Client,
    pub(super) name: QueueUrl,
    url: OnceCell<String>,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Queue {
    /// Asks nothing of the queue yet.
    pub(super) fn new(shared: &SdkConfig, name: QueueUrl) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let config = aws_sdk_sqs::config::Builder::from(shared)
            .http_client(https())
            .retry_config(RetryConfig::standard().with_max_attempts(2))
            .timeout_config(timeouts)
            .build();
        Self {
            client: Client::from_conf(config),
            name,
            url: OnceCell::new(),
        }
    }

    /// Another queue of the same client, which has the account and the name of this ARN.
    pub(super) async fn sibling(&self, arn: &str) -> Result<Self, QueueError> {
        let mut parts = arn.rsplit(':');
        let (Some(name), Some(account)) = (parts.next(), parts.next()) else {
            return Err(QueueError::Refused(format!("{arn:?} is no ARN of a queue")));
        };
        let call = self.client.get_queue_url().queue_name(name);
        let answer = call.queue_owner_aws_account_id(account).send().await;
        let answer = answer.map_err(|error| self.explain(&error))?;
        let url = answer.queue_url.unwrap_or_default();
        Ok(Self {
            client: self.client.clone(),
            name: QueueUrl::SqsName(name.to_owned()),
            url: OnceCell::new_with(Some(url)),
        })
    }

    /// The queue's URL; a name is looked up once.
    pub(super) async fn url(&self) -> Result<&str, QueueError> {
        let lookup = async || match &self.name {
            QueueUrl::SqsName(name) => {
                let answer = self.client.get_queue_url().queue_name(name).send().await;
                let answer = answer.map_err(|error| self.explain(&error))?;
                answer.queue_url.ok_or_else(|| {
                    QueueError::Unavailable("the answer to GetQueueUrl names no URL".to_owned())
                })
            }
            url => Ok(url.to_string()),
        };
        self.url.get_or_try_init(lookup).await.map(String::as_str)
    }

    /// Turns the SDK's error into ours, with what to do where a person has to.
    pub(super) fn explain<E, R>(&self, error: &SdkError<E, R>) -> QueueError
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
        R: fmt::Debug,
    {
        let queue = &self.name;
        match error {
            SdkError::ServiceError(refusal) => {
                let code = refusal.err().code().unwrap_or("unknown");
                let message = refusal.err().message().unwrap_or("");
                match code.rsplit(['.', '#']).next().unwrap_or(code) {
                    // the last is what a queue's URL gets in a region that is not its own
                    "QueueDoesNotExist" | "NonExistentQueue" | "InvalidAddress" => {
                        QueueError::Refused(format!(
                            "there is no queue {queue} in this account and region: check QUEUE_URL and AWS_REGION, or create it"
                        ))
                    }
                    "AccessDenied" | "AccessDeniedException" => QueueError::Refused(format!(
                        "the credentials do not allow this on {queue}: {message}"
                    )),
                    "ExpiredToken" | "ExpiredTokenException" => QueueError::Refused(
                        "the AWS credentials have expired: put fresh ones where these came from"
                            .to_owned(),
                    ),
                    "InvalidClientTokenId"
                    | "UnrecognizedClientException"
                    | "SignatureDoesNotMatch"
                    | "InvalidSecurity"
                    | "MissingAuthenticationToken" => QueueError::Refused(format!(
                        "AWS does not know these credentials ({code}): check them"
                    )),
                    _ => QueueError::Unavailable(format!("{code}: {message}")),
                }
            }
            SdkError::ConstructionFailure(_) | SdkError::DispatchFailure(_) => {
                let text = DisplayErrorContext(error).to_string();
                if let Some(folder) = credentials::folder() {
                    QueueError::Refused(format!(
                        "{} is a folder, as Docker makes where there is no file to mount: remove it, and make the file \
                         of credentials.example",
                        folder.display()
                    ))
                } else if text.contains("credentials") {
                    QueueError::Refused(
                        "no AWS credentials were found: set AWS_PROFILE, AWS_SHARED_CREDENTIALS_FILE, or AWS_ACCESS_KEY_ID \
                         and AWS_SECRET_ACCESS_KEY"
                            .to_owned(),
                    )
                } else if text.contains("region") {
                    QueueError::Refused("no AWS region was found: set AWS_REGION".to_owned())
                } else {
                    QueueError::Unavailable(text)
                }
            }
            _ => QueueError::Unavailable(DisplayErrorContext(error).to_string()),
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
            .behavior_version(BehaviorVersion::v2026_01_12())
            .build();
        let queue = Queue::new(&config, QueueUrl::SqsName("ical".to_owned()));
        let refusal = ErrorMetadata::builder().code(code).message("why").build();
        let refusal = ReceiveMessageError::generic(refusal);
        queue.explain(&SdkError::service_error(refusal, ()))
    }

    #[test]
    fn what_a_person_has_to_mend_is_said_with_what_to_do() {
        for (code, words) in [
            (
                "AWS.SimpleQueueService.NonExistentQueue",
                "check QUEUE_URL and AWS_REGION",
            ),
            (
                "com.amazonaws.sqs#QueueDoesNotExist",
                "check QUEUE_URL and AWS_REGION",
            ),
            ("InvalidAddress", "check QUEUE_URL and AWS_REGION"),
            ("AccessDenied", "do not allow this on sqs://ical: why"),
            ("ExpiredToken", "have expired: put fresh ones"),
            (
                "com.amazon.coral.service#ExpiredTokenException",
                "have expired: put fresh ones",
            ),
            ("InvalidClientTokenId", "does not know these credentials"),
        ] {
            let error = explained(code);
            assert!(matches!(error, QueueError::Refused(_)), "{code}: {error:?}");
            assert!(error.to_string().contains(words), "{code}: {error}");
        }
    }

    #[test]
    fn what_passes_by_itself_is_no_refusal() {
        for code in ["ThrottlingException", "InternalError", "ServiceUnavailable"] {
            let error = explained(code);
            assert!(
                matches!(error, QueueError::Unavailable(_)),
                "{code}: {error:?}"
            );
        }
    }
}
