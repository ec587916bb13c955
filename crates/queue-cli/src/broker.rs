//! Queues of other services than SQS. Each module is a thin layer over the service's client.
//!
//! To add a service, add a [`Kind`] for its scheme, a module with a [`Transport`] and the functions for operators, and an
//! arm to each `match` here.

#[cfg(feature = "amqp")]
mod amqp;
#[cfg(feature = "kafka")]
mod kafka;
mod redis;
mod stomp;
mod url;

use crate::error::Error;
use crate::transport::Transport;

#[cfg(feature = "kafka")]
pub(crate) use kafka::TestBroker;
pub(crate) use url::{BrokerUrl, InvalidBrokerUrl, Kind, has_scheme};

/// What a connection is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Publisher,
    Subscriber,
}

/// How many messages a queue has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Depth {
    pub(crate) visible: u64,
    /// `None` if the service does not tell it.
    pub(crate) in_flight: Option<u64>,
}

impl Kind {
    /// Returns the name of the service.
    pub(crate) fn service(self) -> &'static str {
        match self {
            Self::RedisStream => "Redis Streams",
            Self::RedisPubSub => "Redis Pub/Sub",
            #[cfg(feature = "amqp")]
            Self::RabbitMq => "RabbitMQ",
            Self::ActiveMq => "ActiveMQ",
            #[cfg(feature = "kafka")]
            Self::Kafka => "Kafka",
        }
    }

    /// Whether messages are stored until a subscriber deletes them. Otherwise every subscriber gets each message.
    pub(crate) fn is_stored(self) -> bool {
        self != Self::RedisPubSub
    }

    /// Whether `--visibility` has an effect.
    pub(crate) fn has_visibility(self) -> bool {
        self == Self::RedisStream
    }
}

/// Connects to the queue, which must exist.
pub(crate) async fn open(url: &BrokerUrl, role: Role) -> Result<Box<dyn Transport>, Error> {
    match url.kind {
        Kind::RedisStream => Ok(Box::new(redis::Stream::open(url).await?)),
        Kind::RedisPubSub => Ok(Box::new(redis::PubSub::open(url, role).await?)),
        #[cfg(feature = "amqp")]
        Kind::RabbitMq => Ok(Box::new(amqp::RabbitQueue::open(url, role).await?)),
        Kind::ActiveMq => Ok(Box::new(stomp::StompQueue::open(url, role).await?)),
        #[cfg(feature = "kafka")]
        Kind::Kafka => Ok(Box::new(kafka::KafkaQueue::open(url, role).await?)),
    }
}

/// Creates the queue, unless it exists.
pub(crate) async fn create(url: &BrokerUrl) -> Result<(), Error> {
    match url.kind {
        Kind::RedisStream => redis::create(url).await,
        // a channel exists while somebody listens
        Kind::RedisPubSub => Ok(()),
        #[cfg(feature = "amqp")]
        Kind::RabbitMq => amqp::create(url).await,
        Kind::ActiveMq => stomp::create(url).await,
        #[cfg(feature = "kafka")]
        Kind::Kafka => kafka::create(url).await,
    }
}

/// Deletes the queue with its messages.
pub(crate) async fn delete(url: &BrokerUrl) -> Result<(), Error> {
    match url.kind {
        Kind::RedisStream => redis::delete(url).await,
        Kind::RedisPubSub => Err(nothing_stored()),
        #[cfg(feature = "amqp")]
        Kind::RabbitMq => amqp::delete(url).await,
        Kind::ActiveMq => Err(Error::Setup(
            "STOMP has no command that deletes a queue of ActiveMQ: use its console".to_owned(),
        )),
        #[cfg(feature = "kafka")]
        Kind::Kafka => kafka::delete(url).await,
    }
}

/// Returns how many messages the queue has.
pub(crate) async fn depth(url: &BrokerUrl) -> Result<Depth, Error> {
    match url.kind {
        Kind::RedisStream => redis::depth(url).await,
        Kind::RedisPubSub => Err(nothing_stored()),
        #[cfg(feature = "amqp")]
        Kind::RabbitMq => amqp::depth(url).await,
        Kind::ActiveMq => stomp::depth(url).await,
        #[cfg(feature = "kafka")]
        Kind::Kafka => kafka::depth(url).await,
    }
}

/// Deletes all messages of the queue.
pub(crate) async fn purge(url: &BrokerUrl) -> Result<(), Error> {
    match url.kind {
        Kind::RedisStream => redis::purge(url).await,
        Kind::RedisPubSub => Err(nothing_stored()),
        #[cfg(feature = "amqp")]
        Kind::RabbitMq => amqp::purge(url).await,
        Kind::ActiveMq => stomp::purge(url).await,
        #[cfg(feature = "kafka")]
        Kind::Kafka => kafka::purge(url).await,
    }
}

/// Returns the command that creates the queue.
pub(crate) fn create_command(url: &BrokerUrl) -> String {
    format!("queue --url {url} --create")
}

/// The error for a publisher that is asked to receive, or the reverse.
fn wrong_role(url: &BrokerUrl) -> Error {
    Error::Failed(format!("{url} was opened for the other role"))
}

fn nothing_stored() -> Error {
    Error::Setup(
        "Redis Pub/Sub stores no messages: there is nothing to count or to delete".to_owned(),
    )
}
