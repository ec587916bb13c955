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

/// A job's identity, here and on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub Uuid);

impl JobId {
    /// A new one, ordered by time (UUID version 7).
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

/// Where a job stands. The names are Celery's, as the original's clients know them.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, AsExpression, FromSqlRow,
)]
#[diesel(sql_type = Text)]
#[serde(rename_all = "UPPERCASE")]
pub enum JobStatus {
    /// Accepted, and not yet begun.
    Pending,
    /// A worker is at it.
    Started,
    /// An attempt failed; another follows.
    Retry,
    /// The calendar is there.
    Success,
    /// No calendar will come; the job's error says why.
    Failure,
    /// Cancelled.
    Revoked,
}

impl JobStatus {
    /// Every status.
    pub const ALL: [Self; 6] = [
        Self::Pending,
        Self::Started,
        Self::Retry,
        Self::Success,
        Self::Failure,
        Self::Revoked,
    ];

    /// The name in the database and in answers.
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

    /// Whether the job has ended for good.
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

/// A text that names no status.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no job status; there are PENDING, STARTED, RETRY, SUCCESS, FAILURE and REVOKED")]
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

/// What a client asked for: which todos, and in what form.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, AsExpression, FromSqlRow,
)]
#[diesel(sql_type = Jsonb)]
pub struct CalendarRequest {
    /// Which todos go in.
    #[serde(flatten)]
    pub filter: TodoFilter,
    /// What they become.
    #[serde(flatten)]
    pub options: CalendarOptions,
}

/// Why a job, or one attempt at it, failed: a word to act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The database did not answer or refused a statement.
    Database,
    /// The attempt took longer than `JOB_TIMEOUT`.
    Timeout,
    /// The renderer panicked.
    Panic,
    /// The worker was told to stop before the attempt was done.
    WorkerStopped,
    /// The calendar would have been larger than the limit; another attempt would not mend it.
    ResultTooLarge,
    /// The last allowed attempt failed, or its worker never came back.
    AttemptsExhausted,
    /// It was not done within `JOB_EXPIRY`.
    ExpiredInQueue,
    /// The queue gave its message up: it was received too often without an end.
    DeadLettered,
}

/// A failure as the job's row keeps it and its status answers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, AsExpression, FromSqlRow)]
#[diesel(sql_type = Jsonb)]
pub struct JobError {
    /// The kind of failure.
    pub code: ErrorCode,
    /// A sentence for a person, without internals.
    pub detail: String,
    /// What the last attempt failed of, when [`code`](Self::code) is `attempts_exhausted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<ErrorCode>,
}

impl JobError {
    /// A failure of one attempt.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            cause: None,
        }
    }

    /// The failure that ends a job whose last attempt failed of `self`.
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
    /// Its identity.
    pub id: JobId,
    /// Where it stands.
    pub status: JobStatus,
    /// Grows by one on every change that a client can see.
    pub version: i64,
    /// Attempts begun so far.
    pub attempt: i32,
    /// What was asked for.
    pub request: CalendarRequest,
    /// Why it failed, or why its last attempt did.
    pub error: Option<JobError>,
    /// Whether somebody asked a running job to stop.
    pub cancel_requested: bool,
    /// Todos rendered so far.
    pub progress_done: i32,
    /// Todos to render; unknown before the first attempt.
    pub progress_total: Option<i32>,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// When its first attempt began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// Until when it may wait or, once it has ended, until when it is kept.
    pub expires_at: DateTime<Utc>,
    /// Whether it has ended and is kept no longer, by the database's clock.
    pub expired: bool,
}
