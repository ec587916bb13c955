//! The options of the commands.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use local_services::brokers::BrokerKind;
use serde::Serialize;
use shared_model::settings::{duration, positive_duration};

/// The queue that carries the jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize)]
pub enum QueueKind {
    /// The table of jobs itself
    #[value(name = "postgres:", alias = "postgres")]
    Postgres,
    /// A standard queue of the built-in stub of SQS
    Sqs,
    /// A FIFO queue of the built-in stub of SQS
    SqsFifo,
    /// A stream of Redis
    Redis,
    /// A quorum queue of RabbitMQ
    #[value(name = "rabbitmq")]
    RabbitMq,
    /// A queue of ActiveMQ
    #[value(name = "activemq")]
    ActiveMq,
    /// A topic of a Kafka for tests, which keeps messages only in memory
    #[cfg(feature = "kafka")]
    Kafka,
}

impl QueueKind {
    /// Returns a name for files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Sqs => "sqs",
            Self::SqsFifo => "sqs-fifo",
            Self::Redis => "redis",
            Self::RabbitMq => "rabbitmq",
            Self::ActiveMq => "activemq",
            #[cfg(feature = "kafka")]
            Self::Kafka => "kafka",
        }
    }

    /// Returns whether a broker has it, which the benchmark reaches through a proxy.
    pub fn has_broker(self) -> bool {
        !self.is_sqs() && self != Self::Postgres
    }

    /// Returns whether it is an SQS queue.
    pub fn is_sqs(self) -> bool {
        matches!(self, Self::Sqs | Self::SqsFifo)
    }

    /// Returns the kind of the broker that has it, if that is a program of its own, which the benchmark starts.
    pub fn broker(self) -> Option<BrokerKind> {
        match self {
            Self::Postgres | Self::Sqs | Self::SqsFifo => None,
            #[cfg(feature = "kafka")]
            Self::Kafka => None,
            Self::Redis => Some(BrokerKind::Redis),
            Self::RabbitMq => Some(BrokerKind::RabbitMq),
            Self::ActiveMq => Some(BrokerKind::ActiveMq),
        }
    }
}

/// An SQS endpoint other than the built-in stub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum SqsEndpoint {
    /// Ministack, which the benchmark installs and starts.
    Ministack,
    /// The address of a local endpoint that already runs.
    Address(SocketAddr),
}

impl FromStr for SqsEndpoint {
    type Err = std::net::AddrParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "ministack" {
            return Ok(Self::Ministack);
        }
        let address = text.trim_start_matches("http://").trim_end_matches('/');
        address.parse().map(Self::Address)
    }
}

/// A system other than TaskOverflow that does the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize)]
pub enum PeerKind {
    /// Flask and Celery, with Redis as the broker (bench/peers/celery)
    Celery,
    /// The same with RabbitMQ as the broker
    #[value(name = "celery-rabbitmq")]
    CeleryRabbitMq,
}

impl PeerKind {
    /// Returns the kind of its broker.
    pub fn broker(self) -> BrokerKind {
        match self {
            Self::Celery => BrokerKind::Redis,
            Self::CeleryRabbitMq => BrokerKind::RabbitMq,
        }
    }
}

/// A setting of a process, `NAME=VALUE`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting(pub String, pub String);

impl FromStr for Setting {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').ok_or("not of the form NAME=VALUE")?;
        Ok(Self(name.to_owned(), value.to_owned()))
    }
}

/// What is measured.
#[derive(Debug, Clone, clap::Args, Serialize)]
pub struct SystemOptions {
    /// The queue that carries the jobs
    #[arg(long, value_enum, value_name = "QUEUE", default_value = "postgres:")]
    pub queue: QueueKind,
    /// Use another SQS endpoint than the built-in stub: `ministack`, which is started, or the URL of a local endpoint
    #[arg(long, value_name = "URL")]
    pub sqs_endpoint: Option<SqsEndpoint>,
    /// Todos in each calendar
    #[arg(long, value_name = "COUNT", default_value = "100")]
    pub todos: u32,
    /// API processes
    #[arg(long, value_name = "COUNT", default_value = "1")]
    pub apis: NonZeroU32,
    /// Worker processes
    #[arg(long, value_name = "COUNT", default_value = "1")]
    pub workers: NonZeroU32,
    /// Connections that post at the same time
    #[arg(long, value_name = "COUNT", default_value = "64")]
    pub clients: NonZeroU32,
    /// A setting of the APIs; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    pub api: Vec<Setting>,
    /// A setting of the workers; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    pub worker: Vec<Setting>,
    /// The folder for the plot and the JSON
    #[arg(long, value_name = "FOLDER", default_value = "target/bench")]
    pub out: PathBuf,
    /// How long to wait before counters are read. By then, each server process of PostgreSQL has reported its own
    #[arg(long, value_name = "DURATION", default_value = "10500ms", value_parser = duration)]
    #[serde(skip)]
    pub settle: Duration,
}

