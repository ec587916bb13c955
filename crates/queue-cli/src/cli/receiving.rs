//! The options for receiving.

use std::time::Duration;

use clap::Args;

use super::values::{time, visibility, wait};
use crate::receive::{AfterReceive, Options};
use crate::target::Target;

/// How long a receive waits in the practical's program.
pub(super) const DEFAULT_WAIT: Duration = Duration::from_secs(1);

/// The options for receiving.
#[derive(Debug, Args)]
#[command(next_help_heading = "Receiving (with --receive)")]
pub(crate) struct Receiving {
    /// Exit after N messages
    #[arg(long, value_name = "N", requires = "receive")]
    max: Option<u64>,
    /// Exit when no message has arrived for this long
    #[arg(long, value_name = "TIME", value_parser = time, requires = "receive")]
    idle_exit: Option<Duration>,
    /// How long each call waits for messages, at most 20s. Longer waits cost less, but Ctrl-C takes effect only after the
    /// open call ends [default: 1s]
    #[arg(long, value_name = "TIME", value_parser = wait, requires = "receive")]
    wait: Option<Duration>,
    /// Do not delete messages: they are delivered again when their visibility timeout ends
    #[arg(long, requires = "receive")]
    no_delete: bool,
    /// SQS and Redis Streams: how long a received message is hidden from other subscribers, at most 12h [default: the
    /// visibility timeout of the queue of SQS; 30s with Redis]
    #[arg(long, value_name = "TIME", value_parser = visibility, requires = "receive")]
    visibility: Option<Duration>,
    /// Also show the attributes of each message
    #[arg(long, requires = "receive")]
    peek: bool,
    /// On exit, plot the order of arrival against the order of sending
    #[arg(long, requires = "receive", conflicts_with = "json")]
    plot: bool,
}

impl Receiving {
    /// Returns why the options cannot be used with this queue, or `None` if they can.
    pub(crate) fn incompatibility(&self, target: &Target) -> Option<&'static str> {
        let has_visibility = match target {
            Target::Sqs(_) => true,
            Target::Broker(url) => url.kind.has_visibility(),
        };
        (self.visibility.is_some() && !has_visibility).then_some(
            "--visibility: only SQS and Redis Streams hide messages for a time; RabbitMQ and ActiveMQ until the \
             connection of the subscriber ends, Kafka until the subscriber leaves the group, and Redis Pub/Sub forgets a message as soon as it has delivered it",
        )
    }

    /// Returns how to receive.
    pub(crate) fn options(&self) -> Options {
        Options {
            max: self.max,
            idle_exit: self.idle_exit,
            wait: self.wait.unwrap_or(DEFAULT_WAIT),
            visibility: self.visibility,
            after_receive: if self.no_delete {
                AfterReceive::Leave
            } else {
                AfterReceive::Delete
            },
            peek: self.peek,
            plot: self.plot,
        }
    }
}
