//! The options and commands.

mod comparing;
mod examples;
mod operating;
mod receiving;
mod sending;
mod values;

use std::path::PathBuf;

use broker_address::BrokerAccess;
use clap::{Args, Parser, Subcommand};
use sqs_client::QueueAddress;
use sqs_client::limits::MAX_RECEIVE_COUNT;

use crate::compare::VICTIM;
use crate::error::Error;
use crate::target::Target;

pub(crate) use comparing::Compare;
pub(crate) use operating::{Purge, Redrive, Stats, Tail};

use examples::EXAMPLES;
use receiving::Receiving;
use sending::Sending;

/// Sends messages to a queue and receives them, to show how queues of SQS and of other services behave.
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
    pub(crate) files: Files,
    #[command(flatten)]
    pub(crate) demo: Demo,
}

/// The files that every command reads to connect to a broker.
#[derive(Debug, Args)]
pub(crate) struct Files {
    /// A file that contains the password of the user in the URL of a broker, and nothing else. It replaces the password of the
    /// URL
    #[arg(long, env = "QUEUE_PASSWORD_FILE", value_name = "FILE", global = true)]
    password_file: Option<PathBuf>,
    /// A file with the certificates of the authorities that a broker's certificate may come from, in PEM [default: those of
    /// the system]
    #[arg(long, env = "QUEUE_CA_FILE", value_name = "FILE", global = true)]
    ca_file: Option<PathBuf>,
}

impl Cli {
    /// Tells the queues that the arguments name which files to read.
    ///
    /// # Errors
    /// Returns an error if a URL has no user for the password.
    pub(crate) fn share_files(&mut self) -> Result<(), Error> {
        let access = BrokerAccess {
            password_file: self.files.password_file.take(),
            ca_file: self.files.ca_file.take(),
        };
        let targets: Vec<&mut Target> = match &mut self.command {
            Some(Command::Stats(arguments)) => vec![&mut arguments.name],
            Some(Command::Purge(arguments)) => vec![&mut arguments.name],
            Some(Command::Compare(arguments)) => arguments.url.iter_mut().collect(),
            Some(Command::Redrive(_) | Command::Tail(_) | Command::Victim) => Vec::new(),
            None => self.demo.url.iter_mut().collect(),
        };
        targets
            .into_iter()
            .try_for_each(|target| target.set_access(&access))
    }
}

/// The commands for operators.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the number of messages, the settings and the dead-letter queue of a queue
    Stats(Stats),
    /// Delete all messages of a queue
    Purge(Purge),
    /// Move the messages of a dead-letter queue back
    Redrive(Redrive),
    /// Show messages as they arrive, without deleting them
    Tail(Tail),
    /// Send the same messages through several queues, kill a subscriber, and compare what arrives
    Compare(Compare),
    /// The subscriber that `compare` kills
    #[command(name = VICTIM, hide = true)]
    Victim,
}

/// The options that apply if no command is given.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(crate) struct Demo {
    /// The name or URL of a queue of SQS; the name of a FIFO queue ends with .fifo
    #[arg(long, value_name = "NAME", required_unless_present_any = ["url", "create", "delete_queue"])]
    pub(crate) name: Option<QueueAddress>,
    /// A queue of any service, instead of --name: `sqs://NAME`, `redis://HOST/STREAM`, `redis+pubsub://HOST/CHANNEL`,
    /// `amqp://HOST/QUEUE`, `stomp://USER:PASSWORD@HOST/QUEUE`, `kafka://HOST/TOPIC` (if built with `--features kafka`)
    #[arg(long, value_name = "URL", conflicts_with = "name")]
    pub(crate) url: Option<Target>,
    /// The name of this publisher, sent with each message as `client` [default: "Client" and the process id]
    #[arg(long, value_name = "TEXT")]
    pub(crate) client_name: Option<String>,
    /// Send messages (the default)
    #[arg(long, conflicts_with = "receive")]
    pub(crate) send: bool,
    /// Receive messages and delete them, until Ctrl-C
    #[arg(long)]
    pub(crate) receive: bool,
    /// Create the queue and exit. Without --name: the two queues of the CSSE6400 practical, `csse6400_prac` and
    /// `csse6400_prac.fifo`
    #[arg(long, conflicts_with_all = ["send", "receive", "delete_queue"])]
    pub(crate) create: bool,
    /// Delete the queue and exit. Without --name: the two queues of the practical
    #[arg(long, conflicts_with_all = ["send", "receive"])]
    pub(crate) delete_queue: bool,
    /// With --create: also create a dead-letter queue, NAME-dead-letters. A message moves to it after COUNT receives
    #[arg(long, value_name = "COUNT", requires = "create", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_RECEIVE_COUNT)))]
    pub(crate) max_receives: Option<u32>,
    /// Print only JSON lines on stdout
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) sending: Sending,
    #[command(flatten)]
    pub(crate) receiving: Receiving,
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
    fn the_options_of_the_original_are_accepted() {
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
    fn contradictory_options_are_refused() {
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
    fn commands_do_not_need_the_name_option() {
        assert!(parse("stats a --json").is_ok());
        assert!(parse("redrive a --to b").is_ok());
        assert!(parse("--create").is_ok());
    }

    #[test]
    fn an_option_for_the_other_type_of_queue_is_refused() {
        let [standard, fifo, stream] =
            ["a", "a.fifo", "redis://h/a"].map(|text| text.parse().unwrap());
        let refused = |arguments, target: &Target| {
            let demo = parse(arguments).unwrap().demo;
            demo.sending.incompatibility(target).is_some()
        };
        for (arguments, expected) in [
            ("--name a --dedup-id x", [true, false, true]),
            ("--name a --delay 1s", [false, true, true]),
            ("--name a --groups 2", [false, false, true]),
            ("--name a --batch --prepend x", [false; 3]),
        ] {
            let results = [&standard, &fifo, &stream].map(|target| refused(arguments, target));
            assert_eq!(results, expected, "{arguments}");
        }
    }

    #[test]
    fn only_some_services_hide_messages_for_a_time() {
        let cli = parse("--url redis://h/a --receive --visibility 5s").unwrap();
        let refused = |url: &str| cli.demo.receiving.incompatibility(&url.parse().unwrap());
        assert!(refused("redis://h/a").is_none() && refused("a").is_none());
        assert!(refused("redis+pubsub://h/a").is_some() && refused("stomp://h/a").is_some());
    }

    #[test]
    fn a_url_replaces_the_name() {
        for arguments in [
            "--url redis://h/a",
            "--url sqs://a --receive",
            "stats redis://h/a",
            "purge redis://h/a --yes",
        ] {
            assert!(parse(arguments).is_ok(), "{arguments}");
        }
        for arguments in ["--url redis://h", "tail redis://h/a", "redrive redis://h/a"] {
            let kind = parse(arguments).unwrap_err();
            assert_eq!(kind, ErrorKind::ValueValidation, "{arguments}");
        }
    }

    #[test]
    fn a_batch_has_ten_messages_by_default() {
        let size = |arguments| parse(arguments).unwrap().demo.sending.options().batch;
        assert_eq!(size("--name a"), None);
        assert_eq!(size("--name a --batch"), Some(10));
        assert_eq!(size("--name a --batch=3"), Some(3));
    }
}
