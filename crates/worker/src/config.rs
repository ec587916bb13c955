//! The settings of the worker's process.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use job_queue::{QueueConfig, SubscriptionOptions};
use shared_model::database::DatabaseConfig;
use shared_model::logging::LogConfig;
use shared_model::settings::{duration, positive_duration};

/// SQS's limits: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>
const MAX_VISIBILITY: Duration = Duration::from_hours(12);
const MAX_WAIT: Duration = Duration::from_secs(20);
/// Three heartbeats must fit in, and SQS counts in whole seconds.
const MIN_VISIBILITY: Duration = Duration::from_secs(2);
/// Connections beside those of the running jobs: claims and heartbeats.
const SPARE_CONNECTIONS: usize = 2;

/// Everything that the worker can be told.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    #[command(flatten)]
    #[expect(missing_docs, reason = "its type says it")]
    pub database: DatabaseConfig,
    #[command(flatten)]
    #[expect(missing_docs, reason = "its type says it")]
    pub queue: QueueConfig,
    #[command(flatten)]
    #[expect(missing_docs, reason = "its type says it")]
    pub log: LogConfig,

    /// Where /livez, /readyz and /metrics are served
    #[arg(
        long,
        env,
        value_name = "ADDR",
        default_value = "0.0.0.0:6401",
        help_heading = "Worker"
    )]
    pub admin_addr: SocketAddr,
    /// How many jobs run at once. A job mostly waits for the database, so the default is what one receive can bring
    #[arg(
        long,
        env,
        value_name = "COUNT",
        default_value = "10",
        help_heading = "Worker"
    )]
    pub worker_concurrency: NonZeroUsize,
    /// The host in the events' UIDs: what makes them unique in the world. Changing it makes all events new ones
    #[arg(
        long,
        env,
        value_name = "HOST",
        default_value = "taskoverflow",
        help_heading = "Worker"
    )]
    pub calendar_host: String,
    /// How long a delivery is this worker's alone unless it says that it is still at it: the time after which another
    /// worker takes over from one that died
    #[arg(long, env, value_name = "DURATION", default_value = "30s", value_parser = positive_duration, help_heading = "Worker")]
    pub visibility_timeout: Duration,
    /// How long one poll waits at an empty queue
    #[arg(long, env, value_name = "DURATION", default_value = "20s", value_parser = duration, help_heading = "Worker")]
    pub receive_wait: Duration,
    /// The longest that one attempt at a job may take
    #[arg(long, env, value_name = "DURATION", default_value = "10m", value_parser = positive_duration, help_heading = "Worker")]
    pub job_timeout: Duration,
    /// How often a job is tried before it fails for good
    #[arg(
        long,
        env,
        value_name = "COUNT",
        default_value = "5",
        help_heading = "Worker"
    )]
    pub max_attempts: NonZeroU32,
    /// How long running jobs may go on after SIGTERM before they are given back
    #[arg(long, env, value_name = "DURATION", default_value = "30s", value_parser = duration, help_heading = "Worker")]
    pub drain_timeout: Duration,
    /// Makes every calendar take so much longer, to watch a job live
    #[arg(long, env, value_name = "DURATION", default_value = "0s", value_parser = duration, help_heading = "Worker")]
    pub render_delay: Duration,
}

impl Config {
    /// What is wrong with the settings together; empty when nothing is.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = self.queue.problems();
        let mut require = |holds: bool, problem: String| {
            if !holds {
                problems.push(problem);
            }
        };
        require(
            (MIN_VISIBILITY..=MAX_VISIBILITY).contains(&self.visibility_timeout),
            "VISIBILITY_TIMEOUT must be between 2s and 12h".to_owned(),
        );
        require(
            self.receive_wait <= MAX_WAIT,
            "RECEIVE_WAIT must be 20s at the most".to_owned(),
        );
        require(
            self.job_timeout < MAX_VISIBILITY,
            "JOB_TIMEOUT must be less than 12h, SQS's limit".to_owned(),
        );
        require(
            self.render_delay < self.job_timeout,
            "RENDER_DELAY must be less than JOB_TIMEOUT, or no job would ever finish".to_owned(),
        );
        let needed = self.worker_concurrency.get() + SPARE_CONNECTIONS;
        require(
            self.database.database_pool.get() as usize >= needed,
            format!(
                "DATABASE_POOL must be {needed} or more: WORKER_CONCURRENCY ({}) and {SPARE_CONNECTIONS}",
                self.worker_concurrency
            ),
        );
        require(
            is_host(&self.calendar_host),
            "CALENDAR_HOST must be a host name: letters, digits, '-' and '.'".to_owned(),
        );
        problems
    }

    /// Connections that are left over when every hand has one: so many renders may hang before the worker is stuck.
    pub fn spare_connections(&self) -> usize {
        let used = self.worker_concurrency.get() + SPARE_CONNECTIONS;
        (self.database.database_pool.get() as usize)
            .saturating_sub(used)
            .max(1)
    }

    /// How the queue is received from.
    pub fn subscription_options(&self) -> SubscriptionOptions {
        SubscriptionOptions {
            visibility: self.visibility_timeout,
            wait: self.receive_wait,
        }
    }
}

fn is_host(host: &str) -> bool {
    (1..=253).contains(&host.len())
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}
