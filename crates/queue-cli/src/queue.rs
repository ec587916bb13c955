//! A queue and the calls on it, counted.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::Config;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message,
    MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName,
    SendMessageBatchRequestEntry,
};

use crate::attributes::Attributes;
use crate::batch::{self, Refusal};
use crate::client::connect;
use crate::cost::Calls;
use crate::error::Error;
use crate::explain::{Place, explain};
use crate::name::QueueName;
use crate::outgoing::{CLIENT_ATTRIBUTE, Outgoing};
use crate::received::{self, Received};

/// How much longer than its wait a receive may take.
const POLL_GRACE: Duration = Duration::from_secs(5);

/// What SQS says of a message that it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) id: String,
    /// Of FIFO queues.
    pub(crate) sequence_number: Option<String>,
}

/// How to receive.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask {
    /// 1 to 10.
    pub(crate) max: usize,
    pub(crate) wait: Duration,
    /// `None`: the queue's own.
    pub(crate) visibility: Option<Duration>,
}

/// A queue that exists.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) name: String,
    pub(crate) is_fifo: bool,
    pub(crate) region: String,
    pub(crate) calls: Calls,
    client: Client,
    url: String,
}

impl Queue {
    /// Finds the queue of that name.
    pub(crate) async fn open(name: &QueueName) -> Result<Self, Error> {
        let (client, region) = connect().await;
        Self::find(client, region, name, None).await
    }

    /// Another queue, reached in the same way.
    pub(crate) async fn sibling(&self, name: &QueueName) -> Result<Self, Error> {
        Self::find(self.client.clone(), self.region.clone(), name, None).await
    }

    /// The queue of an ARN.
    pub(crate) async fn of_arn(&self, arn: &str) -> Result<Self, Error> {
        let mut parts = arn.rsplit(':');
        let (Some(name), Some(account)) = (parts.next(), parts.next()) else {
            return Err(Error::Failed(format!("{arn:?} is no ARN of a queue")));
        };
        let name = name
            .parse()
            .map_err(|_refused| Error::Failed(format!("{arn:?} is no ARN of a queue")))?;
        let (client, region) = (self.client.clone(), self.region.clone());
        Self::find(client, region, &name, Some(account)).await
    }

    async fn find(
        client: Client,
        region: String,
        name: &QueueName,
        account: Option<&str>,
    ) -> Result<Self, Error> {
        let mut queue = Self {
            name: name.name().to_owned(),
            is_fifo: name.is_fifo(),
            region,
            calls: Calls::default(),
            client,
            url: name.url().unwrap_or_default().to_owned(),
        };
        if name.url().is_none() {
            let call = queue.client.get_queue_url().queue_name(&queue.name);
            let call = call.set_queue_owner_aws_account_id(account.map(str::to_owned));
            queue.calls.count("GetQueueUrl", 0);
            let answer = call.send().await;
            let answer = answer.map_err(|error| queue.explain("GetQueueUrl", &error))?;
            queue.url = answer.queue_url.unwrap_or_default();
        }
        Ok(queue)
    }

    /// One message.
    pub(crate) async fn send(&mut self, message: &Outgoing) -> Result<Sent, Error> {
        let call = self
            .client
            .send_message()
            .queue_url(&self.url)
            .message_body(&message.body)
            .message_attributes(CLIENT_ATTRIBUTE, text(&message.client)?)
            .set_message_group_id(message.group.clone())
            .set_message_deduplication_id(message.dedup_id.clone())
            .set_delay_seconds(message.delay.map(whole_seconds));
        self.calls.count("SendMessage", message.bytes());
        let answer = call.send().await;
        let answer = answer.map_err(|error| self.explain("SendMessage", &error))?;
        Ok(Sent {
            id: answer.message_id.unwrap_or_default(),
            sequence_number: answer.sequence_number,
        })
    }

