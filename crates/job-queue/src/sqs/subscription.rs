//! Receiving from SQS, and settling in batches.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_sqs::config::Config;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry,
    DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName, QueueAttributeName,
};
use shared_model::message::JobMessage;
use tokio_util::sync::CancellationToken;

use super::client::{ATTEMPT_TIMEOUT, Queue};
use crate::config::GroupId;
use crate::error::QueueError;
use crate::publisher::MAX_BATCH;
use crate::queue_url::QueueUrl;
use crate::subscription::{
    BatchOutcome, Deletion, Delivery, Receipt, Release, Subscription, SubscriptionOptions,
};

/// How much longer than its wait a poll may take: then it is dead, and a new one is made.
const POLL_GRACE: Duration = Duration::from_secs(5);
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html>
const MAX_VISIBILITY: Duration = Duration::from_hours(12);
/// How long a message of the dead-letter queue that can't be read is left alone.
const DEAD_LETTER_VISIBILITY: Duration = Duration::from_mins(5);
/// A job message has less than 200 bytes.
const LEAST_MESSAGE_SIZE: u64 = 1024;

/// The receiving half of an SQS queue.
#[derive(Debug)]
pub struct SqsSubscription {
    queue: Queue,
    /// The most deliveries of one receive.
    receive_max: usize,
    options: SubscriptionOptions,
}

impl SqsSubscription {
    /// For that queue. `group` is what `QUEUE_GROUP` says. Asks nothing of the queue yet.
    pub fn new(
        config: &SdkConfig,
        url: QueueUrl,
        group: Option<&GroupId>,
        options: SubscriptionOptions,
    ) -> Self {
        // One group is done in turn anyway; taken with its head, the rest would be given back each time that the head
        // fails, and each time come nearer to the dead-letter queue.
        let receive_max = if url.is_fifo() && group.is_some() {
            1
        } else {
            MAX_BATCH
        };
        Self {
            queue: Queue::new(config, url),
            receive_max,
            options,
        }
    }

    async fn attributes(&self) -> Result<Attributes, QueueError> {
        let call = self
            .queue
            .client
            .get_queue_attributes()
            .queue_url(self.queue.url().await?);
        let answer = call.attribute_names(QueueAttributeName::All).send().await;
        let answer = answer.map_err(|error| self.queue.explain(&error))?;
        Ok(answer.attributes.unwrap_or_default())
    }

    /// Hides each delivery for its duration, counted from now. Returns one outcome each, in order.
    async fn hide_all(&self, receipts: Vec<(&Receipt, Duration)>) -> Vec<BatchOutcome> {
        let mut outcomes = Vec::with_capacity(receipts.len());
        for batch in receipts.chunks(MAX_BATCH) {
            outcomes.extend(self.hide_batch(batch).await);
        }
        outcomes
    }

    /// As `hide_all`, for at most ten.
    async fn hide_batch(&self, receipts: &[(&Receipt, Duration)]) -> Vec<BatchOutcome> {
        let entries = receipts
            .iter()
            .enumerate()
            .map(|(index, (receipt, visibility))| {
                ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(index.to_string())
                    .receipt_handle(receipt.as_str())
                    .visibility_timeout(whole_seconds((*visibility).min(MAX_VISIBILITY)))
                    .build()
            });
        let answer = async {
            let entries = entries
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| malformed(&error))?;
            let call = self
                .queue
                .client
                .change_message_visibility_batch()
                .queue_url(self.queue.url().await?);
            let bound = ATTEMPT_TIMEOUT.min(self.options.visibility / 5);
            let answer = call
                .set_entries(Some(entries))
                .customize()
                // a call that hangs must leave time for another before the visibility ends
                .config_override(one_try_within(bound))
                .send()
                .await
                .map_err(|error| self.queue.explain(&error))?;
            Ok((
                answer
                    .successful
                    .into_iter()
                    .map(|entry| entry.id)
                    .collect(),
                answer.failed,
            ))
        };
        outcomes(receipts.len(), answer.await)
    }

    /// Deletes at most ten messages. Returns one outcome each, in order.
    async fn delete_batch(&self, deletions: &[Deletion]) -> Vec<BatchOutcome> {
        let entries = deletions.iter().enumerate().map(|(index, deletion)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(deletion.receipt.as_str())
                .build()
        });
        let answer = async {
            let entries = entries
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| malformed(&error))?;
            let call = self
                .queue
                .client
                .delete_message_batch()
                .queue_url(self.queue.url().await?);
            let answer = call
                .set_entries(Some(entries))
                .send()
                .await
                .map_err(|error| self.queue.explain(&error))?;
            Ok((
                answer
                    .successful
                    .into_iter()
                    .map(|entry| entry.id)
                    .collect(),
                answer.failed,
            ))
        };
        outcomes(deletions.len(), answer.await)
    }
}

