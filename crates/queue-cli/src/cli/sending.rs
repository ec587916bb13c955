//! The options for sending.

use std::num::NonZeroU64;
use std::time::Duration;

use clap::Args;
use sqs_client::limits::MAX_BATCH;

use super::values::{delay, id, rate};
use crate::send::{Groups, Options, Pattern, Source};
use crate::target::Target;

/// The number of messages that the practical's program sends.
const DEFAULT_COUNT: u64 = 100;
/// The value of `--body` that stands for the lines of stdin.
const STDIN: &str = "-";

/// The options for sending.
#[derive(Debug, Args)]
#[command(next_help_heading = "Sending")]
pub(crate) struct Sending {
    /// Put this text before each body
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    prepend: String,
    /// Send N messages [default: 100, or with --body - all lines]
    #[arg(long, value_name = "N", conflicts_with = "receive")]
    count: Option<u64>,
    /// Send at most N messages per second
    #[arg(long, value_name = "N", value_parser = rate, conflicts_with = "receive")]
    rate: Option<f64>,
    /// Send N messages per call (SQS: with `SendMessageBatch`) [default N: 10]
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "10",
        value_parser = clap::value_parser!(u64).range(1..=MAX_BATCH as u64), conflicts_with = "receive")]
    batch: Option<u64>,
    /// Only SQS: the message group of all messages. On a standard queue it identifies a tenant, for fair queues [default on a FIFO
    /// queue: "default"]
    #[arg(long, value_name = "ID", value_parser = id, conflicts_with_all = ["groups", "receive"])]
    group: Option<String>,
    /// Only SQS: use N message groups in turn: group-0, group-1, …
    #[arg(long, value_name = "N", conflicts_with = "receive")]
    groups: Option<NonZeroU64>,
    /// On a FIFO queue: the deduplication id of each message; {number} is replaced by the message's number [default: SQS
    /// derives it from the body]
    #[arg(long, value_name = "ID", value_parser = id, conflicts_with = "receive")]
    dedup_id: Option<String>,
    /// On a standard queue: hide each message for this long after it is sent, at most 15m
    #[arg(long, value_name = "TIME", value_parser = delay, conflicts_with = "receive")]
    delay: Option<Duration>,
    /// The text to send; {number} is replaced by the message's number. With `-`, send each non-empty line of stdin as a
    /// message
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "Message {number}",
        conflicts_with = "receive"
    )]
    body: String,
}

impl Sending {
    /// Returns how to send.
    pub(crate) fn options(&self) -> Options {
        Options {
            batch: self.batch.and_then(|size| usize::try_from(size).ok()),
            rate: self.rate,
        }
    }

    /// Returns the messages to send.
    pub(crate) fn source(&self, client: String, is_fifo: bool) -> Source {
        let pattern = self.pattern(client, is_fifo);
        if self.body == STDIN {
            Source::stdin(pattern, self.count)
        } else {
            let count = self.count.unwrap_or(DEFAULT_COUNT);
            Source::template(pattern, self.body.clone(), count)
        }
    }

    fn pattern(&self, client: String, is_fifo: bool) -> Pattern {
        let groups = match (&self.group, self.groups) {
            (Some(group), _) => Groups::One(group.clone()),
            (None, Some(count)) => Groups::InTurn(count),
            (None, None) => Groups::None,
        };
        Pattern {
            client,
            prepend: self.prepend.clone(),
            groups: groups.or_default(is_fifo),
            dedup_id: self.dedup_id.clone(),
            delay: self.delay,
        }
    }

    /// Returns why the options cannot be used with this queue, or `None` if they can.
    pub(crate) fn incompatibility(&self, target: &Target) -> Option<&'static str> {
        let is_fifo = target.is_fifo();
        if matches!(target, Target::Broker(_)) {
            return self.only_sqs();
        }
        if is_fifo && self.delay.is_some_and(|delay| !delay.is_zero()) {
            return Some(
                "--delay: on a FIFO queue, SQS can delay only all messages (DelaySeconds), not a single one",
            );
        }
        if !is_fifo && self.dedup_id.is_some() {
            return Some(
                "--dedup-id: only a FIFO queue deduplicates, and its name ends with .fifo",
            );
        }
        None
    }

    /// Returns why the options cannot be used with the queue of a broker.
    fn only_sqs(&self) -> Option<&'static str> {
        if self.group.is_some() || self.groups.is_some() {
            return Some("--group and --groups: only SQS has message groups");
        }
        if self.dedup_id.is_some() {
            return Some("--dedup-id: only a FIFO queue of SQS deduplicates");
        }
        if self.delay.is_some() {
            return Some("--delay: only a standard queue of SQS delays single messages");
        }
        None
    }
}
