//! Statements that many requests share: see [`shared_model::batch_lane`].
//!
//! # Layout
//! - `accept`: stores new jobs
//! - `grants`: reads what tokens allow
//! - `read`: reads the state of jobs

mod accept;
mod grants;
mod read;

use std::sync::Arc;
use std::time::Duration;

use shared_model::activity::Activity;
use shared_model::batch_lane::{Lane, LaneLimits};
use shared_model::database::DatabaseError;
use shared_model::job::{CalendarRequest, Job, JobId};
use shared_model::trace::{self, Operation, Span};

use crate::authentication::grants::Grant;
use crate::authentication::secret::SecretHash;
use crate::background::dispatch::Dispatch;
use crate::connections::Connections;
use accept::{Accept, WantedJob};
use grants::FindGrants;
use read::Read;

/// The most jobs that one statement stores.
const ACCEPT_BATCH: usize = 256;
/// The most jobs that one statement reads.
const READ_BATCH: usize = 256;
/// The most tokens that one statement looks up.
const GRANTS_BATCH: usize = 256;
/// How long a request waits for its lane: as long as one statement may take.
const WAIT: Duration = Duration::from_secs(15);

/// The lanes of the process.
#[derive(Debug)]
pub struct Lanes {
    accept: Lane<WantedJob, ()>,
    grants: Lane<SecretHash, Option<Grant>>,
    read: Lane<JobId, Option<Job>>,
}

impl Lanes {
    /// Starts the lanes, as tasks of the current runtime. `dispatch` and `activity` learn of each job that is
    /// stored.
    ///
    /// # Panics
    /// Panics outside of a tokio runtime.
    pub fn start(connections: &Connections, dispatch: Dispatch, activity: Activity) -> Self {
        let pool = &connections.lanes;
        let accept = Accept {
            pool: pool.clone(),
            dispatch,
            activity,
        };
        Self {
            accept: Lane::start(LaneLimits::items(ACCEPT_BATCH), accept),
            grants: Lane::start(
                LaneLimits::items(GRANTS_BATCH),
                FindGrants { pool: pool.clone() },
            ),
            read: Lane::start(LaneLimits::items(READ_BATCH), Read { pool: pool.clone() }),
        }
    }

    /// Stores a new job, which was requested with this token, and returns its id. The job is durable then. The destinations
    /// are told when it ends.
    ///
    /// # Errors
    /// Returns an error if the database refuses the job, or does not answer in time. In the second case the job may be
    /// stored all the same.
    pub async fn accept(
        &self,
        request: CalendarRequest,
        expiry_seconds: u32,
        token_name: Option<Arc<str>>,
        event_destinations: Vec<String>,
    ) -> Result<JobId, DatabaseError> {
        let mut span = Span::operation(Operation::Accept);
        let (id, traceparent) = trace::new_job(&mut span);
        let id = JobId(id);
        let job = WantedJob {
            id,
            request,
            expiry_seconds,
            token_name,
            traceparent,
            event_destinations,
        };
        let accepted = within_limit(self.accept.call(job)).await;
        accepted.inspect_err(|_| span.fail("database"))?;
        Ok(id)
    }

    /// Returns the job with this id, or `None`.
    ///
    /// # Errors
    /// Returns an error if the database does not answer in time.
    pub async fn find(&self, id: JobId) -> Result<Option<Job>, DatabaseError> {
        within_limit(self.read.call(id)).await
    }

    /// Returns what a token or a session allows, or `None` if it is not valid.
    ///
    /// # Errors
    /// Returns an error if the database does not answer in time.
    pub async fn find_grant(&self, hash: SecretHash) -> Result<Option<Grant>, DatabaseError> {
        within_limit(self.grants.call(hash)).await
    }
}

async fn within_limit<T>(
    call: impl Future<Output = Result<T, DatabaseError>>,
) -> Result<T, DatabaseError> {
    tokio::time::timeout(WAIT, call)
        .await
        .unwrap_or_else(|_elapsed| {
            Err(DatabaseError::Unavailable(
                "it did not answer in time".to_owned(),
            ))
        })
}
