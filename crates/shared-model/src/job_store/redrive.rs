//! Failed jobs that an operator retries once the cause is fixed, and jobs whose message is in the dead-letter queue.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, Integer, Jsonb, Nullable, Timestamptz};
use uuid::Uuid;

use crate::database::DatabaseError;
use crate::job::{ErrorCode, JobError, JobId};
use crate::job_store::end::END;
use crate::job_store::entries;

/// Returns failed jobs to PENDING, in a new generation and with all their attempts left. Messages of the old generation
/// become stale. `None` means every failed job that has not expired. Returns the jobs that are PENDING again.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn redrive(
    connection: &mut PgConnection,
    ids: Option<&[JobId]>,
) -> Result<Vec<JobId>, DatabaseError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Uuid)]
        id: Uuid,
    }
    let ids = ids.map(|ids| ids.iter().map(|id| id.0).collect::<Vec<_>>());
    let rows: Vec<Row> = diesel::sql_query(format!(
        "UPDATE calendar_jobs AS job
         SET status = 'PENDING', version = version + 1, generation = generation + 1, attempt = 0, error = NULL,
             cancel_requested = false, progress_done = 0, progress_total = NULL,
             worker_id = NULL, claimed_at = NULL, send_after = now(), sends = sends + 1, sent_at = NULL, started_at = NULL,
             finished_at = NULL, expires_at = now() + expiry, history = {}
         WHERE status = 'FAILURE' AND status <> 'SUCCESS' AND expires_at > now() AND ($1 IS NULL OR id = ANY ($1))
         RETURNING id",
        entries::with(entries::REDRIVEN)
    ))
    .bind::<Nullable<Array<diesel::sql_types::Uuid>>, _>(ids)
    .load(connection)?;
    Ok(rows.into_iter().map(|row| JobId(row.id)).collect())
}

/// A job that failed.
#[derive(Debug, Clone, PartialEq, QueryableByName)]
pub struct FailedJob {
    /// The job.
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    pub id: Uuid,
    /// How many attempts were made.
    #[diesel(sql_type = Integer)]
    pub attempt: i32,
    /// When it ended.
    #[diesel(sql_type = Timestamptz)]
    pub finished_at: DateTime<Utc>,
    /// Why it failed.
    #[diesel(sql_type = Nullable<Jsonb>)]
    pub error: Option<JobError>,
}

/// Returns the failed jobs that have not expired, the latest first.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn list_failed(connection: &mut PgConnection) -> Result<Vec<FailedJob>, DatabaseError> {
    Ok(diesel::sql_query(
        "SELECT id, attempt, finished_at, error FROM calendar_jobs
         WHERE status = 'FAILURE' AND expires_at > now() ORDER BY finished_at DESC, id",
    )
    .load(connection)?)
}

/// What happened to a job whose message is in the dead-letter queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GivenUp {
    /// The job is now in FAILURE.
    Failed,
    /// The message was stale: the job had ended, is gone, or was redriven since.
    Stale,
    /// The job has been claimed, so another copy of its message is at work, or the message will count as lost.
    Claimed,
}

/// Ends a job in FAILURE because its message of this generation is in the dead-letter queue. Only a job that was never
/// claimed ends: copies of the message of a running job can get there too.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn give_up(
    connection: &mut PgConnection,
    id: JobId,
    generation: i32,
) -> Result<GivenUp, DatabaseError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Bool)]
        failed: bool,
    }
    let error = JobError::new(
        ErrorCode::DeadLettered,
        "the queue moved the job's message to the dead-letter queue: it was delivered too often without being completed",
    );
    let row: Option<Row> = diesel::sql_query(format!(
        "WITH job AS MATERIALIZED (
             SELECT id, status FROM calendar_jobs
             WHERE id = $1 AND generation = $2 AND status IN ('PENDING', 'RETRY', 'STARTED') FOR NO KEY UPDATE),
         failed AS (
             UPDATE calendar_jobs SET status = 'FAILURE', error = $3, {END}
             WHERE id IN (SELECT id FROM job WHERE status = 'PENDING') RETURNING id)
         SELECT EXISTS (SELECT FROM failed) AS failed FROM job"
    ))
    .bind::<diesel::sql_types::Uuid, _>(id.0)
    .bind::<Integer, _>(generation)
    .bind::<Jsonb, _>(&error)
    .get_result(connection)
    .optional()?;
    Ok(match row {
        None => GivenUp::Stale,
        Some(Row { failed: true }) => GivenUp::Failed,
        Some(Row { failed: false }) => GivenUp::Claimed,
    })
}
