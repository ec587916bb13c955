//! Sending to RabbitMQ: a batch is sent as a whole, and then its confirmations are awaited.

use async_trait::async_trait;
use futures_util::future::join_all;
use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Channel, Confirmation};
use shared_model::message::OutboundMessage;

use super::arguments::DeadLetters;
use super::error;
use super::inspect;
use super::queue::QueueLookup;
use super::session::{Purpose, Session, Sessions};
use crate::broker_access::BrokerAccess;
use crate::broker_address::BrokerAddress;
use crate::error::QueueError;
use crate::findings::Findings;
use crate::limits::CallLimits;
use crate::publisher::{Published, Publisher, QueueDepth};

/// AMQP's number for messages that survive a restart of the server.
const PERSISTENT: u8 = 2;

/// The exchange that routes each message to the queue that its routing key names.
const DEFAULT_EXCHANGE: &str = "";

/// The sending half of a queue of RabbitMQ.
#[derive(Debug)]
pub(super) struct AmqpPublisher {
    sessions: Sessions,
    queue: String,
}

impl AmqpPublisher {
    pub(super) fn new(address: &BrokerAddress, access: &BrokerAccess) -> Self {
        Self {
            sessions: Sessions::new(address, access, Purpose::Publish),
            queue: address.name.clone(),
        }
    }
}

#[async_trait]
impl Publisher for AmqpPublisher {
    async fn publish(&self, messages: &[OutboundMessage]) -> Result<Published, QueueError> {
        let session = self.sessions.get().await?;
        // Messages that are sent now would be kept in memory, and again at each attempt.
        if session.is_blocked() {
            return Err(QueueError::Unavailable(
                "RabbitMQ accepts no messages, because it lacks memory or space on its disk"
                    .to_owned(),
            ));
        }
        let bodies = messages.iter().map(|outbound| outbound.message.encode());
        let bodies = bodies.collect::<Result<Vec<_>, _>>();
        let bodies = bodies.map_err(|error| QueueError::Unavailable(error.to_string()))?;
        let sending = messages.iter().zip(&bodies).map(|(outbound, body)| {
            let id = outbound.deduplication_id();
            send(&session.channel, &self.queue, id, body.as_bytes())
        });
        let outcomes = join_all(sending).await;
        let mut published = Published::default();
        let mut broken = None;
        for (outbound, outcome) in messages.iter().zip(outcomes) {
            match outcome {
                Ok(Sent::Confirmed) => published.sent.push(outbound.into()),
                Ok(Sent::Refused(why)) => published.failed.push((outbound.into(), why)),
                Err(error) => {
                    published.failed.push((outbound.into(), error.to_string()));
                    broken = Some(error);
                }
            }
        }
        match broken {
            Some(error) if published.sent.is_empty() => Err(error),
            _ => Ok(published),
        }
    }

    fn limits(&self) -> CallLimits {
        CallLimits::FREE
    }

    async fn inspect(&self) -> Result<Findings, QueueError> {
        inspect::queue(&self.sessions, &self.queue, None).await
    }

    async fn depth(&self) -> Result<QueueDepth, QueueError> {
        let session = self.sessions.get().await?;
        let visible = QueueLookup::new(&session.connection)
            .length(&self.queue)
            .await?;
        Ok(QueueDepth {
            visible,
            in_flight: None,
            delayed: 0,
            dead_letters: self.count_dead_letters(&session).await,
        })
    }
}

impl AmqpPublisher {
    /// Returns the number of dead letters, or `None` if they go nowhere or to unknown queues.
    async fn count_dead_letters(&self, session: &Session) -> Result<Option<u64>, QueueError> {
        let arguments = session.arguments(&self.queue).await?.known();
        match arguments.map(|arguments| arguments.dead_letters(&self.queue)) {
            Some(DeadLetters::Queue(dead)) if dead != self.queue => {
                let lookup = QueueLookup::new(&session.connection);
                lookup.length(&dead).await.map(Some)
            }
            _ => Ok(None),
        }
    }
}

/// What RabbitMQ answered to one message.
pub(super) enum Sent {
    /// It has stored the message.
    Confirmed,
    /// It has not, for this reason.
    Refused(String),
}

/// Sends a message to a queue and waits for the confirmation.
///
/// # Errors
/// Returns an error if the connection breaks first. The message may have been stored all the same.
pub(super) async fn send(
    channel: &Channel,
    queue: &str,
    id: String,
    body: &[u8],
) -> Result<Sent, QueueError> {
    let options = BasicPublishOptions {
        // A message for a queue that does not exist comes back instead of being dropped.
        mandatory: true,
        ..BasicPublishOptions::default()
    };
    let properties = BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type("application/json".into())
        .with_message_id(id.into());
    let sending = channel.basic_publish(
        DEFAULT_EXCHANGE.into(),
        queue.into(),
        options,
        body,
        properties,
    );
    let confirming = sending.await.map_err(|error| error::explain(&error))?;
    let confirmation = confirming.await.map_err(|error| error::explain(&error))?;
    Ok(match confirmation {
        Confirmation::Ack(None) => Sent::Confirmed,
        Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned)) => Sent::Refused(
            format!("RabbitMQ returned the message: {}", returned.reply_text),
        ),
        Confirmation::Nack(None) => {
            Sent::Refused("RabbitMQ could not store the message".to_owned())
        }
        Confirmation::NotRequested => {
            Sent::Refused("RabbitMQ does not confirm messages".to_owned())
        }
    })
}

#[cfg(test)]
mod tests;
