//! What operators do with a queue.

use lapin::Connection;
use lapin::options::{QueueDeclareOptions, QueueDeleteOptions, QueuePurgeOptions};
use lapin::types::{AMQPValue, FieldTable};

use super::connection::{answered, close, connect};
use crate::broker::{BrokerUrl, Depth};
use crate::error::Error;

/// Creates a quorum queue. A queue that exists is kept unchanged.
pub(in crate::broker) async fn create(url: &BrokerUrl) -> Result<(), Error> {
    let connection = connect(url).await?;
    if count(&connection, url).await.is_err() {
        let mut arguments = FieldTable::default();
        let quorum = AMQPValue::LongString("quorum".into());
        arguments.insert("x-queue-type".into(), quorum);
        let channel = answered("channel.open", url, connection.create_channel()).await?;
        let durable = QueueDeclareOptions::durable();
        let created = channel.queue_declare(url.name().into(), durable, arguments);
        answered("queue.declare", url, created).await?;
    }
    close(&connection, url).await;
    Ok(())
}

/// Deletes the queue with its messages.
pub(in crate::broker) async fn delete(url: &BrokerUrl) -> Result<(), Error> {
    let connection = connect(url).await?;
    // deleting a queue that does not exist is no error in AMQP
    count(&connection, url).await?;
    let channel = answered("channel.open", url, connection.create_channel()).await?;
    let deleted = channel.queue_delete(url.name().into(), QueueDeleteOptions::default());
    answered("queue.delete", url, deleted).await?;
    close(&connection, url).await;
    Ok(())
}

/// Returns how many messages can be received. RabbitMQ does not tell how many are in flight.
pub(in crate::broker) async fn depth(url: &BrokerUrl) -> Result<Depth, Error> {
    let connection = connect(url).await?;
    let visible = count(&connection, url).await?;
    close(&connection, url).await;
    Ok(Depth {
        visible,
        in_flight: None,
    })
}

/// Deletes all messages that are not in flight.
pub(in crate::broker) async fn purge(url: &BrokerUrl) -> Result<(), Error> {
    let connection = connect(url).await?;
    let channel = answered("channel.open", url, connection.create_channel()).await?;
    let purged = channel.queue_purge(url.name().into(), QueuePurgeOptions::default());
    answered("queue.purge", url, purged).await?;
    close(&connection, url).await;
    Ok(())
}

/// Returns how many messages can be received, on a channel of its own: an error closes the channel.
pub(super) async fn count(connection: &Connection, url: &BrokerUrl) -> Result<u64, Error> {
    let channel = answered("channel.open", url, connection.create_channel()).await?;
    let passive = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    let found = channel.queue_declare(url.name().into(), passive, FieldTable::default());
    let found = answered("queue.declare", url, found).await?;
    Ok(u64::from(found.message_count()))
}
