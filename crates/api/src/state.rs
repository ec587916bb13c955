//! The state that all requests share, and their only access to the database.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use diesel::PgConnection;
use metrics_exporter_prometheus::PrometheusHandle;
use shared_model::activity::{self, Point};
use shared_model::database::DatabaseError;
use shared_model::job::{CalendarRequest, Job, JobId};
use shared_model::notifier::Notifier;
use shared_model::processes::ThisProcess;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::authentication::cache::GrantCache;
use crate::authentication::grants::Grant;
use crate::authentication::mode::AuthMode;
use crate::authentication::secret::SecretHash;
use crate::background::dispatch::Dispatch;
use crate::background::job_watch::JobWatch;
use crate::config::Config;
use crate::connections::Connections;
use crate::events::destinations::Destinations;
use crate::fingerprint_cache::FingerprintCache;
use crate::lanes::Lanes;
use crate::limits::Limits;
use crate::operations::Operations;
use crate::readiness::{DatabaseState, MigrationState, QueueState, Readiness};
use crate::request::origin::Origin;
use crate::shared_check::SharedCheck;

/// For how long the answer of the database to `/readyz` is remembered.
const READINESS_AGE: Duration = Duration::from_secs(1);
/// For how long the activity is remembered: half of the shortest period that it shows.
const ACTIVITY_AGE: Duration = Duration::from_secs(5);
/// The age of the oldest activity that is shown.
const ACTIVITY_SHOWN: Duration = Duration::from_hours(1);

