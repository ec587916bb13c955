//! The settings of the limits.

use std::num::NonZeroUsize;
use std::time::Duration;

use shared_model::settings::positive_duration;

use super::usage::MaxAmounts;

const BYTES_PER_MIB: u64 = 1024 * 1024;

/// How much clients may use, and how long they may take.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitSettings {
    /// Maximum requests that each client may send in a second, or 0 for any number. Further ones are answered with 429. A
    /// client is an IPv4 address, or a /64 network of IPv6 addresses. Probes and the
    /// files of the page are not counted, and without --trust-proxy neither are requests from the same machine
    #[arg(long, env, value_name = "COUNT", default_value = "200")]
    pub requests_per_second: u32,
    /// Maximum connections of clients. On a hundred further ones, probes are answered, and other requests with 503. Any more
    /// are closed at once
    #[arg(long, env, value_name = "COUNT", default_value = "16000")]
    pub max_connections: NonZeroUsize,
    /// Maximum requests that are handled at the same time, from their headers to the end of their responses, probes
    /// excepted. Further ones are answered with 503
    #[arg(long, env, value_name = "COUNT", default_value = "2000")]
    pub max_requests: NonZeroUsize,
    /// Maximum open streams of events. Further ones are answered with 503
    #[arg(long, env, value_name = "COUNT", default_value = "10000")]
    pub max_streams: NonZeroUsize,
    /// Maximum requests that wait for the end of their jobs (Prefer: wait), or for the next calendar of a feed. Further
    /// ones are answered with 503, or with the calendar that the feed has
    #[arg(long, env, value_name = "COUNT", default_value = "10000")]
    pub max_waiting_requests: NonZeroUsize,
    /// The part of the maximum connections, requests, streams and waiting requests that one client may use, in percent.
    /// Beyond it, the client is answered with 503. 100 means no limit for single clients. A client is an address, as for
    /// --requests-per-second; with --trust-proxy, connections are those of the proxy and have no such limit
    #[arg(long, env, value_name = "PERCENT", default_value = "25", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub client_share: u8,
    /// Maximum jobs that have not ended. While there are as many, no job is accepted. Measured every few seconds
    #[arg(long, env, value_name = "COUNT", default_value = "1000000")]
    pub max_outstanding_jobs: u64,
    /// Maximum jobs of one token that have not ended. While there are as many, no job is accepted from clients with this
    /// token. Measured every few seconds
    #[arg(long, env, value_name = "COUNT", default_value = "100000")]
    pub max_jobs_per_token: u64,
    /// Maximum todos. While there are as many, no todo is created. Measured every few seconds
    #[arg(long, env, value_name = "COUNT", default_value = "1000000")]
    pub max_todos: u64,
    /// Maximum feeds. While there are as many, no feed is created. Measured every few seconds
    #[arg(long, env, value_name = "COUNT", default_value = "10000")]
    pub max_feeds: u64,
    /// Maximum size of the tables with their indexes, in MiB. While they are larger, nothing is created. Deleting rows does
    /// not make them smaller, but VACUUM FULL does. Measured every few seconds
    #[arg(long, env, value_name = "MIB", default_value = "65536")]
    pub max_stored_mib: u64,
    /// How long a client may take to send the headers of a request
    #[arg(long, env, value_name = "DURATION", default_value = "5s", value_parser = positive_duration)]
    pub header_timeout: Duration,
    /// How long a client may take to send the body of a request. A phone needs a second for the longest body
    #[arg(long, env, value_name = "DURATION", default_value = "15s", value_parser = positive_duration)]
    pub body_timeout: Duration,
    /// How long a client may take to read a response, streams of events excepted
    #[arg(long, env, value_name = "DURATION", default_value = "10m", value_parser = positive_duration)]
    pub send_timeout: Duration,
    /// How long a client may read nothing of what was sent to it. Then its connection is closed (only on Linux)
    #[arg(long, env, value_name = "DURATION", default_value = "30s", value_parser = positive_duration)]
    pub stall_timeout: Duration,
}

impl LimitSettings {
    /// Returns how much may be stored.
    pub fn max_amounts(&self) -> MaxAmounts {
        MaxAmounts {
            outstanding_jobs: self.max_outstanding_jobs,
            jobs_per_token: self.max_jobs_per_token,
            todos: self.max_todos,
            feeds: self.max_feeds,
            bytes: self.max_stored_mib.saturating_mul(BYTES_PER_MIB),
        }
    }
}
