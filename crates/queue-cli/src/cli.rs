//! The flags.

mod examples;
mod values;

use std::num::NonZeroU64;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::batch::MAX_ENTRIES;
use crate::name::QueueName;
use crate::outgoing::{Groups, Pattern};
use crate::{receive, send};

use examples::EXAMPLES;
use values::{delay, id, rate, time, visibility, wait};

const MAX_RECEIVE_COUNT: i64 = 1000;
/// The practical's number of messages.
const DEFAULT_COUNT: u64 = 100;
/// `--body -`.
const STDIN: &str = "-";

/// Sends messages to an SQS queue and receives them, to see what standard and FIFO queues do.
#[derive(Debug, Parser)]
#[command(
    name = "queue",
    version,
    arg_required_else_help = true,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = EXAMPLES
)]
pub struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) demo: Demo,
}

/// What operators do with a queue.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Shows depth, messages in flight, age and the dead-letter queue
    Stats(Stats),
    /// Deletes all messages of a queue
    Purge(Purge),
    /// Moves the messages of a dead-letter queue back
    Redrive(Redrive),
    /// Shows messages as they come, without deleting them
    Tail(Tail),
}

/// The flags without a command.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(crate) struct Demo {
    /// The queue: its name or its URL; a FIFO queue's ends in .fifo
    #[arg(long, value_name = "NAME", required_unless_present_any = ["create", "delete_queue"])]
    pub(crate) name: Option<QueueName>,
    /// The name that messages are sent under, as their attribute `client` [default: Client and the process id]
    #[arg(long, value_name = "TEXT")]
    pub(crate) client_name: Option<String>,
    /// Send messages (the default)
    #[arg(long, conflicts_with = "receive")]
    pub(crate) send: bool,
    /// Receive messages until Ctrl-C, and delete them
    #[arg(long)]
    pub(crate) receive: bool,
    /// Create the queue, or the practical's two (`csse6400_prac` and `csse6400_prac.fifo`), and end
    #[arg(long, conflicts_with_all = ["send", "receive", "delete_queue"])]
    pub(crate) create: bool,
    /// Delete the queue, or the practical's two, and end
    #[arg(long, conflicts_with_all = ["send", "receive"])]
    pub(crate) delete_queue: bool,
    /// With --create: give up a message after so many receives; a queue NAME-dead-letters is made for it
    #[arg(long, value_name = "COUNT", requires = "create", value_parser = clap::value_parser!(u32).range(1..=MAX_RECEIVE_COUNT))]
    pub(crate) max_receives: Option<u32>,
    /// Print JSON lines on stdout and nothing else
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) sending: Sending,
    #[command(flatten)]
    pub(crate) receiving: Receiving,
}

/// Of sending.
#[derive(Debug, Args)]
#[command(next_help_heading = "Sending")]
pub(crate) struct Sending {
    /// Put this before each body, as it is
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    prepend: String,
    /// How many messages [default: 100, or all lines of --body -]
    #[arg(long, value_name = "N", conflicts_with = "receive")]
    count: Option<u64>,
    /// At most so many messages a second
    #[arg(long, value_name = "N", value_parser = rate, conflicts_with = "receive")]
    rate: Option<f64>,
    /// Send with `SendMessageBatch`, N messages a call [default: 10]
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "10",
        value_parser = clap::value_parser!(u64).range(1..=MAX_ENTRIES as u64), conflicts_with = "receive")]
    batch: Option<u64>,
    /// The message group; on a standard queue it marks a tenant (fair queues) [default on .fifo: default]
    #[arg(long, value_name = "ID", value_parser = id, conflicts_with_all = ["groups", "receive"])]
    group: Option<String>,
    /// Use N message groups in turn: group-0, group-1, …
    #[arg(long, value_name = "N", conflicts_with = "receive")]
    groups: Option<NonZeroU64>,
    /// The deduplication id of .fifo; {number} becomes the message's number [default: made by SQS from the body]
    #[arg(long, value_name = "ID", value_parser = id, conflicts_with = "receive")]
    dedup_id: Option<String>,
    /// Hide each message at first, up to 15m; not on .fifo
    #[arg(long, value_name = "TIME", value_parser = delay, conflicts_with = "receive")]
    delay: Option<Duration>,
    /// The text to send; {number} becomes the message's number. `-`: a message for each line of stdin that is not empty
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "Message {number}",
        conflicts_with = "receive"
    )]
    body: String,
}

