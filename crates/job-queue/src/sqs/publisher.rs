//! Sending to SQS, up to ten messages a call.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_sqs::types::{QueueAttributeName, SendMessageBatchRequestEntry};
use shared_model::message::JobMessage;

use super::client::Queue;
use crate::config::GroupId;
use crate::error::QueueError;
use crate::publisher::{MAX_BATCH, Published, Publisher};
use crate::queue_url::QueueUrl;

/// The sending half of an SQS queue.
#[derive(Debug)]
pub struct SqsPublisher {
    queue: Queue,
    group: Option<GroupId>,
}

impl SqsPublisher {
    /// For that queue. `group` is what `QUEUE_GROUP` says. Asks nothing of the queue yet.
    pub fn new(config: &SdkConfig, url: QueueUrl, group: Option<GroupId>) -> Self {
        Self {
            queue: Queue::new(config, url),
            group,
        }
    }

    fn entry(
        &self,
        index: usize,
        message: &JobMessage,
    ) -> Result<SendMessageBatchRequestEntry, QueueError> {
        let unsendable = |error: &dyn std::fmt::Display| QueueError::Unavailable(error.to_string());
        let mut entry = SendMessageBatchRequestEntry::builder()
            .id(index.to_string())
            .message_body(message.encode().map_err(|error| unsendable(&error))?);
        if let Some(group) = &self.group {
            entry = entry.message_group_id(group.as_str());
        }
        if self.queue.name.is_fifo() {
            entry = entry.message_deduplication_id(message.deduplication_id());
            if self.group.is_none() {
                entry = entry.message_group_id(message.job_id.to_string());
            }
        }
        entry.build().map_err(|error| unsendable(&error))
    }
}

#[async_trait]
impl Publisher for SqsPublisher {
    async fn publish(&self, messages: &[JobMessage]) -> Result<Published, QueueError> {
        debug_assert!(
            messages.len() <= MAX_BATCH,
            "a batch has at most {MAX_BATCH} entries"
        );
        let entries: Result<Vec<_>, _> = messages
            .iter()
            .enumerate()
            .map(|(index, message)| self.entry(index, message))
            .collect();
        let call = self
            .queue
            .client
            .send_message_batch()
            .queue_url(self.queue.url().await?);
        let answer = call
            .set_entries(Some(entries?))
            .send()
            .await
            .map_err(|error| self.queue.explain(&error))?;

        let mut published = Published::default();
        for (index, message) in messages.iter().enumerate() {
            let id = index.to_string();
            // HTTP 200 may carry failed entries; what stands in neither list counts as failed
            if answer.successful.iter().any(|entry| entry.id == id) {
                published.sent.push(message.job_id);
            } else {
                let failed = answer.failed.iter().find(|entry| entry.id == id);
                let reason = failed.map_or("the answer does not name it", |entry| {
                    entry.message.as_deref().unwrap_or(&entry.code)
                });
                published.failed.push((message.job_id, reason.to_owned()));
            }
        }
        Ok(published)
    }

    async fn check(&self) -> Result<(), QueueError> {
        let call = self
            .queue
            .client
            .get_queue_attributes()
            .queue_url(self.queue.url().await?);
        let answer = call
            .attribute_names(QueueAttributeName::QueueArn)
            .send()
            .await;
        answer.map(drop).map_err(|error| self.queue.explain(&error))
    }
}
