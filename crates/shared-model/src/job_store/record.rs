//! What operators see of a job.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Integer, Jsonb, Nullable, Text, Timestamptz};
use uuid::Uuid;

use crate::job::{JobError, JobId, JobStatus};

/// A job as an operator sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRecord {
    /// Its id.
    pub id: JobId,
    /// Its status.
    pub status: JobStatus,
    /// How many attempts have begun since the job was accepted or last redriven.
    pub attempt: i32,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// When the first of these attempts began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// Why the job, or its last attempt, failed. `None` also if another release wrote an error that this one can't read.
    pub error: Option<JobError>,
    /// The worker that has claimed it, or that claimed it last.
    pub worker: Option<Worker>,
    /// The name of the token that it was requested with.
    pub token_name: Option<String>,
    /// The W3C trace context of the request. `None` if its trace id is the job's id.
    pub traceparent: Option<String>,
}

/// A worker that had a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// Its id among the [`processes`](crate::processes).
    pub id: i32,
    /// The name of its host. `None` if the process was forgotten because it ended long ago.
    pub host: Option<String>,
}

/// The columns of [`RecordRow`], of the tables `job` and `process`.
pub(super) const RECORD: &str =
    "job.id, job.status, job.attempt, job.created_at, job.started_at, job.finished_at, job.error,
     job.worker_id, process.host, job.token_name, job.traceparent";

/// Adds the table `process` to a query.
pub(super) const WITH_PROCESS: &str =
    "LEFT JOIN processes AS process ON process.id = job.worker_id";

/// A row of a query for [`RECORD`].
#[derive(QueryableByName)]
pub(super) struct RecordRow {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    status: JobStatus,
    #[diesel(sql_type = Integer)]
    attempt: i32,
    #[diesel(sql_type = Timestamptz)]
    created_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    started_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    finished_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Jsonb>)]
    error: Option<serde_json::Value>,
    #[diesel(sql_type = Nullable<Integer>)]
    worker_id: Option<i32>,
    #[diesel(sql_type = Nullable<Text>)]
    host: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    token_name: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    traceparent: Option<String>,
}

impl RecordRow {
    /// The job.
    pub(super) fn id(&self) -> JobId {
        JobId(self.id)
    }
}

impl From<RecordRow> for JobRecord {
    fn from(row: RecordRow) -> Self {
        Self {
            id: JobId(row.id),
            status: row.status,
            attempt: row.attempt,
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
            error: row.error.and_then(readable),
            worker: row.worker_id.map(|id| Worker { id, host: row.host }),
            token_name: row.token_name,
            traceparent: row.traceparent,
        }
    }
}

/// Returns a stored error, or `None` if another release wrote it and this one can't read it.
pub(super) fn readable(error: serde_json::Value) -> Option<JobError> {
    serde_json::from_value(error).ok()
}
