//! The arguments of `compare`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::values::{rate, visibility};
use crate::compare::{Contestant, Load, Options};
use crate::target::Target;

/// The arguments of `compare`.
#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// The queues to compare, separated by commas [default: all, unless --url is given; one whose server is not installed is
    /// only listed]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_enum)]
    queues: Vec<Contestant>,
    /// Also compare this queue, which should be empty: its messages are deleted. It is created if it does not exist, except in SQS. May be repeated
    #[arg(long, value_name = "URL")]
    pub(super) url: Vec<Target>,
    /// The number of publishers
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=16))]
    publishers: u64,
    /// The number of messages of each publisher
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(10..=10_000))]
    count: u64,
    /// How many messages all publishers together send per second
    #[arg(long, value_name = "N", default_value = "200", value_parser = rate)]
    rate: f64,
    /// How long SQS and Redis Streams hide a received message, at least 1s
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = visibility)]
    visibility: Duration,
    /// Write the table, with a picture of each queue, to this HTML file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print only JSON lines on stdout
    #[arg(long)]
    json: bool,
    /// A local SQS and SNS endpoint that already runs, instead of one that is started
    #[arg(long, value_name = "URL", env = "AWS_ENDPOINT_URL_SQS")]
    sqs_endpoint: Option<String>,
}

impl Compare {
    /// Returns what to compare, and how.
    pub(crate) fn options(self) -> Options {
        Options {
            queues: self.queues,
            existing: self.url,
            load: Load {
                publishers: self.publishers,
                count: self.count,
                rate: self.rate,
                visibility: self.visibility.max(Duration::from_secs(1)),
            },
            html: self.html,
            json: self.json,
            sqs_endpoint: self.sqs_endpoint,
        }
    }
}