#[async_trait]
impl Subscription for SqsSubscription {
    async fn receive(
        &self,
        max: usize,
        stop: &CancellationToken,
    ) -> Result<Vec<Delivery>, QueueError> {
        // an open poll is never abandoned: what it brings would stay hidden for the whole visibility
        if stop.is_cancelled() {
            return Ok(Vec::new());
        }
        let call = self
            .queue
            .client
            .receive_message()
            .queue_url(self.queue.url().await?)
            .max_number_of_messages(i32::try_from(max.clamp(1, self.receive_max)).unwrap_or(1))
            .wait_time_seconds(whole_seconds(self.options.wait))
            .visibility_timeout(whole_seconds(self.options.visibility))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_system_attribute_names(MessageSystemAttributeName::MessageGroupId)
            .customize()
            .config_override(one_try_within(self.options.wait + POLL_GRACE));
        let answer = call
            .send()
            .await
            .map_err(|error| self.queue.explain(&error))?;
        Ok(answer
            .messages
            .unwrap_or_default()
            .into_iter()
            .map(delivery)
            .collect())
    }

    async fn extend(&self, receipts: &[Receipt]) -> Vec<BatchOutcome> {
        let visibility = self.options.visibility;
        let receipts = receipts.iter().map(|receipt| (receipt, visibility));
        self.hide_all(receipts.collect()).await
    }

    async fn delete(&self, deletions: &[Deletion]) -> Vec<BatchOutcome> {
        let mut outcomes = Vec::with_capacity(deletions.len());
        for batch in deletions.chunks(MAX_BATCH) {
            outcomes.extend(self.delete_batch(batch).await);
        }
        outcomes
    }

    async fn release(&self, releases: &[Release]) -> Vec<BatchOutcome> {
        let receipts = releases
            .iter()
            .map(|release| (&release.receipt, release.delay));
        self.hide_all(receipts.collect()).await
    }

    async fn dead_letters(&self) -> Result<Option<Arc<dyn Subscription>>, QueueError> {
        let attributes = self.attributes().await?;
        let Some(policy) = redrive_policy(&attributes) else {
            return Ok(None);
        };
        let arn = policy
            .get("deadLetterTargetArn")
            .and_then(serde_json::Value::as_str);
        let queue = self.queue.sibling(arn.unwrap_or_default()).await?;
        let options = SubscriptionOptions {
            visibility: DEAD_LETTER_VISIBILITY,
            ..self.options
        };
        Ok(Some(Arc::new(Self {
            queue,
            receive_max: MAX_BATCH,
            options,
        })))
    }

    async fn warnings(&self, max_attempts: u32) -> Result<Vec<String>, QueueError> {
        Ok(misfits(&self.attributes().await?, max_attempts))
    }
}

type Attributes = HashMap<QueueAttributeName, String>;

fn redrive_policy(attributes: &Attributes) -> Option<serde_json::Value> {
    serde_json::from_str(attributes.get(&QueueAttributeName::RedrivePolicy)?).ok()
}

/// What of a queue's attributes will not work with this worker.
fn misfits(attributes: &Attributes, max_attempts: u32) -> Vec<String> {
    let number = |name| {
        attributes
            .get(&name)
            .and_then(|value: &String| value.parse::<u64>().ok())
    };
    let mut warnings = Vec::new();
    match redrive_policy(attributes) {
        None => warnings.push(
            "the queue has no dead-letter queue (RedrivePolicy): a message that can't be read comes back until its retention ends".to_owned(),
        ),
        Some(policy) => {
            // a number or a string, depending on who set it
            let receives = policy.get("maxReceiveCount").and_then(|count| {
                count.as_u64().or_else(|| count.as_str().and_then(|text| text.parse().ok()))
            });
            if receives.is_some_and(|receives| receives <= u64::from(max_attempts)) {
                warnings.push(format!(
                    "the queue's maxReceiveCount is {} and MAX_ATTEMPTS is {max_attempts}: jobs will land in the dead-letter queue \
                     before their attempts are used up; raise maxReceiveCount well above",
                    receives.unwrap_or_default()
                ));
            }
        }
    }
    if let Some(size) =
        number(QueueAttributeName::MaximumMessageSize).filter(|size| *size < LEAST_MESSAGE_SIZE)
    {
        warnings.push(format!(
            "the queue's MaximumMessageSize of {size} bytes is too small for a job message"
        ));
    }
    if let Some(delay) = number(QueueAttributeName::DelaySeconds).filter(|delay| *delay > 0) {
        warnings.push(format!(
            "the queue delays every message by {delay} s (DelaySeconds): jobs start so much later"
        ));
    }
    warnings
}

