//! Sending to SQS, up to ten messages per call.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_sqs::types::builders::SendMessageBatchRequestEntryBuilder;
use aws_sdk_sqs::types::{QueueAttributeName, SendMessageBatchRequestEntry};
use shared_model::message::OutboundMessage;
use sqs_client::limits::MAX_BATCH;
use sqs_client::{QueueAddress, QueueAttributes, SdkConfig, batch};
use tokio::sync::Mutex;

use super::queue::Queue;
use crate::error::QueueError;
use crate::findings::Findings;
use crate::group_id::GroupId;
use crate::publisher::{Published, Publisher, QueueDepth};

/// The numbers of the messages that can be received, that were received and not settled, and that are delayed.
const COUNTS: [QueueAttributeName; 3] = [
    QueueAttributeName::ApproximateNumberOfMessages,
    QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
    QueueAttributeName::ApproximateNumberOfMessagesDelayed,
];

/// The sending half of an SQS queue.
#[derive(Debug)]
pub struct SqsPublisher {
    queue: Queue,
    group: Option<GroupId>,
    /// The dead-letter queue, with its ARN, from when it was looked up.
    dead_letters: Mutex<Option<(String, Arc<Queue>)>>,
}

impl SqsPublisher {
    /// Creates a publisher for that queue. `group` is the value of `QUEUE_GROUP`. Makes no call yet.
    pub fn new(config: &SdkConfig, address: QueueAddress, group: Option<GroupId>) -> Self {
        Self {
            queue: Queue::new(config, address),
            group,
            dead_letters: Mutex::default(),
        }
    }

    /// Returns the number of messages in the dead-letter queue with this ARN.
    async fn count_dead_letters(&self, arn: &str) -> Result<u64, QueueError> {
        let queue = {
            let mut known = self.dead_letters.lock().await;
            if let Some((_, queue)) = known.as_ref().filter(|(known, _)| known == arn) {
                Arc::clone(queue)
            } else {
                let queue = Arc::new(self.queue.sibling(arn).await?);
                *known = Some((arn.to_owned(), Arc::clone(&queue)));
                queue
            }
        };
        let attributes = queue.attributes().await?;
        Ok(COUNTS.iter().map(|name| count(&attributes, name)).sum())
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

    async fn inspect(&self) -> Result<Findings, QueueError> {
        // Nothing that could be found would stop the API: it accepts jobs while the queue is missing, and its relay says why
        // none is sent.
        Ok(Findings::default())
    }

    async fn depth(&self) -> Result<QueueDepth, QueueError> {
        let attributes = self.queue.attributes().await?;
        let [visible, in_flight, delayed] = COUNTS.map(|name| count(&attributes, &name));
        let dead_letters = match attributes.redrive_policy() {
            None => Ok(None),
            Some(policy) => {
                let counted = self.count_dead_letters(&policy.dead_letters_arn).await;
                counted.map(Some)
            }
        };
        Ok(QueueDepth {
            visible,
            in_flight: Some(in_flight),
            delayed,
            dead_letters,
        })
    }
}

/// Returns a number of messages, which every queue has.
fn count(attributes: &QueueAttributes, name: &QueueAttributeName) -> u64 {
    attributes.number(name).unwrap_or_default()
}
