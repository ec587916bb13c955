//! Sending to ActiveMQ.

use async_trait::async_trait;
use shared_model::message::OutboundMessage;
use stomp_client::{Command, CommandError, Frame};

use super::inspect;
use super::link::{Link, explain};
use crate::broker_access::BrokerAccess;
use crate::broker_address::BrokerAddress;
use crate::error::QueueError;
use crate::findings::Findings;
use crate::limits::CallLimits;
use crate::publisher::{Published, Publisher, QueueDepth};

/// The sending half of a queue of ActiveMQ.
#[derive(Debug)]
pub(super) struct StompPublisher {
    link: Link,
    queue: String,
}

impl StompPublisher {
    /// Makes no connection yet.
    pub(super) fn new(address: &BrokerAddress, access: &BrokerAccess) -> Self {
        Self {
            link: Link::new(address, access),
            queue: address.name.clone(),
        }
    }

    fn command(&self, outbound: &OutboundMessage) -> Result<Frame, QueueError> {
        let body = outbound.message.encode();
        let body = body.map_err(|error| QueueError::Unavailable(error.to_string()))?;
        Ok(Frame::new(Command::Send)
            .with("destination", super::destination(&self.queue))
            .with("persistent", "true")
            .with("content-type", "application/json")
            // So that ActiveMQ's own tools show the body as a text.
            .with("amq-msg-type", "text")
            .with("correlation-id", outbound.deduplication_id())
            .body(body))
    }
}

#[async_trait]
impl Publisher for StompPublisher {
    async fn publish(&self, messages: &[OutboundMessage]) -> Result<Published, QueueError> {
        let commands: Result<Vec<_>, _> = messages
            .iter()
            .map(|message| self.command(message))
            .collect();
        let session = self.link.session().await?;
        let answers = session.connection.send_each(commands?).await;
        if let Some(Err(error @ CommandError::Ended(_))) = answers.first() {
            // The answers arrive in the order of the commands: there is none.
            return Err(explain(error));
        }
        let mut published = Published::default();
        for (message, answer) in messages.iter().zip(answers) {
            match answer {
                Ok(()) => published.sent.push(message.into()),
                Err(error) => published.failed.push((message.into(), error.to_string())),
            }
        }
        Ok(published)
    }

    fn limits(&self) -> CallLimits {
        CallLimits::FREE
    }

    async fn inspect(&self) -> Result<Findings, QueueError> {
        inspect::publisher(&self.link, &self.queue).await
    }

    /// Counts what ActiveMQ shows to a browser: messages that were received and not settled too, but no more than the
    /// first page, which has 400 messages by default.
    async fn depth(&self) -> Result<QueueDepth, QueueError> {
        let session = self.link.session().await?;
        let count = async |queue: &str| {
            let counted = session.connection.count(&super::destination(queue)).await;
            counted.map_err(|error| explain(&error))
        };
        let visible = count(&self.queue).await?;
        let dead_letters = count(&super::dead_letters(&self.queue)).await;
        Ok(QueueDepth {
            visible,
            in_flight: None,
            delayed: 0,
            dead_letters: dead_letters.map(Some),
        })
    }
}
