//! Looks up a queue, on channels of its own: a question that RabbitMQ answers with an error closes its channel.

use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use lapin::{Channel, Connection};

use super::arguments::{Arguments, Difference};
use super::creation::create_command;
use super::error;
use crate::error::QueueError;

/// How many arguments a queue may have. RabbitMQ 4 knows fewer.
const MAX_ARGUMENTS: usize = 16;

/// Asks about queues.
#[derive(Debug)]
pub(super) struct QueueLookup<'a> {
    connection: &'a Connection,
}

/// What the arguments of a queue are.
#[derive(Debug, PartialEq)]
pub(super) enum Looked {
    /// These.
    Arguments(Arguments),
    /// It is no quorum queue. RabbitMQ's words.
    NotQuorum(String),
    /// They can't be found out, for this reason.
    Unknown(String),
}

impl Looked {
    /// Returns the arguments, if they are known.
    pub(super) fn known(&self) -> Option<&Arguments> {
        match self {
            Self::Arguments(arguments) => Some(arguments),
            Self::NotQuorum(_) | Self::Unknown(_) => None,
        }
    }
}

impl<'a> QueueLookup<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        Self { connection }
    }

    /// Returns how many messages of a queue can be received now.
    ///
    /// # Errors
    /// Returns an error if the queue does not exist, or RabbitMQ does not answer.
    pub(super) async fn length(&self, queue: &str) -> Result<u64, QueueError> {
        let passive = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        let found = self.declare(queue, passive, FieldTable::default()).await;
        found.map_err(|error| match error::answer(&error) {
            Some(answer) if error::is_missing(answer) => QueueError::Refused(format!(
                "RabbitMQ has no queue {queue}; create it: {}",
                create_command(self.connection.status().vhost().as_str(), queue)
            )),
            _ => error::explain(&error),
        })
    }

    /// Returns the arguments of a queue that exists.
    ///
    /// # Errors
    /// Returns an error if RabbitMQ does not answer.
    pub(super) async fn arguments(&self, queue: &str) -> Result<Looked, QueueError> {
        // Without this, the declarations below could create a queue.
        self.length(queue).await?;
        let mut known = Arguments::of_quorum_queue();
        for _ in 0..MAX_ARGUMENTS {
            let durable = QueueDeclareOptions::durable();
            let Err(error) = self.declare(queue, durable, known.table()).await else {
                return Ok(Looked::Arguments(known));
            };
            let Some(answer) = error::answer(&error) else {
                return Err(error::explain(&error));
            };
            let text = error::text(answer);
            if error::is_forbidden(answer) {
                return Ok(Looked::Unknown(text));
            }
            let Some(difference) = Difference::parse(&text) else {
                return Ok(Looked::Unknown(text));
            };
            if difference.is_of_the_type() {
                return Ok(Looked::NotQuorum(text));
            }
            if !known.learn(difference) {
                return Ok(Looked::Unknown(text));
            }
        }
        Ok(Looked::Unknown("it has too many arguments".to_owned()))
    }

    /// Declares a queue on a channel of its own, and returns how many messages can be received from it.
    async fn declare(
        &self,
        queue: &str,
        options: QueueDeclareOptions,
        arguments: FieldTable,
    ) -> Result<u64, lapin::Error> {
        let channel: Channel = self.connection.create_channel().await?;
        let found = channel
            .queue_declare(queue.into(), options, arguments)
            .await?;
        Ok(u64::from(found.message_count()))
    }
}