/// Of receiving.
#[derive(Debug, Args)]
#[command(next_help_heading = "Receiving (with --receive)")]
pub(crate) struct Receiving {
    /// End after so many messages
    #[arg(long, value_name = "N", requires = "receive")]
    max: Option<u64>,
    /// End when nothing came for so long
    #[arg(long, value_name = "TIME", value_parser = time, requires = "receive")]
    idle_exit: Option<Duration>,
    /// How long each call waits for messages, up to 20s: longer costs less; Ctrl-C waits for it [default: 1s]
    #[arg(long, value_name = "TIME", value_parser = wait, requires = "receive")]
    wait: Option<Duration>,
    /// Leave messages in the queue: they come again when their visibility timeout ends
    #[arg(long, requires = "receive")]
    no_delete: bool,
    /// How long a received message is hidden from others, up to 12h [default: what the queue says]
    #[arg(long, value_name = "TIME", value_parser = visibility, requires = "receive")]
    visibility: Option<Duration>,
    /// Show each message's attributes too
    #[arg(long, requires = "receive")]
    peek: bool,
    /// At the end, plot when messages were received against when they were sent
    #[arg(long, requires = "receive", conflicts_with = "json")]
    plot: bool,
}

/// Of `stats`.
#[derive(Debug, Args)]
pub(crate) struct Stats {
    /// The queue: its name or its URL
    #[arg(value_name = "NAME")]
    pub(crate) name: QueueName,
    /// Look for the oldest message: receives up to ten and gives them back. Each look counts as a receive
    #[arg(long)]
    pub(crate) age: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Of `purge`.
#[derive(Debug, Args)]
pub(crate) struct Purge {
    /// The queue: its name or its URL
    #[arg(value_name = "NAME")]
    pub(crate) name: QueueName,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    /// Print JSON
    #[arg(long, requires = "yes")]
    pub(crate) json: bool,
}

/// Of `redrive`.
#[derive(Debug, Args)]
pub(crate) struct Redrive {
    /// A queue that has a dead-letter queue, or the dead-letter queue itself
    #[arg(value_name = "NAME")]
    pub(crate) name: QueueName,
    /// Move to this queue, not to where the messages came from
    #[arg(long, value_name = "NAME")]
    pub(crate) to: Option<QueueName>,
    /// At most so many messages a second
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=500))]
    pub(crate) rate: Option<u32>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Of `tail`.
#[derive(Debug, Args)]
pub(crate) struct Tail {
    /// The queue: its name or its URL
    #[arg(value_name = "NAME")]
    pub(crate) name: QueueName,
    /// How long what was shown is hidden from others; at the end it is given back at once
    #[arg(long, value_name = "TIME", value_parser = visibility, default_value = "30s")]
    visibility: Duration,
    /// End after so many messages
    #[arg(long, value_name = "N")]
    max: Option<u64>,
    /// End when nothing came for so long
    #[arg(long, value_name = "TIME", value_parser = time)]
    idle_exit: Option<Duration>,
    /// Show each message's attributes too
    #[arg(long)]
    peek: bool,
    /// Print JSON lines on stdout and nothing else
    #[arg(long)]
    pub(crate) json: bool,
}

/// The practical's receives wait so long.
const DEFAULT_WAIT: Duration = Duration::from_secs(1);

impl Sending {
    pub(crate) fn options(&self) -> send::Options {
        send::Options {
            batch: self.batch.and_then(|size| usize::try_from(size).ok()),
            rate: self.rate,
        }
    }

