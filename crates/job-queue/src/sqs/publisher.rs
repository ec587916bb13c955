//! Sending to SQS, up to ten messages per call.

use async_trait::async_trait;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use aws_sdk_sqs::types::builders::SendMessageBatchRequestEntryBuilder;
use shared_model::message::OutboundMessage;
use sqs_client::limits::MAX_BATCH;
use sqs_client::{QueueAddress, SdkConfig, batch};

use super::queue::Queue;
use crate::error::QueueError;
use crate::group_id::GroupId;
use crate::publisher::{Published, Publisher};

/// The sending half of an SQS queue.
#[derive(Debug)]
pub struct SqsPublisher {
    queue: Queue,
    group: Option<GroupId>,
}

impl SqsPublisher {
    /// Creates a publisher for that queue. `group` is the value of `QUEUE_GROUP`. Makes no call yet.
    pub fn new(config: &SdkConfig, address: QueueAddress, group: Option<GroupId>) -> Self {
        Self {
            queue: Queue::new(config, address),
            group,
        }
    }

    fn entry(
        &self,
        outbound: &OutboundMessage,
    ) -> Result<SendMessageBatchRequestEntryBuilder, QueueError> {
        let message = &outbound.message;
        let body = message
            .encode()
            .map_err(|error| QueueError::Unavailable(error.to_string()))?;
        let mut entry = SendMessageBatchRequestEntry::builder().message_body(body);
        if let Some(group) = &self.group {
            entry = entry.message_group_id(group.as_str());
        }
        if self.queue.address.is_fifo() {
            entry = entry.message_deduplication_id(outbound.deduplication_id());
            if self.group.is_none() {
                entry = entry.message_group_id(message.job_id.to_string());
            }
        }
        Ok(entry)
    }
}

#[async_trait]
impl Publisher for SqsPublisher {
    async fn publish(&self, messages: &[OutboundMessage]) -> Result<Published, QueueError> {
        debug_assert!(
            messages.len() <= MAX_BATCH,
            "a batch has at most {MAX_BATCH} entries"
        );
        let entries: Result<Vec<_>, _> =
            messages.iter().map(|message| self.entry(message)).collect();
        let outcomes = batch::send(&self.queue.client, self.queue.url().await?, entries?)
            .await
            .map_err(|error| self.queue.explain(&error))?;
        let mut published = Published::default();
        for (message, outcome) in messages.iter().zip(outcomes) {
            match outcome {
                Ok(_) => published.sent.push(message.into()),
                Err(error) => published.failed.push((message.into(), error.to_string())),
            }
        }
        Ok(published)
    }

    async fn check(&self) -> Result<(), QueueError> {
        self.queue.attributes().await.map(drop)
    }
}
