//! A job: one request for a calendar, from its acceptance to its end.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::{Jsonb, Text};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::calendar_options::CalendarOptions;
use crate::todo::TodoFilter;

/// The id of a job, in the database and on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub Uuid);

impl JobId {
    /// Returns a new id. Ids are ordered by time (UUID version 7).
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl Default for JobId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The status of a job. The names are Celery's, because clients of the original expect them.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, AsExpression, FromSqlRow,
)]
#[diesel(sql_type = Text)]
#[serde(rename_all = "UPPERCASE")]
pub enum JobStatus {
    /// Accepted; no attempt has begun.
    Pending,
    /// A worker runs it.
    Started,
    /// An attempt failed; another follows.
    Retry,
    /// The calendar is stored.
    Success,
    /// The job failed; its error says why.
    Failure,
    /// Cancelled.
    Revoked,
}

impl JobStatus {
    /// Every status, in the order of a job's life.
    pub const ALL: [Self; 6] = [
        Self::Pending,
        Self::Started,
        Self::Retry,
        Self::Success,
        Self::Failure,
        Self::Revoked,
    ];

    /// Returns the name in the database and in responses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Started => "STARTED",
            Self::Retry => "RETRY",
            Self::Success => "SUCCESS",
            Self::Failure => "FAILURE",
            Self::Revoked => "REVOKED",
        }
    }

    /// Returns whether the job has ended.
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Success | Self::Failure | Self::Revoked => true,
            Self::Pending | Self::Started | Self::Retry => false,
        }
    }
}

impl fmt::Display for JobStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The error for a text that names no status.
#[derive(Debug, thiserror::Error)]
#[error("unknown job status {0:?}; expected PENDING, STARTED, RETRY, SUCCESS, FAILURE or REVOKED")]
pub struct UnknownStatus(String);

impl FromStr for JobStatus {
    type Err = UnknownStatus;

    fn from_str(name: &str) -> Result<Self, UnknownStatus> {
        Self::ALL
            .into_iter()
            .find(|status| status.name() == name)
            .ok_or_else(|| UnknownStatus(name.to_owned()))
    }
}

impl ToSql<Text, Pg> for JobStatus {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        ToSql::<Text, Pg>::to_sql(self.name(), out)
    }
}

impl FromSql<Text, Pg> for JobStatus {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        Ok(<String as FromSql<Text, Pg>>::from_sql(value)?.parse()?)
    }
}

/// The calendar that a client asked for: which todos, in what form, and who is told when it is ready.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, AsExpression, FromSqlRow,
)]
#[diesel(sql_type = Jsonb)]
pub struct CalendarRequest {
    /// Which todos the calendar contains.
    #[serde(flatten)]
    pub filter: TodoFilter,
    /// How each todo appears.
    #[serde(flatten)]
    pub options: CalendarOptions,
    /// The URL that is told when the job ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<String>,
}

/// Why a job, or one attempt, failed: a code that programs can act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The database did not answer, or it rejected a statement.
    Database,
    /// The attempt took longer than `JOB_TIMEOUT`.
    Timeout,
    /// The renderer panicked.
    Panic,
    /// The worker stopped before the attempt ended.
    WorkerStopped,
    /// The calendar exceeds the size limit; another attempt would fail as well.
    ResultTooLarge,
    /// The last allowed attempt failed, or its worker died.
    AttemptsExhausted,
    /// The job was not completed within `JOB_EXPIRY`.
    ExpiredInQueue,
    /// The queue moved the job's message to the dead-letter queue: it was received too often without being deleted.
    DeadLettered,
}

/// A failure, as the job's row stores it and its status reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, AsExpression, FromSqlRow)]
#[diesel(sql_type = Jsonb)]
pub struct JobError {
    /// The kind of failure.
    pub code: ErrorCode,
    /// A sentence for people, without internal details.
    pub detail: String,
    /// Why the last attempt failed, if [`code`](Self::code) is `attempts_exhausted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<ErrorCode>,
}

impl JobError {
    /// Returns the failure of one attempt.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            cause: None,
        }
    }

    /// Returns the failure of a job whose last attempt failed with `self`.
    #[must_use]
    pub fn after_last_attempt(self, attempts: i32) -> Self {
        Self {
            code: ErrorCode::AttemptsExhausted,
            detail: format!("the last of {attempts} attempts failed: {}", self.detail),
            cause: Some(self.code),
        }
    }
}

macro_rules! stored_as_jsonb {
    ($($type:ty),*) => {$(
        impl ToSql<Jsonb, Pg> for $type {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
                let value = serde_json::to_value(self)?;
                ToSql::<Jsonb, Pg>::to_sql(&value, &mut out.reborrow())
            }
        }

        impl FromSql<Jsonb, Pg> for $type {
            fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
                let value = <serde_json::Value as FromSql<Jsonb, Pg>>::from_sql(value)?;
                Ok(serde_json::from_value(value)?)
            }
        }
    )*};
}
stored_as_jsonb!(CalendarRequest, JobError);

/// A job as a client sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Its status.
    pub status: JobStatus,
    /// Grows by one with every change that a client can see.
    pub version: i64,
    /// How many attempts have begun.
    pub attempt: i32,
    /// The calendar that the client asked for.
    pub request: CalendarRequest,
    /// Why the job, or its last attempt, failed.
    pub error: Option<JobError>,
    /// Whether a client has asked the running job to stop.
    pub cancel_requested: bool,
    /// Todos rendered so far.
    pub progress_done: i32,
    /// Todos to render; `None` until the first attempt has counted them.
    pub progress_total: Option<i32>,
    /// Todos that the calendar leaves out, because they have no deadline; `None` until the job has succeeded.
    pub skipped_count: Option<i32>,
    /// When the job was accepted.
    pub created_at: DateTime<Utc>,
    /// When the first attempt began.
    pub started_at: Option<DateTime<Utc>>,
    /// When the job ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// The deadline for its completion or, once it has ended, the time until which it is kept.
    pub expires_at: DateTime<Utc>,
    /// Whether it has ended and `expires_at` has passed, by the database's clock.
    pub expired: bool,
}
