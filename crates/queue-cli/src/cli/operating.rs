//! The arguments of the commands for operators.

use std::time::Duration;

use clap::Args;
use sqs_client::QueueAddress;
use sqs_client::limits::MAX_REDRIVE_RATE;

use super::receiving::DEFAULT_WAIT;
use super::values::{time, visibility};
use crate::receive::{AfterReceive, Options};
use crate::target::{Target, only_sqs};

/// The arguments of `stats`.
#[derive(Debug, Args)]
pub(crate) struct Stats {
    /// The name of a queue of SQS, or the URL of a queue of any service
    #[arg(value_name = "NAME")]
    pub(crate) name: Target,
    /// Only SQS: also show the age of the oldest message. This receives and releases up to ten messages, and so raises their receive
    /// counts
    #[arg(long)]
    pub(crate) age: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// The arguments of `purge`.
#[derive(Debug, Args)]
pub(crate) struct Purge {
    /// The name of a queue of SQS, or the URL of a queue of any service
    #[arg(value_name = "NAME")]
    pub(crate) name: Target,
    /// Do not ask for confirmation
    #[arg(long)]
    pub(crate) yes: bool,
    /// Print JSON
    #[arg(long, requires = "yes")]
    pub(crate) json: bool,
}

/// The arguments of `redrive`.
#[derive(Debug, Args)]
pub(crate) struct Redrive {
    /// A queue that has a dead-letter queue, or the dead-letter queue itself
    #[arg(value_name = "NAME", value_parser = only_sqs)]
    pub(crate) name: QueueAddress,
    /// Move the messages to this queue instead of the queue that they came from
    #[arg(long, value_name = "NAME", value_parser = only_sqs)]
    pub(crate) to: Option<QueueAddress>,
    /// Move at most N messages per second
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_REDRIVE_RATE)))]
    pub(crate) rate: Option<u32>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// The arguments of `tail`.
#[derive(Debug, Args)]
pub(crate) struct Tail {
    /// The name or URL of the queue
    #[arg(value_name = "NAME", value_parser = only_sqs)]
    pub(crate) name: QueueAddress,
    /// How long each shown message stays hidden from other subscribers. On exit, all messages are released immediately
    #[arg(long, value_name = "TIME", value_parser = visibility, default_value = "30s")]
    visibility: Duration,
    /// Exit after N messages
    #[arg(long, value_name = "N")]
    max: Option<u64>,
    /// Exit when no message has arrived for this long
    #[arg(long, value_name = "TIME", value_parser = time)]
    idle_exit: Option<Duration>,
    /// Also show the attributes of each message
    #[arg(long)]
    peek: bool,
    /// Print only JSON lines on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

impl Tail {
    /// Returns how to receive.
    pub(crate) fn options(&self) -> Options {
        Options {
            max: self.max,
            idle_exit: self.idle_exit,
            wait: DEFAULT_WAIT,
            visibility: Some(self.visibility),
            after_receive: AfterReceive::LeaveAndShowOnce,
            peek: self.peek,
            plot: false,
        }
    }
}
