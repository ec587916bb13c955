//! The settings of the worker's process.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use job_queue::{MAX_VISIBILITY, MAX_WAIT, QueueConfig, SubscriptionOptions, WorkerNeeds};
use shared_model::database::DatabaseConfig;
use shared_model::job_store::claims::ClaimOptions;
use shared_model::logging::LogConfig;
use shared_model::settings::{duration, positive_duration};
use shared_model::telemetry::MetricsConfig;
use shared_model::trace::TraceConfig;

/// The minimum visibility timeout. It leaves time for several heartbeats; SQS counts in whole seconds.
const MIN_VISIBILITY: Duration = Duration::from_secs(2);
/// The minimum of `RECEIVE_WAIT`. With no wait at all, an idle worker would poll without a pause.
const MIN_WAIT: Duration = Duration::from_secs(1);
/// The minimum of `DATABASE_POOL`: half of the connections are for large calendars, the others for everything else.
const MIN_CONNECTIONS: u32 = 4;

/// All settings of the worker.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    #[command(flatten)]
    #[expect(missing_docs, reason = "see its type")]
    pub database: DatabaseConfig,
    #[command(flatten)]
    #[expect(missing_docs, reason = "see its type")]
    pub queue: QueueConfig,
    #[command(flatten)]
    #[expect(missing_docs, reason = "see its type")]
    pub log: LogConfig,
    #[command(flatten)]
    #[expect(missing_docs, reason = "see its type")]
    pub metrics: MetricsConfig,
    #[command(flatten)]
    #[expect(missing_docs, reason = "see its type")]
    pub traces: TraceConfig,

    /// The address that serves /livez, /readyz, /startedz and /metrics. By default only this machine can reach it. In a container,
    /// use 0.0.0.0:6401
    #[arg(
        long,
        env,
        value_name = "ADDR",
        default_value = "127.0.0.1:6401",
        help_heading = "Worker"
    )]
    pub admin_addr: SocketAddr,
    /// How many jobs are in flight at the same time.
    #[arg(
        long,
        env,
        value_name = "COUNT",
        default_value = "100",
        help_heading = "Worker",
        help = "How many jobs are in flight at the same time. Most of them wait for the database, which works on many at \
        once. Large calendars need a connection each, and at most half of DATABASE_POOL is for them"
    )]
    pub worker_concurrency: NonZeroUsize,
    /// The host name in the UIDs of calendar entries, which makes them globally unique. After a change, calendar
    /// programs treat every entry as a new one
    #[arg(
        long,
        env,
        value_name = "HOST",
        default_value = "taskoverflow",
        help_heading = "Worker"
    )]
    pub calendar_host: String,
    /// How long a message stays hidden from other workers; extended while its job runs. If a worker dies, others can
    /// take over its jobs after this time
    #[arg(long, env, value_name = "DURATION", default_value = "30s", value_parser = positive_duration, help_heading = "Worker")]
    pub visibility_timeout: Duration,
    /// How long one poll waits while the queue is empty
    #[arg(long, env, value_name = "DURATION", default_value = "20s", value_parser = duration, help_heading = "Worker")]
    pub receive_wait: Duration,
    /// The maximum duration of one attempt at a job
    #[arg(long, env, value_name = "DURATION", default_value = "10m", value_parser = positive_duration, help_heading = "Worker")]
    pub job_timeout: Duration,
    /// The maximum number of attempts at a job. After that, it fails for good
    #[arg(
        long,
        env,
        value_name = "COUNT",
        default_value = "5",
        help_heading = "Worker"
    )]
    pub max_attempts: NonZeroU32,
    /// How long running jobs may continue after SIGTERM. After that, they are released to other workers
    #[arg(long, env, value_name = "DURATION", default_value = "30s", value_parser = duration, help_heading = "Worker")]
    pub drain_timeout: Duration,
    /// An artificial delay before every render, for watching jobs run
    #[arg(long, env, value_name = "DURATION", default_value = "0s", value_parser = duration, help_heading = "Worker")]
    pub render_delay: Duration,
}

impl Config {
    /// Returns the problems of settings that were parsed without an error. Empty if there are none.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = self.database.problems();
        problems.extend(self.queue.problems());
        let mut require = |holds: bool, problem: String| {
            if !holds {
                problems.push(problem);
            }
        };
        require(
            (MIN_VISIBILITY..=MAX_VISIBILITY).contains(&self.visibility_timeout),
            "VISIBILITY_TIMEOUT must be at least 2s and at most 12h".to_owned(),
        );
        require(
            (MIN_WAIT..=MAX_WAIT).contains(&self.receive_wait),
            "RECEIVE_WAIT must be at least 1s and at most 20s".to_owned(),
        );
        require(
            self.job_timeout < MAX_VISIBILITY,
            "JOB_TIMEOUT must be less than 12h, the maximum of VISIBILITY_TIMEOUT".to_owned(),
        );
        require(
            self.render_delay < self.job_timeout,
            "RENDER_DELAY must be less than JOB_TIMEOUT; otherwise no job can finish".to_owned(),
        );
        require(
            self.database.database_pool.get() >= MIN_CONNECTIONS,
            format!("DATABASE_POOL must be at least {MIN_CONNECTIONS}"),
        );
        require(
            is_host(&self.calendar_host),
            "CALENDAR_HOST must be a host name, of letters, digits, '-' and '.'".to_owned(),
        );
        problems
    }

    /// Returns how many abandoned renders the worker tolerates: one for each connection for large calendars. When this many
    /// do not end, the worker is stuck.
    pub fn max_abandoned(&self) -> usize {
        self.database.database_pool.get() as usize / 2
    }

    /// Returns the conditions of a claim.
    pub fn claim_options(&self) -> ClaimOptions {
        ClaimOptions {
            lease: self.visibility_timeout,
            max_attempts: i32::try_from(self.max_attempts.get()).unwrap_or(i32::MAX),
            // known only when the worker has registered itself
            worker_id: None,
        }
    }

    /// Returns what a worker that runs alone needs from its queue.
    pub fn needs(&self) -> WorkerNeeds {
        WorkerNeeds {
            max_attempts: self.max_attempts.get(),
            job_timeout: self.job_timeout,
            slots: self.worker_concurrency.get(),
            workers: 1,
        }
    }

    /// Returns the options for receiving from the queue.
    pub fn subscription_options(&self) -> SubscriptionOptions {
        SubscriptionOptions {
            visibility: self.visibility_timeout,
            wait: self.receive_wait,
            max_attempts: self.claim_options().max_attempts,
            slots: self.worker_concurrency.get(),
        }
    }
}

fn is_host(host: &str) -> bool {
    (1..=253).contains(&host.len())
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}
