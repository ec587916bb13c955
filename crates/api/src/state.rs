//! The state that all requests share, and their only access to the database.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use diesel::PgConnection;
use metrics_exporter_prometheus::PrometheusHandle;
use shared_model::database::{DatabaseError, Pool};
use shared_model::job::{Job, JobId};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::background::job_watch::JobWatch;
use crate::config::Config;
use crate::readiness::{DatabaseState, MigrationState, QueueState, Readiness};
use crate::request::origin::Origin;

/// The time limit for one SQL statement, which the database enforces. Normal statements need far less, and clients usually
/// wait longer than this.
pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);

/// The state that all requests share.
#[derive(Debug)]
pub struct Api {
    pool: Pool,
    started: OnceLock<()>,
    /// Determines the base URL of links in responses.
    pub origin: Origin,
    /// The time limit for a new job, in seconds. Once the job has ended, it is kept for the same time.
    pub job_expiry_seconds: u32,
    /// Wakes the relay when a job is accepted.
    pub job_accepted: Arc<Notify>,
    /// Notifies waiting requests when their jobs change.
    pub job_watch: JobWatch,
    /// Cancelled when the process begins to stop, which ends all waits.
    pub stopping: CancellationToken,
    /// The result of the relay's last call to the queue.
    pub queue: watch::Receiver<QueueState>,
    /// Renders the metrics.
    pub metrics: PrometheusHandle,
}

/// A query could not be run, or failed.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The process has just started: the database schema may not be up to date yet.
    #[error("the service is starting")]
    Starting,
    /// The database did not respond, or refused a statement.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Api {
    /// Returns the state of a process that has not connected to its database yet.
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

    /// Lets queries run from now on, because the database schema is up to date.
    pub fn start(&self) {
        self.started.get_or_init(|| ());
    }

    /// Runs `queries` on a thread that may block.
    ///
    /// # Errors
    /// Returns `Starting` before [`start`](Self::start), and `Database` if no connection becomes free in time or
    /// `queries` fails.
    pub async fn query<T, F>(&self, queries: F) -> Result<T, QueryError>
    where
        F: FnOnce(&mut PgConnection) -> Result<T, DatabaseError> + Send + 'static,
        T: Send + 'static,
    {
        if self.started.get().is_none() {
            return Err(QueryError::Starting);
        }
        Ok(self.pool.run(queries).await?)
    }

    /// Waits until a job has ended and returns it, in version `from` or later. Returns `None` if it has not ended within
    /// `wait`, or if the process is stopping.
    pub async fn wait_until_ended(&self, id: JobId, from: i64, wait: Duration) -> Option<Job> {
        let mut watching = self.job_watch.watch(id, from);
        let ended = watching.ended(Instant::now() + wait);
        self.stopping.run_until_cancelled(ended).await?
    }

    /// Checks whether the process can serve requests.
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
