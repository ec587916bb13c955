//! A queue of a local broker, and what a test does with it behind the back of the services.
//!
//! - `redis`, `activemq`, `rabbitmq`, `kafka`: the commands of each broker

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use local_services::brokers::{BrokerKind, LocalBroker};

#[cfg(feature = "kafka")]
use crate::kafka::Kafka;

mod activemq;
#[cfg(feature = "kafka")]
mod kafka;
mod rabbitmq;
mod redis;

/// The number of messages in a queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    /// Messages that no worker has received, or that workers have returned. ActiveMQ and Kafka count all messages here.
    pub waiting: u32,
    /// Messages that a worker has received and not settled. Only Redis tells; for the others it is 0.
    pub in_flight: u32,
}

impl Depth {
    /// All messages.
    pub fn all(self) -> u32 {
        self.waiting + self.in_flight
    }
}

/// The server that a queue is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// A program of this machine.
    Local(BrokerKind),
    /// The Kafka for tests.
    Kafka,
}

/// What the broker does on behalf of a test.
#[async_trait]
trait Commands: fmt::Debug + Send + Sync {
    async fn send(&self, body: &str) -> anyhow::Result<()>;
    async fn delete_one(&self) -> anyhow::Result<()>;
    async fn purge(&self) -> anyhow::Result<()>;
    async fn depth(&self) -> anyhow::Result<Depth>;
    async fn take_dead_letters(&self) -> anyhow::Result<Vec<String>>;
}

/// A queue that no other test uses.
#[derive(Debug, Clone)]
pub struct BrokerQueue {
    server: Server,
    url: String,
    port: u16,
    commands: Arc<dyn Commands>,
}

/// Where a queue is.
#[derive(Debug, Clone)]
struct Place {
    port: u16,
    /// The user and the password, if the broker requires them.
    login: Option<(String, String)>,
    /// The name of the queue.
    name: String,
}

impl BrokerQueue {
    /// Creates a queue on the broker that the tests of this process share. Blocks the thread while the broker starts.
    ///
    /// # Errors
    /// Returns an error if the queue can't be created.
    pub fn create(kind: BrokerKind) -> anyhow::Result<Self> {
        Self::create_on(kind, LocalBroker::shared(kind))
    }

    /// Creates a queue on a broker of this kind. Blocks the thread.
    ///
    /// # Errors
    /// Returns an error if the queue can't be created.
    pub fn create_on(kind: BrokerKind, broker: &LocalBroker) -> anyhow::Result<Self> {
        let name = format!("test-{}", uuid::Uuid::now_v7());
        broker.create_queue(&name)?;
        Ok(Self::named(kind, broker, &name))
    }

    /// Returns a queue, which may not exist.
    pub fn named(kind: BrokerKind, broker: &LocalBroker, name: &str) -> Self {
        let url = broker.url(name, None);
        let place = Place {
            port: broker.port(),
            login: login_of(&url),
            name: name.to_owned(),
        };
        let commands: Arc<dyn Commands> = match kind {
            BrokerKind::Redis => Arc::new(redis::Stream::new(place)),
            BrokerKind::ActiveMq => Arc::new(activemq::Queue::new(place)),
            BrokerKind::RabbitMq => Arc::new(rabbitmq::Queue::new(place)),
        };
        Self {
            server: Server::Local(kind),
            url,
            port: broker.port(),
            commands,
        }
    }

    /// Creates a topic of Kafka.
    ///
    /// # Errors
    /// Returns an error if the topic can't be created.
    #[cfg(feature = "kafka")]
    pub fn create_in(kafka: &Kafka) -> anyhow::Result<Self> {
        let topic = kafka::Topic::create(kafka)?;
        Ok(Self {
            server: Server::Kafka,
            url: kafka.url(topic.name()),
            port: kafka.port()?,
            commands: Arc::new(topic),
        })
    }

    /// Returns the server that the queue is in.
    pub fn server(&self) -> Server {
        self.server
    }

    /// Returns the value of `QUEUE_URL` for this queue.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the value of `QUEUE_URL` through another port of 127.0.0.1, such as a proxy's.
    pub fn url_through(&self, port: u16) -> String {
        let address = |port| format!("127.0.0.1:{port}/");
        self.url.replacen(&address(self.port), &address(port), 1)
    }

    /// Returns the broker's port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Sends a body unchanged.
    ///
    /// # Errors
    /// Returns an error if the broker does not store it.
    pub async fn send(&self, body: &str) -> anyhow::Result<()> {
        self.commands.send(body).await
    }

    /// Deletes a message without doing its job. In Kafka, no worker may have received from the topic yet.
    ///
    /// # Errors
    /// Returns an error if the broker refuses, or if there is no message.
    pub async fn delete_one(&self) -> anyhow::Result<()> {
        self.commands.delete_one().await
    }

    /// Deletes every message. In Kafka, no worker may have received from the topic yet.
    ///
    /// # Errors
    /// Returns an error if the broker refuses.
    pub async fn purge(&self) -> anyhow::Result<()> {
        self.commands.purge().await
    }

    /// Counts the messages.
    ///
    /// # Errors
    /// Returns an error if the broker refuses.
    pub async fn depth(&self) -> anyhow::Result<Depth> {
        self.commands.depth().await
    }

    /// Takes every message out of the dead-letter queue, and returns the bodies.
    ///
    /// # Errors
    /// Returns an error if the broker refuses.
    pub async fn take_dead_letters(&self) -> anyhow::Result<Vec<String>> {
        self.commands.take_dead_letters().await
    }
}

/// Returns the user and the password of a URL.
fn login_of(url: &str) -> Option<(String, String)> {
    let (_scheme, rest) = url.split_once("://")?;
    let (login, _host) = rest.split_once('@')?;
    let (user, password) = login.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}
