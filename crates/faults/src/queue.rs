//! The queue of a run, reached without passing through a fault proxy.

use std::borrow::Cow;

use local_services::brokers::BrokerKind;
#[cfg(feature = "kafka")]
use queue_tests::kafka::Kafka;
use queue_tests::{BrokerQueue, Server};

mod sqs;

pub use queue_tests::Depth;
pub use sqs::SqsQueue;

/// How many times SQS delivers a message before it moves it to the dead-letter queue: well above the attempts of a job.
const MAX_RECEIVE_COUNT: u32 = 20;

/// The kind of queue that a run uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum QueueKind {
    /// The table of the jobs in PostgreSQL.
    #[value(name = "postgres:")]
    Postgres,
    /// An SQS standard queue.
    Sqs,
    /// An SQS FIFO queue.
    SqsFifo,
    /// A stream of Redis.
    Redis,
    /// A queue of ActiveMQ.
    #[value(name = "activemq")]
    ActiveMq,
    /// A quorum queue of RabbitMQ.
    #[value(name = "rabbitmq")]
    RabbitMq,
    /// A topic of Kafka. Not for soaks: the server for tests ends if a connection breaks while its worker joins the group.
    #[cfg(feature = "kafka")]
    #[value(skip)]
    Kafka,
}

/// A queue that no other run uses.
#[derive(Debug, Clone)]
pub enum Queue {
    /// The table of the jobs in PostgreSQL.
    Postgres,
    /// A queue of the local SQS.
    Sqs(SqsQueue),
    /// A queue of a local broker.
    Broker(BrokerQueue),
}

impl Queue {
    /// Creates a queue. Blocks while the local SQS or the broker starts.
    ///
    /// # Errors
    /// Returns an error if the queue cannot be created.
    pub fn create(kind: QueueKind) -> anyhow::Result<Self> {
        Self::create_with(kind, MAX_RECEIVE_COUNT)
    }

    /// Creates a queue. If it is an SQS queue, its messages move to its dead-letter queue after `max_receive_count`
    /// receives.
    ///
    /// # Errors
    /// Returns an error if the queue cannot be created.
    pub fn create_with(kind: QueueKind, max_receive_count: u32) -> anyhow::Result<Self> {
        let broker = |kind| anyhow::Ok(Self::Broker(BrokerQueue::create(kind)?));
        match kind {
            QueueKind::Postgres => Ok(Self::Postgres),
            QueueKind::Sqs => Ok(Self::Sqs(SqsQueue::create("", max_receive_count)?)),
            QueueKind::SqsFifo => Ok(Self::Sqs(SqsQueue::create(".fifo", max_receive_count)?)),
            QueueKind::Redis => broker(BrokerKind::Redis),
            QueueKind::ActiveMq => broker(BrokerKind::ActiveMq),
            QueueKind::RabbitMq => broker(BrokerKind::RabbitMq),
            #[cfg(feature = "kafka")]
            QueueKind::Kafka => Ok(Self::Broker(BrokerQueue::create_in(Kafka::shared())?)),
        }
    }

    /// Returns the value of `QUEUE_URL` for this queue.
    pub fn url(&self) -> &str {
        match self {
            Self::Postgres => "postgres:",
            Self::Sqs(queue) => &queue.url,
            Self::Broker(queue) => queue.url(),
        }
    }

    /// Returns the value of `QUEUE_URL` for a process that reaches a broker through a proxy on this port of 127.0.0.1.
    pub(crate) fn url_through(&self, port: Option<u16>) -> Cow<'_, str> {
        match (self, port) {
            (Self::Broker(queue), Some(port)) => queue.url_through(port).into(),
            _ => self.url().into(),
        }
    }

    /// Returns the SQS queue.
    ///
    /// # Errors
    /// Returns an error if the run uses another queue.
    pub fn sqs(&self) -> anyhow::Result<&SqsQueue> {
        match self {
            Self::Sqs(queue) => Ok(queue),
            Self::Postgres | Self::Broker(_) => anyhow::bail!("this run has no SQS queue"),
        }
    }

    /// Sends a body unchanged.
    ///
    /// # Errors
    /// Returns an error if the queue refuses, or if it is the table of the jobs.
    pub async fn send(&self, body: &str) -> anyhow::Result<()> {
        match self {
            Self::Postgres => no_messages(),
            Self::Sqs(queue) => queue.send(body).await,
            Self::Broker(queue) => queue.send(body).await,
        }
    }

    /// Deletes a message without doing its job.
    ///
    /// # Errors
    /// Returns an error if the queue refuses or is empty, or if it is the table of the jobs.
    pub async fn delete_one(&self) -> anyhow::Result<()> {
        match self {
            Self::Postgres => no_messages(),
            Self::Sqs(queue) => queue.delete_one().await,
            Self::Broker(queue) => queue.delete_one().await,
        }
    }

    /// Deletes every message; with ActiveMQ and RabbitMQ, every one that no worker has received.
    ///
    /// # Errors
    /// Returns an error if the queue refuses, or if it is the table of the jobs.
    pub async fn purge(&self) -> anyhow::Result<()> {
        match self {
            Self::Postgres => no_messages(),
            Self::Sqs(queue) => queue.purge().await,
            Self::Broker(queue) => queue.purge().await,
        }
    }

    /// Counts the messages. The table of the jobs has none.
    ///
    /// # Errors
    /// Returns an error if the queue refuses.
    pub async fn depth(&self) -> anyhow::Result<Depth> {
        match self {
            Self::Postgres => Ok(Depth::default()),
            Self::Sqs(queue) => queue.depth().await,
            Self::Broker(queue) => queue.depth().await,
        }
    }

    /// Returns whether [`depth`](Self::depth) includes what workers hold. RabbitMQ's does not, so a queue that seems empty
    /// gets back from a worker that stops what was pushed to it and it has not begun.
    pub fn counts_what_is_held(&self) -> bool {
        !matches!(self, Self::Broker(queue) if queue.server() == Server::Local(BrokerKind::RabbitMq))
    }

    /// Receives every message from the dead-letter queue and returns the bodies.
    ///
    /// # Errors
    /// Returns an error if the queue refuses.
    pub async fn take_dead_letters(&self) -> anyhow::Result<Vec<String>> {
        match self {
            Self::Postgres => Ok(Vec::new()),
            Self::Sqs(queue) => queue.take_dead_letters().await,
            Self::Broker(queue) => queue.take_dead_letters().await,
        }
    }
}

fn no_messages() -> anyhow::Result<()> {
    anyhow::bail!("the table of the jobs has no messages")
}
