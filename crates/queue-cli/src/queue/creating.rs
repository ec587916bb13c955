//! Creating queues.

use aws_sdk_sqs::types::QueueAttributeName;
use sqs_client::{Client, QueueAddress, RedrivePolicy, SdkConfig};

use super::{Target, connect_with, explain};
use crate::error::Error;

/// Creates a queue, which gets content-based deduplication if it is FIFO, and returns its URL. A queue that exists with the
/// same attributes is kept.
pub(crate) async fn create(
    client: &Client,
    region: &str,
    name: &QueueAddress,
    redrive_policy: Option<RedrivePolicy>,
) -> Result<String, Error> {
    let mut call = client.create_queue().queue_name(name.name());
    if name.is_fifo() {
        call = call
            .attributes(QueueAttributeName::FifoQueue, "true")
            .attributes(QueueAttributeName::ContentBasedDeduplication, "true");
    }
    if let Some(policy) = redrive_policy {
        call = call.attributes(QueueAttributeName::RedrivePolicy, policy.to_json());
    }
    let target = Target {
        queue: name.name(),
        region,
    };
    let answer = call.send().await;
    let answer = answer.map_err(|error| explain("CreateQueue", &target, &error))?;
    Ok(answer.queue_url.unwrap_or_default())
}

/// Creates a queue with this configuration instead of the environment's.
pub(crate) async fn create_with(config: &SdkConfig, name: &QueueAddress) -> Result<(), Error> {
    let (client, region) = connect_with(config);
    create(&client, &region, name, None).await?;
    Ok(())
}
