//! Receiving from SQS, and settling in batches.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use futures_util::future::join_all;
use shared_model::message::JobMessage;
use sqs_client::batch::{self, Outcomes};
use sqs_client::config::ATTEMPT_TIMEOUT;
use sqs_client::limits::{MAX_BATCH, whole_seconds};
use sqs_client::poll::poll;
use sqs_client::{QueueAddress, SdkConfig};
use tokio_util::sync::CancellationToken;

use super::incompatibilities::incompatibilities;
use super::queue::Queue;
use crate::error::QueueError;
use crate::findings::Findings;
use crate::group_id::GroupId;
use crate::subscription::{
    BatchOutcome, Deletion, Delivery, Receipt, Received, Rejection, Release, Subscription,
    SubscriptionOptions, WorkerNeeds,
};

/// How long a message of the dead-letter queue stays hidden if it is not settled, because its body cannot be read.
const DEAD_LETTER_VISIBILITY: Duration = Duration::from_mins(5);

/// The receiving half of an SQS queue.
#[derive(Debug)]
pub struct SqsSubscription {
    queue: Queue,
    /// The maximum number of messages per call.
    receive_max: usize,
    options: SubscriptionOptions,
}

impl SqsSubscription {
    /// Creates a subscription to that queue. `group` is the value of `QUEUE_GROUP`. Makes no call yet.
    pub fn new(
        config: &SdkConfig,
        address: QueueAddress,
        group: Option<&GroupId>,
        options: SubscriptionOptions,
    ) -> Self {
        // The jobs of a single group run one after the other anyway. Messages received together with the first one
        // would be released each time the first job fails. Each receive would bring them nearer to the dead-letter
        // queue.
        let receive_max = if address.is_fifo() && group.is_some() {
            1
        } else {
            MAX_BATCH
        };
        Self {
            queue: Queue::new(config, address),
            receive_max,
            options,
        }
    }

    /// Receives at most `max` messages, and at most as many as one call returns.
    async fn poll(&self, max: usize, wait: Duration) -> Result<Vec<Message>, QueueError> {
        let call = self
            .queue
            .client
            .receive_message()
            .queue_url(self.queue.url().await?)
            .max_number_of_messages(i32::try_from(max.clamp(1, self.receive_max)).unwrap_or(1))
            .visibility_timeout(whole_seconds(self.options.visibility))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_system_attribute_names(MessageSystemAttributeName::MessageGroupId);
        poll(call, wait)
            .await
            .map_err(|error| self.queue.explain(&error))
    }

    /// Hides each message for its duration, counted from now. Returns one outcome per receipt, in the same order.
    async fn hide(&self, receipts: Vec<(&Receipt, Duration)>) -> Vec<BatchOutcome> {
        // if a call hangs, there must be time for another one before the visibility timeout ends
        let timeout = ATTEMPT_TIMEOUT.min(self.options.visibility / 5);
        let calls = receipts.chunks(MAX_BATCH).map(async |batch| {
            let call = async |url: &str| {
                let entries = batch
                    .iter()
                    .map(|(receipt, duration)| (receipt.as_str(), *duration));
                batch::change_visibility(&self.queue.client, url, entries, Some(timeout)).await
            };
            self.settle(batch.len(), call).await
        });
        join_all(calls).await.concat()
    }

    /// Makes one batch call with the queue's URL. Returns one outcome for each of its `count` entries.
    async fn settle<E>(
        &self,
        count: usize,
        call: impl AsyncFnOnce(&str) -> Result<Outcomes<()>, SdkError<E>>,
    ) -> Vec<BatchOutcome>
    where
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let outcomes = async {
            let outcomes = call(self.queue.url().await?).await;
            outcomes.map_err(|error| self.queue.explain(&error))
        };
        match outcomes.await {
            Ok(outcomes) => outcomes.into_iter().map(outcome).collect(),
            Err(error) => vec![BatchOutcome::Failed(error.to_string()); count],
        }
    }
}

#[async_trait]
impl Subscription for SqsSubscription {
    async fn receive(
        &self,
        max: usize,
        stop: &CancellationToken,
    ) -> Result<Vec<Received>, QueueError> {
        // An open poll is never abandoned: the messages that it returns would stay hidden for the whole visibility timeout.
        if stop.is_cancelled() {
            return Ok(Vec::new());
        }
        let mut messages = self.poll(max, self.options.wait).await?;
        let more = further_polls(messages.len(), max);
        let polls = (0..more).map(|_| self.poll(MAX_BATCH, Duration::ZERO));
        for polled in join_all(polls).await {
            match polled {
                Ok(polled) => messages.extend(polled),
                // the messages of the other polls must not be lost; the next poll fails as well
                Err(error) => log::debug!(error:%; "a poll failed"),
            }
        }
        let is_fifo = self.queue.address.is_fifo();
        Ok(messages
            .into_iter()
            .map(|message| Received::Message(delivery(message, is_fifo)))
            .collect())
    }

