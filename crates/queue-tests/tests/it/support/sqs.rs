//! Queues of the local SQS.

use job_queue::QueueUrl;
use local_services::sqs::LocalSqs;
use shared_model::job::JobId;

/// Creates a queue whose name ends with `suffix`.
pub(super) fn create_queue(suffix: &str) -> QueueUrl {
    let name = format!("test-{}{suffix}", JobId::new());
    LocalSqs::shared()
        .create_queue_with_dead_letters(&name, 10)
        .unwrap();
    format!("sqs://{name}").parse().unwrap()
}

/// Returns the configuration for the local SQS.
pub(crate) fn aws_config() -> aws_config::SdkConfig {
    aws_config_for(LocalSqs::shared().endpoint_url())
}

/// Returns the configuration that the environment would give for an endpoint, without changing the environment of other
/// tests.
pub(crate) fn aws_config_for(endpoint_url: &str) -> aws_config::SdkConfig {
    aws_config::SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::v2026_01_12())
        .endpoint_url(endpoint_url)
        .region(aws_config::Region::new(local_services::sqs::REGION))
        .credentials_provider(aws_sdk_sqs::config::SharedCredentialsProvider::new(
            aws_sdk_sqs::config::Credentials::new("local", "local", None, None, "test"),
        ))
        .build()
}
