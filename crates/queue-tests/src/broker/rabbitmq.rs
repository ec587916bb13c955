//! A quorum queue of RabbitMQ, with a dead-letter queue.

use anyhow::Context;
use async_trait::async_trait;
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
    QueuePurgeOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};

use super::{Commands, Depth, Place};

/// AMQP's number for messages that survive a restart of the broker.
const PERSISTENT: u8 = 2;

#[derive(Debug)]
pub(super) struct Queue(Place);

/// A channel, and the connection that it needs.
struct Session {
    channel: Channel,
    _connection: Connection,
}

impl Queue {
    pub(super) fn new(place: Place) -> Self {
        Self(place)
    }

    /// Connects as the user of a new installation.
    async fn connect(&self) -> anyhow::Result<Session> {
        let uri = format!("amqp://127.0.0.1:{}/%2f", self.0.port);
        let connection = Connection::connect(&uri, ConnectionProperties::default()).await?;
        Ok(Session {
            channel: connection.create_channel().await?,
            _connection: connection,
        })
    }

    fn dead_letters(&self) -> String {
        format!("{}.dead", self.0.name)
    }
}

impl Session {
    /// Receives a message of a queue and deletes it.
    async fn take(&self, queue: &str) -> anyhow::Result<Option<String>> {
        let options = BasicGetOptions { no_ack: true };
        let taken = self.channel.basic_get(queue.into(), options).await?;
        let body = taken.map(|message| String::from_utf8(message.delivery.data));
        Ok(body.transpose()?)
    }
}

#[async_trait]
impl Commands for Queue {
    async fn send(&self, body: &str) -> anyhow::Result<()> {
        let session = self.connect().await?;
        let channel = &session.channel;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        // A message that no queue takes is returned with its confirmation.
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
        let name = self.0.name.as_str();
        let sending =
            channel.basic_publish("".into(), name.into(), options, body.as_bytes(), properties);
        let confirmation = sending.await?.await?;
        anyhow::ensure!(
            matches!(confirmation, Confirmation::Ack(None)),
            "not stored: {confirmation:?}"
        );
        Ok(())
    }

    async fn delete_one(&self) -> anyhow::Result<()> {
        let taken = self.connect().await?.take(&self.0.name).await?;
        taken.context("the queue is empty").map(drop)
    }

    async fn purge(&self) -> anyhow::Result<()> {
        let session = self.connect().await?;
        let purging = session
            .channel
            .queue_purge(self.0.name.as_str().into(), QueuePurgeOptions::default());
        purging.await?;
        Ok(())
    }

    async fn depth(&self) -> anyhow::Result<Depth> {
        let session = self.connect().await?;
        let options = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        let name = self.0.name.as_str();
        let declaring = session
            .channel
            .queue_declare(name.into(), options, FieldTable::default());
        Ok(Depth {
            waiting: declaring.await?.message_count(),
            in_flight: 0,
        })
    }

    async fn take_dead_letters(&self) -> anyhow::Result<Vec<String>> {
        let session = self.connect().await?;
        let mut bodies = Vec::new();
        while let Some(body) = session.take(&self.dead_letters()).await? {
            bodies.push(body);
        }
        Ok(bodies)
    }
}