    /// At most ten messages; the outcome of each, in order.
    pub(crate) async fn send_batch(
        &mut self,
        messages: &[Outgoing],
    ) -> Result<Vec<Result<Sent, Refusal>>, Error> {
        let entry = |(index, message): (usize, &Outgoing)| {
            SendMessageBatchRequestEntry::builder()
                .id(batch::id(index))
                .message_body(&message.body)
                .message_attributes(CLIENT_ATTRIBUTE, text(&message.client)?)
                .set_message_group_id(message.group.clone())
                .set_message_deduplication_id(message.dedup_id.clone())
                .set_delay_seconds(message.delay.map(whole_seconds))
                .build()
                .map_err(|error| malformed(&error))
        };
        let entries: Result<Vec<_>, Error> = messages.iter().enumerate().map(entry).collect();
        self.send_entries(entries?, messages.iter().map(Outgoing::bytes).sum())
            .await
    }

    /// Sends messages that another queue gave, each under its own group, with its id against duplicates.
    pub(crate) async fn send_moved(
        &mut self,
        messages: &[Message],
    ) -> Result<Vec<Result<Sent, Refusal>>, Error> {
        let entry = |(index, message): (usize, &Message)| {
            let system = |name| message.attributes.as_ref()?.get(&name).cloned();
            let group = system(MessageSystemAttributeName::MessageGroupId);
            SendMessageBatchRequestEntry::builder()
                .id(batch::id(index))
                .message_body(message.body.as_deref().unwrap_or_default())
                .set_message_attributes(message.message_attributes.clone())
                .set_message_group_id(group)
                .set_message_deduplication_id(
                    self.is_fifo.then(|| message.message_id.clone()).flatten(),
                )
                .build()
                .map_err(|error| malformed(&error))
        };
        let entries: Result<Vec<_>, Error> = messages.iter().enumerate().map(entry).collect();
        self.send_entries(entries?, messages.iter().map(received::bytes).sum())
            .await
    }

    async fn send_entries(
        &mut self,
        entries: Vec<SendMessageBatchRequestEntry>,
        bytes: usize,
    ) -> Result<Vec<Result<Sent, Refusal>>, Error> {
        let count = entries.len();
        let call = self.client.send_message_batch().queue_url(&self.url);
        self.calls.count("SendMessageBatch", bytes);
        let answer = call.set_entries(Some(entries)).send().await;
        let answer = answer.map_err(|error| self.explain("SendMessageBatch", &error))?;
        let sent = answer.successful.into_iter().map(|entry| {
            let sent = Sent {
                id: entry.message_id,
                sequence_number: entry.sequence_number,
            };
            (entry.id, sent)
        });
        Ok(batch::outcomes(count, sent.collect(), &answer.failed))
    }

    /// Receives with all attributes. The call is made once: one without an answer may have taken messages.
    pub(crate) async fn receive(&mut self, ask: Ask) -> Result<Vec<Received>, Error> {
        let messages = self.receive_raw(ask).await?;
        let now = SystemTime::now();
        Ok(messages
            .into_iter()
            .map(|message| Received::new(message, now))
            .collect())
    }

