//! Receiving messages from a queue, deleting and releasing them.

use std::time::{Duration, SystemTime};

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use sqs_client::batch::{self, Outcomes};
use sqs_client::limits::whole_seconds;
use sqs_client::poll::poll;

use super::Queue;
use crate::error::Error;
use crate::message::{self, Received};
use crate::transport::ReceiveRequest;

impl Queue {
    /// Receives messages with all their attributes, in one attempt: a call without an answer may have taken messages.
    pub(crate) async fn receive(
        &mut self,
        request: ReceiveRequest,
    ) -> Result<Vec<Received>, Error> {
        let messages = self.receive_raw(request).await?;
        let now = SystemTime::now();
        Ok(messages
            .into_iter()
            .map(|message| Received::new(message, now))
            .collect())
    }

    /// Like `receive`, but returns the messages in the SDK's form.
    pub(crate) async fn receive_raw(
        &mut self,
        request: ReceiveRequest,
    ) -> Result<Vec<Message>, Error> {
        let call = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(i32::try_from(request.max).unwrap_or(1))
            .set_visibility_timeout(request.visibility.map(whole_seconds))
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All);
        let messages = poll(call, request.wait).await;
        let bytes = messages.iter().flatten().map(message::bytes).sum();
        self.calls.count("ReceiveMessage", bytes);
        let messages = messages.map_err(|error| self.explain("ReceiveMessage", &error))?;
        if messages.is_empty() {
            self.calls.empty_receives += 1;
        }
        Ok(messages)
    }

    /// Deletes at most ten messages in one call.
    pub(crate) async fn delete(&mut self, handles: &[&str]) -> Result<Outcomes<()>, Error> {
        self.calls.count("DeleteMessageBatch", 0);
        let handles = handles.iter().copied();
        let outcomes = batch::delete(&self.client, &self.url, handles).await;
        outcomes.map_err(|error| self.explain("DeleteMessageBatch", &error))
    }

    /// Makes at most ten messages visible again immediately, in one call.
    pub(crate) async fn release(&mut self, handles: &[&str]) -> Result<Outcomes<()>, Error> {
        self.calls.count("ChangeMessageVisibilityBatch", 0);
        let messages = handles.iter().map(|handle| (*handle, Duration::ZERO));
        let outcomes = batch::change_visibility(&self.client, &self.url, messages, None).await;
        outcomes.map_err(|error| self.explain("ChangeMessageVisibilityBatch", &error))
    }
}