    async fn extend(&self, receipts: &[Receipt]) -> Vec<BatchOutcome> {
        let visibility = self.options.visibility;
        let receipts = receipts.iter().map(|receipt| (receipt, visibility));
        self.hide(receipts.collect()).await
    }

    async fn delete(&self, deletions: &[Deletion]) -> Vec<BatchOutcome> {
        let calls = deletions.chunks(MAX_BATCH).map(async |batch| {
            let call = async |url: &str| {
                let handles = batch.iter().map(|deletion| deletion.receipt.as_str());
                batch::delete(&self.queue.client, url, handles).await
            };
            self.settle(batch.len(), call).await
        });
        join_all(calls).await.concat()
    }

    async fn release(&self, releases: &[Release]) -> Vec<BatchOutcome> {
        let receipts = releases
            .iter()
            .map(|release| (&release.receipt, release.delay));
        self.hide(receipts.collect()).await
    }

    async fn reject(&self, rejections: &[Rejection]) -> Vec<BatchOutcome> {
        // The message becomes visible again. After some receives, SQS moves it to the dead-letter queue.
        vec![BatchOutcome::Done; rejections.len()]
    }

    async fn dead_letters(&self) -> Result<Option<Arc<dyn Subscription>>, QueueError> {
        let Some(policy) = self.queue.attributes().await?.redrive_policy() else {
            return Ok(None);
        };
        let queue = self.queue.sibling(&policy.dead_letters_arn).await?;
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

    async fn inspect(&self, worker: WorkerNeeds) -> Result<Findings, QueueError> {
        let attributes = self.queue.attributes().await?;
        Ok(Findings {
            unusable: Vec::new(),
            warnings: incompatibilities(&attributes, worker.max_attempts),
        })
    }

    fn counts_deliveries(&self) -> bool {
        true
    }
}

/// Returns how many more polls are made, at the same time, after the first has returned `received` of `max` messages: as
/// many as fit if more messages are waiting. That is so if the first poll was full. A poll of a single ordered group never
/// is, because the group delivers one message at a time.
fn further_polls(received: usize, max: usize) -> usize {
    if received < MAX_BATCH {
        return 0;
    }
    max.saturating_sub(received) / MAX_BATCH
}

fn delivery(message: Message, is_fifo: bool) -> Delivery {
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
        group: attribute(MessageSystemAttributeName::MessageGroupId)
            .filter(|_| is_fifo)
            .cloned(),
        message_id: message.message_id.unwrap_or_default(),
        receipt: Receipt::new(message.receipt_handle.unwrap_or_default()),
    }
}

fn outcome(outcome: Result<(), sqs_client::EntryError>) -> BatchOutcome {
    match outcome {
        Ok(()) => BatchOutcome::Done,
        Err(error) if error.sender_fault => BatchOutcome::Lost,
        Err(error) => BatchOutcome::Failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use sqs_client::EntryError;

    use super::*;

    #[test]
    fn only_a_full_poll_is_followed_by_more_polls() {
        assert_eq!(further_polls(MAX_BATCH, 100), 9);
        assert_eq!(further_polls(MAX_BATCH, 2 * MAX_BATCH - 1), 0);
        assert_eq!(further_polls(MAX_BATCH - 1, 100), 0);
        // a single ordered group
        assert_eq!(further_polls(1, 100), 0);
        // more than were asked for
        assert_eq!(further_polls(MAX_BATCH, 3), 0);
    }

    #[test]
    fn a_delivery_is_lost_if_its_receipt_handle_is_no_longer_valid() {
        let failed = |code: &str, sender_fault| {
            outcome(Err(EntryError {
                code: code.to_owned(),
                message: String::new(),
                sender_fault,
            }))
        };
        assert_eq!(outcome(Ok(())), BatchOutcome::Done);
        assert_eq!(failed("ReceiptHandleIsInvalid", true), BatchOutcome::Lost);
        assert_eq!(
            failed("InternalError", false),
            BatchOutcome::Failed("InternalError".to_owned())
        );
    }
}
