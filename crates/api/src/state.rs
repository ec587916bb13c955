//! What the requests share, and their one door to the database.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use diesel::PgConnection;
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use shared_model::database::{DatabaseError, Pool};
use shared_model::job::{Job, JobId};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::background::job_watch::JobWatch;
use crate::config::Config;
use crate::response::links::Origin;
use crate::response::problem::ApiError;

/// How long the database may take for one statement of the API, before it ends it: well over any honest one, and
/// within a client's patience.
pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);

/// What the requests share.
#[derive(Debug)]
pub struct Api {
    pool: Pool,
    started: OnceLock<()>,
    /// Where clients reach the API.
    pub origin: Origin,
    /// How long a new job may wait and is kept, in seconds.
    pub job_expiry_seconds: u32,
    /// Told when a job was accepted, so that the relay need not look for it.
    pub job_accepted: Arc<Notify>,
    /// Tells requests that wait of their jobs' changes.
    pub job_watch: JobWatch,
    /// Cancelled when the process is to stop: nothing waits any longer then.
    pub stopping: CancellationToken,
    /// How the relay last found the queue.
    pub queue: watch::Receiver<QueueState>,
    /// Renders the metrics.
    pub metrics: PrometheusHandle,
}

/// How the relay last found the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueState {
    /// It has not been asked yet.
    Unknown,
    /// It took the last batch.
    Reachable,
    /// It did not take the last batch.
    Unreachable,
}

/// Whether the process can serve, part by part. Jobs are accepted whatever the queue's state.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Readiness {
    /// Whether the database answers.
    pub database: DatabaseState,
    /// Whether the schema is up to date.
    pub migrations: MigrationState,
    /// How the relay last found the queue; as information only.
    pub queue: QueueState,
}

impl Readiness {
    /// Whether requests can be served.
    pub fn is_ready(&self) -> bool {
        self.database == DatabaseState::Reachable && self.migrations == MigrationState::Done
    }
}

/// Whether the database answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DatabaseState {
    /// It does.
    Reachable,
    /// It does not, or all connections are busy.
    Unreachable,
}

/// Whether the schema is up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MigrationState {
    /// It is.
    Done,
    /// It is not, or that is not known yet.
    Pending,
}

impl Api {
    /// The state of a process that has not reached its database yet.
    pub fn new(
        config: &Config,
        pool: Pool,
        queue: watch::Receiver<QueueState>,
        metrics: PrometheusHandle,
    ) -> Self {
        Self {
            pool,
            started: OnceLock::new(),
            origin: Origin::new(config.public_url.clone(), config.trust_proxy),
            job_expiry_seconds: config.job_expiry_seconds(),
            job_accepted: Arc::new(Notify::new()),
            job_watch: JobWatch::default(),
            stopping: CancellationToken::new(),
            queue,
            metrics,
        }
    }

    /// Opens the door: the schema is there.
    pub fn start(&self) {
        self.started.get_or_init(|| ());
    }

    /// Runs queries where they may block.
    ///
    /// # Errors
    /// `Starting` before the schema is there, `Database` when no connection is to be had in time; else what `queries`
    /// gave.
    pub async fn query<T, F>(&self, queries: F) -> Result<T, ApiError>
    where
        F: FnOnce(&mut PgConnection) -> Result<T, ApiError> + Send + 'static,
        T: Send + 'static,
    {
        if self.started.get().is_none() {
            return Err(ApiError::Starting);
        }
        self.pool.run(queries).await
    }

    /// Waits until a job has ended, and gives it then, in version `from` (0: whichever it is) or later. `None`: it has not
    /// within `wait`, or the process is stopping.
    pub async fn wait_until_ended(&self, id: JobId, from: i64, wait: Duration) -> Option<Job> {
        let mut watching = self.job_watch.watch(id, from);
        let ended = watching.ended(Instant::now() + wait);
        self.stopping.run_until_cancelled(ended).await?
    }

    /// Looks at every part.
    pub async fn readiness(&self) -> Readiness {
        let migrations = match self.started.get() {
            Some(()) => MigrationState::Done,
            None => MigrationState::Pending,
        };
        let database = match self.pool.ping().await {
            Ok(()) => DatabaseState::Reachable,
            Err(DatabaseError::Unavailable(_) | DatabaseError::Query(_)) => {
                DatabaseState::Unreachable
            }
        };
        Readiness {
            database,
            migrations,
            queue: *self.queue.borrow(),
        }
    }
}
