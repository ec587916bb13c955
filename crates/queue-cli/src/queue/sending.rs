//! Sending messages to a queue.

use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::types::builders::SendMessageBatchRequestEntryBuilder;
use aws_sdk_sqs::types::{
    Message, MessageAttributeValue, MessageSystemAttributeName, SendMessageBatchRequestEntry,
};
use sqs_client::batch::{self, Outcomes};
use sqs_client::limits::whole_seconds;

use super::Queue;
use crate::error::Error;
use crate::message::{self, CLIENT_ATTRIBUTE, Outgoing, STRING};
use crate::transport::Sent;

impl Queue {
    /// Sends one message.
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

    /// Sends at most ten messages in one call.
    pub(crate) async fn send_batch(
        &mut self,
        messages: &[Outgoing],
    ) -> Result<Outcomes<Sent>, Error> {
        let entry = |message: &Outgoing| {
            let entry = SendMessageBatchRequestEntry::builder()
                .message_body(&message.body)
                .message_attributes(CLIENT_ATTRIBUTE, text(&message.client)?)
                .set_message_group_id(message.group.clone())
                .set_message_deduplication_id(message.dedup_id.clone())
                .set_delay_seconds(message.delay.map(whole_seconds));
            Ok(entry)
        };
        let entries: Result<Vec<_>, Error> = messages.iter().map(entry).collect();
        let bytes = messages.iter().map(Outgoing::bytes).sum();
        self.send_entries(entries?, bytes).await
    }

    /// Sends at most ten messages of another queue in one call. Each keeps its message group. Its message id becomes its
    /// deduplication id.
    pub(crate) async fn send_moved(
        &mut self,
        messages: &[Message],
    ) -> Result<Outcomes<Sent>, Error> {
        let entry = |message: &Message| {
            let attributes = message.attributes.as_ref();
            let group = attributes
                .and_then(|attributes| attributes.get(&MessageSystemAttributeName::MessageGroupId));
            let dedup_id = message.message_id.clone().filter(|_| self.is_fifo);
            SendMessageBatchRequestEntry::builder()
                .message_body(message.body.as_deref().unwrap_or_default())
                .set_message_attributes(message.message_attributes.clone())
                .set_message_group_id(group.cloned())
                .set_message_deduplication_id(dedup_id)
        };
        let entries = messages.iter().map(entry).collect();
        let bytes = messages.iter().map(message::bytes).sum();
        self.send_entries(entries, bytes).await
    }

    async fn send_entries(
        &mut self,
        entries: Vec<SendMessageBatchRequestEntryBuilder>,
        bytes: usize,
    ) -> Result<Outcomes<Sent>, Error> {
        self.calls.count("SendMessageBatch", bytes);
        let outcomes = batch::send(&self.client, &self.url, entries).await;
        let outcomes = outcomes.map_err(|error| self.explain("SendMessageBatch", &error))?;
        let sent = outcomes.into_iter().map(|outcome| {
            outcome.map(|entry| Sent {
                id: entry.message_id,
                sequence_number: entry.sequence_number,
            })
        });
        Ok(sent.collect())
    }
}

fn text(value: &str) -> Result<MessageAttributeValue, Error> {
    MessageAttributeValue::builder()
        .data_type(STRING)
        .string_value(value)
        .build()
        .map_err(|error: BuildError| Error::Failed(error.to_string()))
}
