//! A topic of SNS that copies each message to several queues of SQS.

use async_trait::async_trait;
use aws_sdk_sns::Client;
use aws_sdk_sns::config::Builder;
use aws_sdk_sns::error::{BuildError, DisplayErrorContext};
use aws_sdk_sns::types::MessageAttributeValue;
use sqs_client::SdkConfig;
use sqs_client::batch::Outcomes;

use crate::error::Error;
use crate::message::{CLIENT_ATTRIBUTE, Outgoing, Received, STRING};
use crate::transport::{Calls, ReceiveRequest, Sent, Transport};

/// A publisher to a topic.
#[derive(Debug)]
pub(super) struct Topic {
    client: Client,
    arn: String,
    calls: Calls,
}

impl Topic {
    pub(super) fn new(config: &SdkConfig, arn: String) -> Self {
        let http = config
            .http_client()
            .unwrap_or_else(sqs_client::config::https);
        let config = Builder::from(config).http_client(http).build();
        Self {
            client: Client::from_conf(config),
            arn,
            calls: Calls::default(),
        }
    }

    /// Creates a topic and returns its ARN. A topic that exists is kept.
    pub(super) async fn create(config: &SdkConfig, name: &str) -> Result<String, Error> {
        let topic = Self::new(config, String::new());
        let created = topic.client.create_topic().name(name).send().await;
        let created = created.map_err(|error| failed("CreateTopic", error))?;
        Ok(created.topic_arn.unwrap_or_default())
    }

    /// Subscribes a queue. It gets the messages as they were published, without an envelope.
    pub(super) async fn subscribe(
        config: &SdkConfig,
        topic: &str,
        queue_arn: &str,
    ) -> Result<(), Error> {
        let topic = Self::new(config, topic.to_owned());
        let call = topic.client.subscribe().topic_arn(&topic.arn);
        let call = call.protocol("sqs").endpoint(queue_arn);
        let subscribed = call.attributes("RawMessageDelivery", "true").send().await;
        subscribed.map_err(|error| failed("Subscribe", error))?;
        Ok(())
    }
}

fn failed(action: &str, error: impl std::error::Error) -> Error {
    Error::Failed(format!("{action} failed: {}", DisplayErrorContext(error)))
}

/// The error for what only a queue can do.
fn no_queue() -> Error {
    Error::Failed("a topic stores no messages: its subscribers have queues".to_owned())
}

#[async_trait]
impl Transport for Topic {
    fn name(&self) -> &str {
        &self.arn
    }

    fn calls(&self) -> &Calls {
        &self.calls
    }

    async fn send(&mut self, message: &Outgoing) -> Result<Sent, Error> {
        let client = MessageAttributeValue::builder()
            .data_type(STRING)
            .string_value(&message.client)
            .build()
            .map_err(|error: BuildError| Error::Failed(error.to_string()))?;
        self.calls.count("Publish", message.bytes());
        let call = self.client.publish().topic_arn(&self.arn);
        let call = call.message(&message.body);
        let published = call
            .message_attributes(CLIENT_ATTRIBUTE, client)
            .send()
            .await;
        let published = published.map_err(|error| failed("Publish", error))?;
        Ok(Sent {
            id: published.message_id.unwrap_or_default(),
            sequence_number: published.sequence_number,
        })
    }

    async fn send_batch(&mut self, messages: &[Outgoing]) -> Result<Outcomes<Sent>, Error> {
        let mut outcomes = Vec::with_capacity(messages.len());
        for message in messages {
            outcomes.push(Ok(self.send(message).await?));
        }
        Ok(outcomes)
    }

    async fn receive(&mut self, _request: ReceiveRequest) -> Result<Vec<Received>, Error> {
        Err(no_queue())
    }

    async fn delete(&mut self, _handles: &[&str]) -> Result<Outcomes<()>, Error> {
        Err(no_queue())
    }

    async fn release(&mut self, _handles: &[&str]) -> Result<Outcomes<()>, Error> {
        Err(no_queue())
    }

    fn hidden_until(&self) -> &'static str {
        "never: a topic stores no messages"
    }
}
