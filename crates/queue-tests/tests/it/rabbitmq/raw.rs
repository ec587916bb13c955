//! What the service never does with RabbitMQ: it creates queues of any kind, and sends and reads any text.

use lapin::options::{BasicGetOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};

pub(super) struct Raw {
    channel: Channel,
    _connection: Connection,
}

impl Raw {
    pub(super) async fn connect(port: u16) -> Self {
        let url = format!("amqp://127.0.0.1:{port}/%2f");
        let connection = Connection::connect(&url, ConnectionProperties::default());
        let connection = connection.await.unwrap();
        Self {
            channel: connection.create_channel().await.unwrap(),
            _connection: connection,
        }
    }

    /// Creates a queue with arguments such as `x-max-length=10`.
    pub(super) async fn declare(&self, queue: &str, arguments: &[&str]) {
        let mut table = FieldTable::default();
        for argument in arguments {
            let (name, value) = argument.split_once('=').unwrap();
            let value = match value.parse() {
                Ok(number) => AMQPValue::LongLongInt(number),
                Err(_) => AMQPValue::LongString(value.into()),
            };
            table.insert(name.into(), value);
        }
        let durable = QueueDeclareOptions::durable();
        let declared = self.channel.queue_declare(queue.into(), durable, table);
        declared.await.unwrap();
    }

    pub(super) async fn send(&self, queue: &str, text: &str) {
        let sent = self.channel.basic_publish(
            "".into(),
            queue.into(),
            BasicPublishOptions::default(),
            text.as_bytes(),
            BasicProperties::default(),
        );
        sent.await.unwrap();
    }

    pub(super) async fn get(&self, queue: &str) -> Option<String> {
        let options = BasicGetOptions { no_ack: true };
        let found = self.channel.basic_get(queue.into(), options).await.unwrap();
        found.map(|found| String::from_utf8(found.delivery.data).unwrap())
    }
}
