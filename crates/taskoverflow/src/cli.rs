//! The flags and the subcommands.

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use clap::{Parser, Subcommand, value_parser};
use job_queue::QueueUrl;
use local_services::brokers::BrokerKind;
use shared_model::database::DatabaseUrl;
use shared_model::logging::LogConfig;

/// Each worker has its own pool of connections, and one machine has no use for more workers.
const MAX_WORKERS: i64 = 64;

/// Run TaskOverflow on this machine: start a private PostgreSQL, the API and workers, and stop them on Ctrl-C
#[derive(Debug, Parser)]
#[command(name = "taskoverflow", version)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) options: Options,
    #[command(subcommand)]
    pub(crate) role: Option<Role>,
}

/// What this program does instead of launching everything. The launcher starts this program again in the first two
/// roles.
#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// Run only the API, like `taskoverflow-api`
    Api(Box<api::Config>),
    /// Run only a worker, like `taskoverflow-worker`
    Worker(Box<worker::config::Config>),
    /// Check that calendar programs can read a file. Exit code 0: no findings, 1: findings, 2: the file can't be read
    Lint {
        /// The calendar file
        #[arg(value_name = "FILE.ics")]
        file: PathBuf,
    },
}

impl Role {
    /// Runs until it is done or, for a process, until it is asked to stop. Returns the exit code.
    pub(crate) fn run(self) -> ExitCode {
        match self {
            Self::Api(config) => api::run_process(*config),
            Self::Worker(config) => worker::run_process(*config),
            Self::Lint { file } => match calendar::lint::report(&file, &mut std::io::stdout()) {
                Ok(0) => ExitCode::SUCCESS,
                Ok(_) => ExitCode::FAILURE,
                Err(error) => {
                    eprintln!("taskoverflow: can't read {}: {error}", file.display());
                    ExitCode::from(2)
                }
            },
        }
    }
}

/// The settings of the launcher.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// The port of the page and the API, reachable only from this machine; 0 picks a free port
    #[arg(long, value_name = "PORT", default_value_t = 6400)]
    pub(crate) port: u16,
    /// The number of workers
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = value_parser!(u16).range(..=MAX_WORKERS))]
    pub(crate) workers: u16,
    /// The folder for the data of the private PostgreSQL and the local SQS
    #[arg(long, value_name = "FOLDER", default_value = ".taskoverflow")]
    pub(crate) data_dir: PathBuf,
    /// An existing database to use instead of starting a private PostgreSQL
    #[arg(long, env, value_name = "URL", hide_env_values = true)]
    pub(crate) database_url: Option<DatabaseUrl>,
    /// The queue that carries the jobs.
    // It is not read from QUEUE_URL, which may name the queue of a real deployment: a worker deletes the messages of jobs
    // that its database does not have.
    #[arg(
        long,
        value_name = "QUEUE",
        default_value_t = QueueChoice::Existing(QueueUrl::Postgres),
        help = "The queue that carries the jobs: postgres: (the database itself), sqs or sqs.fifo (start a local SQS), \
        activemq, redis or rabbitmq (start a local broker, if it is installed; redis needs the feature redis, and \
        rabbitmq the feature amqp), or the URL of an existing queue: sqs://NAME, sqs://NAME.fifo, https://…, \
        stomp://USER:PASSWORD@HOST/QUEUE, redis://HOST/STREAM, amqp://HOST/QUEUE, kafka://HOST/TOPIC (with the feature \
        kafka)"
    )]
    pub(crate) queue: QueueChoice,
    /// Add a dozen sample todos if there are no todos
    #[arg(long)]
    pub(crate) demo: bool,
    #[command(flatten)]
    pub(crate) log: LogConfig,
}

/// The queue that carries the jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum QueueChoice {
    /// The standard queue of a local SQS.
    LocalStandard,
    /// The FIFO queue of a local SQS.
    LocalFifo,
    /// A queue of a local broker.
    LocalBroker(BrokerKind),
    /// A queue that exists already.
    Existing(QueueUrl),
}

impl FromStr for QueueChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "sqs" => Ok(Self::LocalStandard),
            "sqs.fifo" => Ok(Self::LocalFifo),
            "kafka" => {
                // Refused first if the processes were not built for it.
                "kafka://localhost/ical"
                    .parse::<QueueUrl>()
                    .map_err(|error| error.to_string())?;
                Err(
                    "Kafka is not started: name a topic of one that is running, for example Apache Kafka or Redpanda: \
                     --queue kafka://HOST:9092/TOPIC"
                        .to_owned(),
                )
            }
            text => {
                let mut brokers = BrokerKind::ALL.into_iter();
                if let Some(kind) = brokers.find(|kind| kind.name() == text) {
                    // Refused before a server is started that the processes were not built for.
                    let built: Result<QueueUrl, _> = example_of(kind).parse();
                    return match built {
                        Ok(_) => Ok(Self::LocalBroker(kind)),
                        Err(error) => Err(error.to_string()),
                    };
                }
                text.parse().map(Self::Existing).map_err(|error| {
                    format!(
                        "{error}; for a local queue, write sqs, sqs.fifo, activemq, redis or rabbitmq"
                    )
                })
            }
        }
    }
}

/// Returns the URL of some queue in a broker of this kind.
fn example_of(kind: BrokerKind) -> &'static str {
    match kind {
        BrokerKind::Redis => "redis://localhost/ical",
        BrokerKind::ActiveMq => "stomp://localhost/ical",
        BrokerKind::RabbitMq => "amqp://localhost/ical",
    }
}

impl fmt::Display for QueueChoice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LocalStandard => formatter.write_str("sqs"),
            Self::LocalFifo => formatter.write_str("sqs.fifo"),
            Self::LocalBroker(kind) => formatter.write_str(kind.name()),
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
    fn a_queue_is_local_or_has_a_url() {
        assert_eq!("sqs".parse(), Ok(QueueChoice::LocalStandard));
        assert_eq!("sqs.fifo".parse(), Ok(QueueChoice::LocalFifo));
        let local = QueueChoice::LocalBroker(BrokerKind::ActiveMq);
        assert_eq!("activemq".parse(), Ok(local));
        let existing = QueueChoice::Existing("sqs://ical".parse().unwrap());
        assert_eq!("sqs://ical".parse(), Ok(existing));
        let error = "redis:".parse::<QueueChoice>().unwrap_err();
        assert!(error.contains("sqs.fifo"), "{error}");
        let error = "kafka".parse::<QueueChoice>().unwrap_err();
        let advice = if cfg!(feature = "kafka") {
            "--queue kafka://"
        } else {
            "--features kafka"
        };
        assert!(error.contains(advice), "{error}");
    }
}
