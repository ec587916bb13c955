//! The client of one topic.

use std::fmt;
use std::time::Duration;

use aws_sdk_sns::Client;
use aws_sdk_sns::config::retry::RetryConfig;
use aws_sdk_sns::config::timeout::TimeoutConfig;
use aws_sdk_sns::config::{Builder, Region};
use aws_sdk_sns::error::BuildError;
use aws_sdk_sns::types::MessageAttributeValue;
use sqs_client::SdkConfig;
use tokio::sync::OnceCell;

use crate::address::TopicAddress;
use crate::error::TopicError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A message to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its text.
    pub body: String,
    /// What subscriptions can filter by: names and values.
    pub attributes: Vec<(&'static str, String)>,
    /// On a FIFO topic: messages of the same group stay in order.
    pub group: String,
    /// On a FIFO topic: of messages with the same id within five minutes, only one is delivered.
    pub deduplication_id: String,
}

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

    /// Publishes a message. A FIFO topic gets its group and its deduplication id, too.
    ///
    /// # Errors
    /// Returns an error if SNS did not accept the message, or if its answer was lost.
    pub async fn publish(&self, message: Message) -> Result<(), TopicError> {
        let mut call = self
            .client
            .publish()
            .topic_arn(self.arn().await?)
            .message(message.body);
        for (name, value) in message.attributes {
            let value = text_attribute(value).map_err(|error| TopicError(error.to_string()))?;
            call = call.message_attributes(name, value);
        }
        if self.address.is_fifo() {
            call = call
                .message_group_id(message.group)
                .message_deduplication_id(message.deduplication_id);
        }
        match call.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(TopicError::explain(&self.address, "sns:Publish", &error)),
        }
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

fn text_attribute(value: String) -> Result<MessageAttributeValue, BuildError> {
    MessageAttributeValue::builder()
        .data_type("String")
        .string_value(value)
        .build()
}