    pub(crate) fn pattern(&self, client: String, is_fifo: bool) -> Pattern {
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

    /// The text of each message and how many; `None` for the lines of stdin.
    pub(crate) fn template(&self) -> Option<(String, u64)> {
        (self.body != STDIN).then(|| (self.body.clone(), self.count.unwrap_or(DEFAULT_COUNT)))
    }

    /// At most so many lines.
    pub(crate) fn lines(&self) -> Option<u64> {
        self.count
    }

    /// What does not go with this kind of queue.
    pub(crate) fn misfit(&self, is_fifo: bool) -> Option<&'static str> {
        if is_fifo && self.delay.is_some_and(|delay| !delay.is_zero()) {
            return Some("--delay: a FIFO queue delays no single message, only all (DelaySeconds)");
        }
        if !is_fifo && self.dedup_id.is_some() {
            return Some("--dedup-id: only a FIFO queue deduplicates; its name ends in .fifo");
        }
        None
    }
}

impl Receiving {
    pub(crate) fn options(&self) -> receive::Options {
        receive::Options {
            max: self.max,
            idle_exit: self.idle_exit,
            wait: self.wait.unwrap_or(DEFAULT_WAIT),
            visibility: self.visibility,
            then: if self.no_delete {
                receive::Then::Leave
            } else {
                receive::Then::Delete
            },
            peek: self.peek,
            plot: self.plot,
        }
    }
}

impl Tail {
    pub(crate) fn options(&self) -> receive::Options {
        receive::Options {
            max: self.max,
            idle_exit: self.idle_exit,
            wait: DEFAULT_WAIT,
            visibility: Some(self.visibility),
            then: receive::Then::LeaveAndShowOnce,
            peek: self.peek,
            plot: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    fn parse(arguments: &str) -> Result<Cli, ErrorKind> {
        let arguments = std::iter::once("queue").chain(arguments.split(' '));
        Cli::try_parse_from(arguments).map_err(|error| error.kind())
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_originals_options_are_taken() {
        for arguments in [
            "--name csse6400_prac --client-name hello",
            "--name csse6400_prac --client-name hello --send",
            "--name csse6400_prac --client-name hello --receive",
            "--name csse6400_prac.fifo --client-name hello --prepend x",
            "--name csse6400_prac.fifo --client-name hello --prepend x --receive",
        ] {
            assert!(parse(arguments).is_ok(), "{arguments}");
        }
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for (arguments, kind) in [
            ("--client-name hello", ErrorKind::MissingRequiredArgument),
            ("--name a.b", ErrorKind::ValueValidation),
            ("--name a --send --receive", ErrorKind::ArgumentConflict),
            ("--name a --receive --count 3", ErrorKind::ArgumentConflict),
            ("--name a --no-delete", ErrorKind::MissingRequiredArgument),
            ("--name a --delay 16m", ErrorKind::ValueValidation),
            ("--name a --batch=11", ErrorKind::ValueValidation),
            ("--name a --rate 0", ErrorKind::ValueValidation),
            (
                "--name a --receive --visibility 13h",
                ErrorKind::ValueValidation,
            ),
            (
                "--name a --receive --plot --json",
                ErrorKind::ArgumentConflict,
            ),
            ("--name a stats b", ErrorKind::ArgumentConflict),
            ("purge a --json", ErrorKind::MissingRequiredArgument),
        ] {
            assert_eq!(parse(arguments).unwrap_err(), kind, "{arguments}");
        }
    }

    #[test]
    fn commands_need_no_name_option() {
        assert!(parse("stats a --json").is_ok());
        assert!(parse("redrive a --to b").is_ok());
        assert!(parse("--create").is_ok());
    }

    #[test]
    fn a_flag_of_the_other_kind_of_queue_is_told() {
        let cli = parse("--name a --dedup-id x").unwrap();
        assert!(cli.demo.sending.misfit(false).is_some());
        assert!(cli.demo.sending.misfit(true).is_none());
        let cli = parse("--name a --delay 1s").unwrap();
        assert!(cli.demo.sending.misfit(true).is_some());
    }

    #[test]
    fn a_batch_is_of_ten_unless_told() {
        let size = |arguments| parse(arguments).unwrap().demo.sending.options().batch;
        assert_eq!(size("--name a"), None);
        assert_eq!(size("--name a --batch"), Some(10));
        assert_eq!(size("--name a --batch=3"), Some(3));
    }
}
