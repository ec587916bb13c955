//! The flags.

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use clap::{Parser, Subcommand, value_parser};
use job_queue::QueueUrl;
use shared_model::database::DatabaseUrl;
use shared_model::logging::LogConfig;

/// Each has a pool of connections, and one machine has no use for more.
const MAX_WORKERS: i64 = 64;

/// TaskOverflow on this machine: starts a private PostgreSQL, the API and workers, and stops them at Ctrl-C.
#[derive(Debug, Parser)]
#[command(name = "taskoverflow", version)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) options: Options,
    #[command(subcommand)]
    pub(crate) role: Option<Role>,
}

/// What else this program can be. The launcher starts itself again as the first two.
#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// Runs the API alone, as `taskoverflow-api` does
    Api(Box<api::Config>),
    /// Runs a worker alone, as `taskoverflow-worker` does
    Worker(Box<worker::config::Config>),
    /// Looks for what calendar programs stumble over in a file: exit code 0 for none, 1 for findings, 2 when it can't be read
    Lint {
        /// The calendar
        #[arg(value_name = "FILE.ics")]
        file: PathBuf,
    },
}

impl Role {
    /// Runs to its end: for a process, until it is told to stop.
    pub(crate) fn run(self) -> ExitCode {
        match self {
            Self::Api(config) => api::run_process(*config),
            Self::Worker(config) => worker::run_process(*config),
            Self::Lint { file } => match calendar::lint::report(&file, &mut std::io::stdout()) {
                Ok(0) => ExitCode::SUCCESS,
                Ok(_) => ExitCode::FAILURE,
                Err(error) => {
                    eprintln!("taskoverflow: can't lint {}: {error}", file.display());
                    ExitCode::from(2)
                }
            },
        }
    }
}

/// What the launcher can be told.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// The port of the page and the API, which only this machine reaches [0: any that is free]
    #[arg(long, value_name = "PORT", default_value_t = 6400)]
    pub(crate) port: u16,
    /// How many workers to start
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = value_parser!(u16).range(..=MAX_WORKERS))]
    pub(crate) workers: u16,
    /// Where the private PostgreSQL and the local SQS are kept
    #[arg(long, value_name = "FOLDER", default_value = ".taskoverflow")]
    pub(crate) data_dir: PathBuf,
    /// A database that runs already; no PostgreSQL is started then
    #[arg(long, env, value_name = "URL", hide_env_values = true)]
    pub(crate) database_url: Option<DatabaseUrl>,
    /// What carries the jobs.
    // Not from QUEUE_URL: a worker deletes messages of jobs that its database does not have, and the variable may name
    // the queue of a real deployment.
    #[arg(
        long,
        value_name = "QUEUE",
        default_value_t = QueueChoice::Existing(QueueUrl::Postgres),
        help = "What carries the jobs: postgres: (the database itself), sqs or sqs.fifo (a local SQS is started), \
        or the URL of a queue that exists: sqs://NAME, sqs://NAME.fifo, https://…"
    )]
    pub(crate) queue: QueueChoice,
    /// Adds a dozen sample todos when there are none
    #[arg(long)]
    pub(crate) demo: bool,
    #[command(flatten)]
    pub(crate) log: LogConfig,
}

/// What carries the jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum QueueChoice {
    /// The standard queue of an SQS that is started here.
    LocalStandard,
    /// Its FIFO queue.
    LocalFifo,
    /// A queue that is there already.
    Existing(QueueUrl),
}

impl FromStr for QueueChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "sqs" => Ok(Self::LocalStandard),
            "sqs.fifo" => Ok(Self::LocalFifo),
            url => url
                .parse()
                .map(Self::Existing)
                .map_err(|error| format!("{error}; or sqs or sqs.fifo for a local one")),
        }
    }
}

impl fmt::Display for QueueChoice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LocalStandard => formatter.write_str("sqs"),
            Self::LocalFifo => formatter.write_str("sqs.fifo"),
            Self::Existing(url) => url.fmt(formatter),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_queue_is_local_or_exists() {
        assert_eq!("sqs".parse(), Ok(QueueChoice::LocalStandard));
        assert_eq!("sqs.fifo".parse(), Ok(QueueChoice::LocalFifo));
        let existing = QueueChoice::Existing("sqs://ical".parse().unwrap());
        assert_eq!("sqs://ical".parse(), Ok(existing));
        let error = "redis:".parse::<QueueChoice>().unwrap_err();
        assert!(error.contains("sqs.fifo"), "{error}");
    }
}