    /// The same as the SDK has it.
    pub(crate) async fn receive_raw(&mut self, ask: Ask) -> Result<Vec<Message>, Error> {
        let bound = ask.wait + POLL_GRACE;
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(bound)
            .operation_timeout(bound)
            .build();
        let call = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(i32::try_from(ask.max).unwrap_or(1))
            .wait_time_seconds(whole_seconds(ask.wait))
            .set_visibility_timeout(ask.visibility.map(whole_seconds))
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .customize()
            .config_override(
                Config::builder()
                    .timeout_config(timeouts)
                    .retry_config(RetryConfig::disabled()),
            );
        let answer = call.send().await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                self.calls.count("ReceiveMessage", 0);
                return Err(self.explain("ReceiveMessage", &error));
            }
        };
        let messages = answer.messages.unwrap_or_default();
        let bytes = messages.iter().map(received::bytes).sum();
        self.calls.count("ReceiveMessage", bytes);
        if messages.is_empty() {
            self.calls.empty_receives += 1;
        }
        Ok(messages)
    }

    /// Deletes at most ten messages; the outcome of each, in order.
    pub(crate) async fn delete(
        &mut self,
        handles: &[&str],
    ) -> Result<Vec<Result<(), Refusal>>, Error> {
        let entry = |(index, handle): (usize, &&str)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(batch::id(index))
                .receipt_handle(*handle)
                .build()
                .map_err(|error| malformed(&error))
        };
        let entries: Result<Vec<_>, Error> = handles.iter().enumerate().map(entry).collect();
        let call = self.client.delete_message_batch().queue_url(&self.url);
        self.calls.count("DeleteMessageBatch", 0);
        let answer = call.set_entries(Some(entries?)).send().await;
        let answer = answer.map_err(|error| self.explain("DeleteMessageBatch", &error))?;
        let done = answer.successful.into_iter().map(|entry| (entry.id, ()));
        Ok(batch::outcomes(
            handles.len(),
            done.collect(),
            &answer.failed,
        ))
    }

    /// Makes at most ten messages visible again, at once; the outcome of each, in order.
    pub(crate) async fn give_back(
        &mut self,
        handles: &[&str],
    ) -> Result<Vec<Result<(), Refusal>>, Error> {
        let entry = |(index, handle): (usize, &&str)| {
            ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(batch::id(index))
                .receipt_handle(*handle)
                .visibility_timeout(0)
                .build()
                .map_err(|error| malformed(&error))
        };
        let entries: Result<Vec<_>, Error> = handles.iter().enumerate().map(entry).collect();
        let call = self.client.change_message_visibility_batch();
        let call = call.queue_url(&self.url);
        self.calls.count("ChangeMessageVisibilityBatch", 0);
        let answer = call.set_entries(Some(entries?)).send().await;
        let answer =
            answer.map_err(|error| self.explain("ChangeMessageVisibilityBatch", &error))?;
        let done = answer.successful.into_iter().map(|entry| (entry.id, ()));
        Ok(batch::outcomes(
            handles.len(),
            done.collect(),
            &answer.failed,
        ))
    }

    /// All attributes of the queue.
    pub(crate) async fn attributes(&mut self) -> Result<Attributes, Error> {
        let call = self.client.get_queue_attributes().queue_url(&self.url);
        self.calls.count("GetQueueAttributes", 0);
        let answer = call.attribute_names(QueueAttributeName::All).send().await;
        let answer = answer.map_err(|error| self.explain("GetQueueAttributes", &error))?;
        let attributes: HashMap<_, _> = answer.attributes.unwrap_or_default();
        Ok(Attributes::new(attributes))
    }

    /// The client and the queue's URL, for the calls that only one command makes.
    pub(crate) fn reach(&self) -> (&Client, &str) {
        (&self.client, &self.url)
    }

    /// What the failure of a call on this queue means.
    pub(crate) fn explain<E, R>(
        &self,
        action: &'static str,
        error: &aws_sdk_sqs::error::SdkError<E, R>,
    ) -> Error
    where
        E: std::error::Error + aws_sdk_sqs::error::ProvideErrorMetadata + Send + Sync + 'static,
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        let place = Place {
            queue: &self.name,
            region: &self.region,
        };
        explain(action, &place, error)
    }
}

fn text(value: &str) -> Result<MessageAttributeValue, Error> {
    MessageAttributeValue::builder()
        .data_type("String")
        .string_value(value)
        .build()
        .map_err(|error| malformed(&error))
}

/// SQS counts in whole seconds; rounded up, so that nothing becomes visible early.
fn whole_seconds(duration: Duration) -> i32 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

fn malformed(error: &aws_sdk_sqs::error::BuildError) -> Error {
    Error::Failed(error.to_string())
}
