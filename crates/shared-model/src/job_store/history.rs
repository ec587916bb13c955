//! What happened to a job, from its acceptance to its end.
//!
//! The row of a job tells its usual life: when it was accepted, when its message was sent, which worker claimed it last,
//! and how it ended. What the row forgot is in its column `history`, at most the latest 100 entries: attempts that were
//! followed by others, messages that were lost, and redrives.
//!
//! # Layout
//! - [`history`], [`JobHistory`]: a job and its steps
//! - `stored`: the columns and the entries
//! - `steps`: the steps that follow from them

mod steps;
mod stored;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, Integer, Text};
use serde::Deserialize;

use super::failed::Redriver;
use super::record::{JobRecord, RECORD, WITH_PROCESS, Worker};
use crate::database::DatabaseError;
use crate::job::{JobError, JobId, JobStatus};
use stored::Stored;

/// A job and what happened to it.
#[derive(Debug, Clone, PartialEq)]
pub struct JobHistory {
    /// The job.
    pub job: JobRecord,
    /// What happened to it, in order of time.
    pub steps: Vec<Step>,
    /// Whether steps between the acceptance and the next one are not kept.
    pub is_truncated: bool,
}

/// Something that happened to a job.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub event: Event,
}

/// What happened to a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The API accepted it.
    Accepted,
    /// The queue accepted its message. If a worker claimed the job before that was recorded, there is no such step.
    Published,
    /// A worker claimed it and began an attempt.
    Attempt(Attempt),
    /// Its message was lost, and is sent again.
    Republished,
    /// An operator redrove it: it is PENDING again.
    Redriven {
        /// Who. `None` if another release wrote something that this one can't read.
        by: Option<Redriver>,
    },
    /// It ended.
    Ended {
        /// How.
        status: JobStatus,
        /// Why it failed.
        error: Option<JobError>,
    },
}

/// One attempt at a job.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// Its number, from 1. After a redrive, the attempts count from 1 again.
    pub number: i32,
    /// Who made it. `None` if the worker could not say who it is.
    pub worker: Option<Worker>,
    /// When it ended, or its lease ran out. `None` while it runs.
    pub ended_at: Option<DateTime<Utc>>,
    /// How it ended. `None` while it runs.
    pub end: Option<AttemptEnd>,
    /// Why it failed, if another attempt may follow. The error of the last attempt is that of the job.
    pub error: Option<JobError>,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptEnd {
    /// The calendar was stored.
    Success,
    /// It was the last one, and failed.
    Failure,
    /// A client cancelled the job.
    Revoked,
    /// It failed, and another one follows.
    Retry,
    /// Its worker did not renew the claim. Another worker took the job over, or the job ended.
    Lost,
}

impl AttemptEnd {
    /// Returns its name in responses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Revoked => "revoked",
            Self::Retry => "retry",
            Self::Lost => "lost",
        }
    }
}

/// Returns a job and what happened to it, or `None` if there is no such job.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn history(
    connection: &mut PgConnection,
    id: JobId,
) -> Result<Option<JobHistory>, DatabaseError> {
    let query = diesel::sql_query(format!(
        "SELECT {RECORD}, job.sent_at, job.claimed_at, job.history
         FROM calendar_jobs AS job {WITH_PROCESS} WHERE job.id = $1"
    ))
    .bind::<diesel::sql_types::Uuid, _>(id.0);
    let Some(stored) = query.get_result::<Stored>(connection).optional()? else {
        return Ok(None);
    };
    let (job, lasting) = stored.parts();
    let hosts = hosts(connection, lasting.worker_ids())?;
    let steps = steps::steps(&job, &lasting, &hosts);
    Ok(Some(JobHistory {
        job,
        steps,
        is_truncated: lasting.is_truncated,
    }))
}

/// The hosts of processes.
fn hosts(
    connection: &mut PgConnection,
    ids: Vec<i32>,
) -> Result<HashMap<i32, String>, DatabaseError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Integer)]
        id: i32,
        #[diesel(sql_type = Text)]
        host: String,
    }
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<Row> = diesel::sql_query("SELECT id, host FROM processes WHERE id = ANY ($1)")
        .bind::<Array<Integer>, _>(ids)
        .load(connection)?;
    Ok(rows.into_iter().map(|row| (row.id, row.host)).collect())
}