/// The state that all requests share.
#[derive(Debug)]
pub struct Api {
    /// The connections to the database.
    pub connections: Connections,
    started: OnceLock<Lanes>,
    /// Whether clients need a token.
    pub auth: AuthMode,
    /// The tokens that were valid a moment ago.
    grants: GrantCache,
    /// Determines which hosts and pages requests may come from, and the base URL of links in responses.
    pub origin: Origin,
    /// Whether a proxy's headers count.
    pub trust_proxy: bool,
    /// What clients may use, and what they use now.
    pub limits: Limits,
    /// The time limit for a new job, in seconds. Once the job has ended, it is kept for the same time.
    pub job_expiry_seconds: u32,
    /// Who is told when a job ends.
    pub destinations: Destinations,
    /// Announces new jobs to the workers.
    pub dispatch: Dispatch,
    /// Reports the changes of jobs to all API processes.
    pub notifier: Notifier,
    /// What this process is, and what it does.
    pub process: ThisProcess,
    /// Notifies waiting requests when their jobs change.
    pub job_watch: JobWatch,
    /// Recent fingerprints of the todos, for feeds.
    pub fingerprints: FingerprintCache,
    /// What operators watch.
    pub operations: Operations,
    /// Cancelled when the process begins to stop, which ends all waits.
    pub stopping: CancellationToken,
    /// Whether the database responds.
    database: SharedCheck<DatabaseState>,
    /// Whether the process could serve requests at any time.
    has_been_ready: AtomicBool,
    /// What the processes did in the last hour, or why that is not known.
    activity: SharedCheck<Result<Arc<Vec<Point>>, String>>,
    /// The result of the relay's last call to the queue.
    queue: watch::Receiver<QueueState>,
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
        connections: Connections,
        dispatch: Dispatch,
        notifier: Notifier,
        queue: watch::Receiver<QueueState>,
        metrics: PrometheusHandle,
    ) -> Self {
        Self {
            connections,
            started: OnceLock::new(),
            auth: config.auth_mode(),
            grants: GrantCache::default(),
            origin: Origin::new(
                config.public_url.clone(),
                config.allowed_hosts.clone(),
                config.trust_proxy,
            ),
            trust_proxy: config.trust_proxy,
            limits: Limits::new(&config.limits),
            job_expiry_seconds: config.job_expiry_seconds(),
            destinations: Destinations::new(&config.events),
            dispatch,
            notifier,
            process: ThisProcess::default(),
            job_watch: JobWatch::default(),
            fingerprints: FingerprintCache::default(),
            operations: Operations::new(config.queue.queue_url.clone()),
            stopping: CancellationToken::new(),
            database: SharedCheck::new(READINESS_AGE),
            has_been_ready: AtomicBool::new(false),
            activity: SharedCheck::new(ACTIVITY_AGE),
            queue,
            metrics,
        }
    }

    /// Lets queries run from now on, because the database schema is up to date.
    ///
    /// # Panics
    /// Panics outside of a tokio runtime.
    pub fn start(&self) {
        self.started.get_or_init(|| {
            let activity = self.process.activity.clone();
            Lanes::start(&self.connections, self.dispatch.clone(), activity)
        });
    }

    /// Returns whether queries may run.
    pub fn has_started(&self) -> bool {
        self.started.get().is_some()
    }

    fn lanes(&self) -> Result<&Lanes, QueryError> {
        self.started.get().ok_or(QueryError::Starting)
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
        self.lanes()?;
        Ok(self.connections.requests.run(queries).await?)
    }

    /// Returns the job with this id, or `None`. Reads it together with other requests' jobs.
    ///
    /// # Errors
    /// Returns `Starting` before [`start`](Self::start), and `Database` if the database does not answer in time.
    pub async fn find_job(&self, id: JobId) -> Result<Option<Job>, QueryError> {
        Ok(self.lanes()?.find(id).await?)
    }

    /// Stores a new job, which was requested with this token, together with other requests' jobs, and returns its id. The
    /// job is durable then.
    ///
    /// # Errors
    /// Returns `Starting` before [`start`](Self::start), and `Database` if the database refuses the job or does not answer
    /// in time. In the last case the job may be stored all the same.
    pub async fn accept_job(
        &self,
        request: CalendarRequest,
        token_name: Option<Arc<str>>,
    ) -> Result<JobId, QueryError> {
        let destinations = self.destinations.of_job(request.callback_url.as_deref());
        let accepted =
            self.lanes()?
                .accept(request, self.job_expiry_seconds, token_name, destinations);
        Ok(accepted.await?)
    }

    /// Returns what a token or a session allows, as of at most [`MAX_AGE`](crate::authentication::cache::MAX_AGE) ago, or
    /// `None` if it is not valid. Looks it up together with those of other requests. While the database does not answer, an
    /// operator's token that was valid some minutes ago still is, so that operators can see what is wrong.
    ///
    /// # Errors
    /// Returns `Starting` before [`start`](Self::start), and `Database` if the database does not answer in time.
    pub async fn find_grant(&self, hash: SecretHash) -> Result<Option<Arc<Grant>>, QueryError> {
        if let Some(grant) = self.grants.find(&hash) {
            return Ok(Some(grant));
        }
        let asked = self.grants.ask();
        let found = match self.lanes()?.find_grant(hash).await {
            Ok(found) => found.map(Arc::new),
            Err(error @ DatabaseError::Unavailable(_)) => {
                let of_operator = self.grants.find_in_outage(&hash);
                return of_operator.map(Some).ok_or(error.into());
            }
            Err(error @ DatabaseError::Query(_)) => return Err(error.into()),
        };
        self.grants.remember(hash, found.as_ref(), asked);
        Ok(found)
    }

    /// Forgets a session that has ended. Other processes forget it within a few seconds.
    pub fn end_grant(&self, hash: &SecretHash) {
        self.grants.end(hash);
    }

    /// Waits until a job has ended and returns it, in version `from` or later. Returns `None` if it has not ended within
    /// `wait`, or if the process is stopping.
    pub async fn wait_until_ended(&self, id: JobId, from: i64, wait: Duration) -> Option<Job> {
        let mut watching = self.job_watch.watch(id, from);
        let ended = watching.ended(Instant::now() + wait);
        self.stopping.run_until_cancelled(ended).await?
    }

    /// Returns what all processes did in the last hour. All callers within a few seconds share one query, because the answer
    /// is made of hundreds of rows of each process.
    ///
    /// # Errors
    /// Returns `Starting` before [`start`](Self::start), and `Database` if the database does not answer in time.
    pub async fn activity(&self) -> Result<Arc<Vec<Point>>, QueryError> {
        self.lanes()?;
        let pool = self.connections.upkeep.clone();
        let read = async move {
            let points = pool.run(|connection| activity::since(connection, ACTIVITY_SHOWN));
            let points: Result<_, DatabaseError> = points.await;
            points.map(Arc::new).map_err(|error| error.to_string())
        };
        let points = self.activity.result(read).await;
        points
            .unwrap_or_else(|| Err("reading the activity failed".to_owned()))
            .map_err(|error| DatabaseError::Unavailable(error).into())
    }

    /// Checks whether the process can serve requests. All callers within a second share one question to the database, so
    /// that nobody can make the checks of a load balancer wait.
    pub async fn readiness(&self) -> Readiness {
        let migrations = match self.started.get() {
            Some(_) => MigrationState::Done,
            None => MigrationState::Pending,
        };
        let probes = self.connections.probes.clone();
        let ping = async move {
            match probes.ping().await {
                Ok(()) => DatabaseState::Reachable,
                Err(DatabaseError::Unavailable(_) | DatabaseError::Query(_)) => {
                    DatabaseState::Unreachable
                }
            }
        };
        let database = self.database.result(ping).await;
        let database = database.unwrap_or(DatabaseState::Unreachable);
        let queue = match (&self.dispatch, database) {
            (Dispatch::Relay(_), _) => *self.queue.borrow(),
            // the queue is in the database
            (Dispatch::Notify(_), DatabaseState::Reachable) => QueueState::Reachable,
            (Dispatch::Notify(_), DatabaseState::Unreachable) => QueueState::Unreachable,
        };
        let readiness = Readiness {
            database,
            migrations,
            queue,
        };
        if readiness.is_ready() {
            self.has_been_ready.store(true, Ordering::Relaxed);
        }
        readiness
    }

    /// Returns whether [`readiness`](Self::readiness) has ever found the process ready.
    pub fn has_been_ready(&self) -> bool {
        self.has_been_ready.load(Ordering::Relaxed)
    }
}
