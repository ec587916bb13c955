//! The client of one topic.

use std::fmt;
use std::time::Duration;

use aws_sdk_sns::Client;
use aws_sdk_sns::config::retry::RetryConfig;
use aws_sdk_sns::config::timeout::TimeoutConfig;
use aws_sdk_sns::config::{Builder, Region};
use aws_sdk_sns::error::BuildError;
use aws_sdk_sns::operation::publish_batch::PublishBatchOutput;
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use futures_util::future::join_all;
use sqs_client::batch::{self, Outcomes, entry_id};
use sqs_client::{EntryError, SdkConfig};
use tokio::sync::OnceCell;

use crate::address::TopicAddress;
use crate::error::TopicError;
use crate::message::{ATTRIBUTE_TYPE, Message, split};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The permission to publish, also in batches:
/// <https://docs.aws.amazon.com/sns/latest/dg/sns-batch-api-actions.html>
const PUBLISH: &str = "sns:Publish";

/// A topic and the client that calls it.
pub struct Topic {
    client: Client,
    address: TopicAddress,
    arn: OnceCell<String>,
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topic")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Topic {
    /// Makes no call yet. Each call is attempted once, and fails after `timeout`.
    pub fn new(config: &SdkConfig, address: TopicAddress, timeout: Duration) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_timeout(timeout)
            .build();
        let http = config
            .http_client()
            .unwrap_or_else(sqs_client::config::https);
        let mut builder = Builder::from(config)
            .http_client(http)
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts);
        if let Some(region) = address.region() {
            builder = builder.region(Region::new(region.to_owned()));
        }
        let arn = match &address {
            TopicAddress::Arn(arn) => OnceCell::new_with(Some(arn.clone())),
            TopicAddress::Name(_) => OnceCell::new(),
        };
        Self {
            client: Client::from_conf(builder.build()),
            address,
            arn,
        }
    }

    /// Publishes messages, in requests of up to [`MAX_BATCH`](crate::message::MAX_BATCH) that are made at the same time. A FIFO
    /// topic gets their groups and their deduplication ids, too; the messages must then be of different groups. Returns one
    /// result for each message, in the same order: an error if SNS did not accept it, or if the answer was lost.
    pub async fn publish(&self, messages: Vec<Message>) -> Vec<Result<(), TopicError>> {
        let batches = split(messages).into_iter().map(async |batch| {
            let count = batch.len();
            let published = self.publish_batch(batch).await;
            published.unwrap_or_else(|error| vec![Err(error); count])
        });
        join_all(batches).await.concat()
    }

    async fn publish_batch(
        &self,
        messages: Vec<Message>,
    ) -> Result<Vec<Result<(), TopicError>>, TopicError> {
        let count = messages.len();
        let entries: Result<_, _> = messages
            .into_iter()
            .enumerate()
            .map(|(index, message)| entry(index, message, self.address.is_fifo()))
            .collect();
        let entries = entries.map_err(|error: BuildError| TopicError(error.to_string()))?;
        let call = self.client.publish_batch().topic_arn(self.arn().await?);
        let call = call.set_publish_batch_request_entries(Some(entries));
        let explain = |error| TopicError::explain(&self.address, PUBLISH, &error);
        let answer = call.send().await.map_err(explain)?;
        let outcomes = outcomes(count, answer).into_iter();
        let refused = |error| TopicError::refused(&self.address, PUBLISH, &error);
        Ok(outcomes.map(|outcome| outcome.map_err(refused)).collect())
    }

    /// Returns the topic's ARN. A name is looked up once.
    async fn arn(&self) -> Result<&str, TopicError> {
        self.arn
            .get_or_try_init(|| self.look_up())
            .await
            .map(String::as_str)
    }

    async fn look_up(&self) -> Result<String, TopicError> {
        let mut pages = self.client.list_topics().into_paginator().send();
        while let Some(page) = pages.next().await {
            let page =
                page.map_err(|error| TopicError::explain(&self.address, "sns:ListTopics", &error))?;
            let arns = page.topics.unwrap_or_default().into_iter();
            let is_named = |arn: &String| arn.rsplit(':').next() == Some(self.address.name());
            if let Some(arn) = arns.filter_map(|topic| topic.topic_arn).find(is_named) {
                return Ok(arn);
            }
        }
        Err(TopicError::no_such_topic(&self.address))
    }
}

/// Returns one entry of a request.
fn entry(
    index: usize,
    message: Message,
    is_fifo: bool,
) -> Result<PublishBatchRequestEntry, BuildError> {
    let mut entry = PublishBatchRequestEntry::builder()
        .id(entry_id(index))
        .message(message.body);
    for (name, value) in message.attributes {
        let value = MessageAttributeValue::builder()
            .data_type(ATTRIBUTE_TYPE)
            .string_value(value)
            .build()?;
        entry = entry.message_attributes(name, value);
    }
    if is_fifo {
        entry = entry
            .message_group_id(message.group)
            .message_deduplication_id(message.deduplication_id);
    }
    entry.build()
}

/// Returns the outcome of each of the `count` entries of a request.
fn outcomes(count: usize, answer: PublishBatchOutput) -> Outcomes<()> {
    let published = answer.successful.unwrap_or_default().into_iter();
    let published = published.filter_map(|entry| Some((entry.id?, ())));
    let failed = answer.failed.unwrap_or_default().into_iter().map(|entry| {
        let error = EntryError {
            code: entry.code,
            message: entry.message.unwrap_or_default(),
            sender_fault: entry.sender_fault,
        };
        (entry.id, error)
    });
    batch::outcomes(count, published, failed)
}

#[cfg(test)]
mod tests {
    use aws_sdk_sns::types::{BatchResultErrorEntry, PublishBatchResultEntry};

    use super::*;

    #[test]
    fn each_entry_of_an_answer_is_a_result_of_its_own() {
        let published = |id| PublishBatchResultEntry::builder().id(id).build();
        let refused = BatchResultErrorEntry::builder()
            .id("1")
            .code("InternalError")
            .message("why")
            .sender_fault(false);
        let answer = PublishBatchOutput::builder()
            .successful(published("2"))
            .successful(published("0"))
            .failed(refused.build().unwrap())
            .build();
        let outcomes = outcomes(4, answer);
        assert_eq!((&outcomes[0], &outcomes[2]), (&Ok(()), &Ok(())));
        let refused = outcomes[1].as_ref().unwrap_err();
        assert_eq!(refused.to_string(), "InternalError: why");
        let missing = outcomes[3].as_ref().unwrap_err();
        assert!(missing.to_string().contains("neither"), "{missing}");
    }
}