fn delivery(message: Message) -> Delivery {
    let attribute = |name| {
        message
            .attributes
            .as_ref()
            .and_then(|attributes| attributes.get(&name))
    };
    Delivery {
        message: JobMessage::decode(message.body.as_deref().unwrap_or_default()),
        receive_count: attribute(MessageSystemAttributeName::ApproximateReceiveCount)
            .and_then(|count| count.parse().ok())
            .unwrap_or(1),
        group: attribute(MessageSystemAttributeName::MessageGroupId).cloned(),
        message_id: message.message_id.unwrap_or_default(),
        receipt: Receipt::new(message.receipt_handle.unwrap_or_default()),
    }
}

/// SQS counts in whole seconds; rounded up, so that nothing becomes visible early.
fn whole_seconds(duration: Duration) -> i32 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

fn malformed(error: &aws_sdk_sqs::error::BuildError) -> QueueError {
    QueueError::Unavailable(error.to_string())
}

/// For calls that the worker itself makes again, at its own pace.
fn one_try_within(bound: Duration) -> aws_sdk_sqs::config::Builder {
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(bound)
        .operation_timeout(bound)
        .build();
    Config::builder()
        .timeout_config(timeouts)
        .retry_config(RetryConfig::disabled())
}

/// The ids that a batch call lists as done, and the entries that it lists as failed.
type BatchAnswer = (HashSet<String>, Vec<BatchResultErrorEntry>);

/// Matches a batch's answer to its entries. What stands in neither list counts as failed.
fn outcomes(count: usize, answer: Result<BatchAnswer, QueueError>) -> Vec<BatchOutcome> {
    let (done, failed) = match answer {
        Ok(answer) => answer,
        Err(error) => return vec![BatchOutcome::Failed(error.to_string()); count],
    };
    let outcome = |index: usize| {
        let id = index.to_string();
        if done.contains(&id) {
            return BatchOutcome::Done;
        }
        match failed.iter().find(|entry| entry.id == id) {
            // the handle is old, the message deleted or visible again, or its 12 hours are over
            Some(entry) if entry.sender_fault => BatchOutcome::Lost,
            Some(entry) => {
                BatchOutcome::Failed(entry.message.clone().unwrap_or_else(|| entry.code.clone()))
            }
            None => BatchOutcome::Failed("the answer does not name it".to_owned()),
        }
    };
    (0..count).map(outcome).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_in_neither_list_counts_as_failed() {
        let failed = vec![
            BatchResultErrorEntry::builder()
                .id("1")
                .sender_fault(true)
                .code("ReceiptHandleIsInvalid")
                .build()
                .unwrap(),
            BatchResultErrorEntry::builder()
                .id("2")
                .sender_fault(false)
                .code("InternalError")
                .build()
                .unwrap(),
        ];
        let outcomes = outcomes(4, Ok((HashSet::from(["0".to_owned()]), failed)));
        assert_eq!(outcomes[0], BatchOutcome::Done);
        assert_eq!(outcomes[1], BatchOutcome::Lost);
        assert_eq!(
            outcomes[2],
            BatchOutcome::Failed("InternalError".to_owned())
        );
        assert!(matches!(outcomes[3], BatchOutcome::Failed(_)));
    }

    #[test]
    fn a_queue_that_will_not_work_is_warned_of() {
        let attribute = |name, value: &str| (name, value.to_owned());
        let good = HashMap::from([attribute(
            QueueAttributeName::RedrivePolicy,
            r#"{"maxReceiveCount":"10"}"#,
        )]);
        assert!(misfits(&good, 5).is_empty());
        let bad = HashMap::from([
            attribute(
                QueueAttributeName::RedrivePolicy,
                r#"{"maxReceiveCount":5}"#,
            ),
            attribute(QueueAttributeName::MaximumMessageSize, "1023"),
            attribute(QueueAttributeName::DelaySeconds, "10"),
        ]);
        assert_eq!(misfits(&bad, 5).len(), 3);
        assert_eq!(misfits(&HashMap::new(), 5).len(), 1);
    }

    #[test]
    fn seconds_are_rounded_up() {
        assert_eq!(whole_seconds(Duration::from_millis(1)), 1);
        assert_eq!(whole_seconds(Duration::from_secs(30)), 30);
        assert_eq!(whole_seconds(Duration::ZERO), 0);
    }
}