/// The options of `pipeline`.
#[derive(Debug, Clone, clap::Args, Serialize)]
pub struct PipelineOptions {
    #[command(flatten)]
    #[expect(missing_docs, reason = "see its type")]
    pub system: SystemOptions,
    /// Jobs posted by --clients before a worker runs. Half as many are posted by --few-clients, and the workers drain
    /// all of them
    #[arg(long, value_name = "COUNT", default_value = "20000")]
    pub jobs: NonZeroU32,
    /// Connections that post while the workers complete jobs
    #[arg(long, value_name = "COUNT", default_value = "8")]
    pub few_clients: NonZeroU32,
    /// How long clients post while the workers complete jobs
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = positive_duration)]
    pub posting: Duration,
    /// Jobs that run one after the other on an idle system
    #[arg(long, value_name = "COUNT", default_value = "1000")]
    pub idle_jobs: u32,
    /// How long each read is repeated
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = positive_duration)]
    pub reads: Duration,
    /// Clients that watch as the page for operators does, during all phases
    #[arg(long, value_name = "COUNT", default_value = "0")]
    pub watchers: u32,
    /// Also measure another system that does the same, and print ratios
    #[arg(long, value_enum, value_name = "PEER")]
    pub peer: Option<PeerKind>,
}

/// The options of `sustained`.
#[derive(Debug, Clone, clap::Args, Serialize)]
pub struct SustainedOptions {
    #[command(flatten)]
    #[expect(missing_docs, reason = "see its type")]
    pub system: SystemOptions,
    /// How long the load lasts
    #[arg(long, value_name = "COUNT", default_value = "10")]
    pub minutes: NonZeroU32,
    /// Jobs per second, or a percentage of the maximum, which is then measured first
    #[arg(long, value_name = "RATE", default_value = "80%")]
    pub rate: Rate,
    /// Finished jobs to store before the load starts. Their results are small, to save disk space
    #[arg(long, value_name = "COUNT", default_value = "0")]
    pub stored_jobs: u32,
    /// Hold a snapshot open for this long, from the end of the second minute
    #[arg(long, value_name = "DURATION", value_parser = positive_duration)]
    pub held_snapshot: Option<Duration>,
}

/// The options of `feeds`.
#[derive(Debug, Clone, clap::Args, Serialize)]
pub struct FeedsOptions {
    #[command(flatten)]
    #[expect(missing_docs, reason = "see its type")]
    pub system: SystemOptions,
    /// Programs that poll. None of them keeps its connection open between two polls
    #[arg(long, value_name = "COUNT", default_value = "1000")]
    pub subscribers: NonZeroU32,
    /// Feeds that they subscribe to, in turn. All have the same options
    #[arg(long, value_name = "COUNT", default_value = "1")]
    pub feeds: NonZeroU32,
    /// How often each of them polls
    #[arg(long, value_name = "DURATION", default_value = "25s", value_parser = positive_duration)]
    pub interval: Duration,
    /// How long they poll. The idle system is measured for the same time before
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = positive_duration)]
    pub time: Duration,
}

/// The options of `overload`.
#[derive(Debug, Clone, clap::Args, Serialize)]
pub struct OverloadOptions {
    #[command(flatten)]
    #[expect(missing_docs, reason = "see its type")]
    pub system: SystemOptions,
    /// Requests that each client may send in a second. The client within its limit sends four fifths of this
    #[arg(long, value_name = "COUNT", default_value = "500")]
    pub limit: NonZeroU32,
    /// How many times its limit the other client sends
    #[arg(long, value_name = "COUNT", default_value = "10")]
    pub times: NonZeroU32,
    /// How long the clients send
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = positive_duration)]
    pub time: Duration,
}

/// A rate of jobs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub enum Rate {
    /// A part of the measured maximum; 1 is all of it.
    OfMaximum(f64),
    /// Jobs per second.
    PerSecond(f64),
}

impl FromStr for Rate {
    type Err = std::num::ParseFloatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_suffix('%') {
            Some(percent) => Ok(Self::OfMaximum(percent.parse::<f64>()? / 100.0)),
            None => Ok(Self::PerSecond(text.parse()?)),
        }
    }
}
