//! Handles lost messages, overdue jobs and expired rows.
//!
//! Each sweep handles one batch, under a lock that only one process holds at a time. A process that does not get the
//! lock skips the sweep.

use std::time::Duration;

use diesel::connection::Connection;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Double, Jsonb, Text};
use uuid::Uuid;

use crate::database::DatabaseError;
use crate::job::{ErrorCode, JobError, JobId};
use crate::job_store::end::END;

/// Rows that one sweep handles at most, so that its transaction stays short.
pub const BATCH: i64 = 500;
/// How long a job's row outlives its result, so that its status answers 410 and not 404: 7 days, in seconds.
const TOMBSTONE_SECONDS: f64 = 7.0 * 24.0 * 3600.0;

/// Returns messages to the outbox that the queue `queue_url` has lost. A message is lost if its job waits for it, and has
/// waited for `after` when the message of a job arrived that was accepted later, or when the queue was empty: see
/// [`evidence`](super::evidence). The time doubles with each send, up to eight times, because a queue does not keep the
/// order exactly. Returns the number of jobs.
///
/// Nothing else about the job changes. If the message was not lost after all, the job has two, and the second is stale
/// when the first has done its work.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn republish_lost(
    connection: &mut PgConnection,
    queue_url: &str,
    after: Duration,
) -> Result<usize, DatabaseError> {
    swept(connection, |connection| {
        diesel::sql_query(
            "WITH lost AS MATERIALIZED (
                 SELECT job.id FROM calendar_jobs AS job, queue_evidence AS evidence
                 WHERE evidence.queue_url = $1
                   AND job.status IN ('PENDING', 'RETRY', 'STARTED') AND job.status <> 'SUCCESS'
                   AND job.send_after IS NULL
                   AND greatest(job.created_at, job.sent_at, job.retry_at, job.lease_until)
                       + make_interval(secs => $2 * 2 ^ least(greatest(job.sends - 1, 0), 3))
                       < greatest(evidence.newest_delivered, evidence.empty_since)
                 LIMIT $3 FOR NO KEY UPDATE OF job SKIP LOCKED)
             UPDATE calendar_jobs AS job SET send_after = now() FROM lost WHERE job.id = lost.id",
        )
        .bind::<Text, _>(queue_url)
        .bind::<Double, _>(after.as_secs_f64())
        .bind::<BigInt, _>(BATCH)
        .execute(connection)
    })
}

/// Ends jobs in FAILURE that were not completed before they expired. Returns the jobs.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn fail_overdue(connection: &mut PgConnection) -> Result<Vec<JobId>, DatabaseError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Uuid)]
        id: Uuid,
    }
    let error = JobError::new(
        ErrorCode::ExpiredInQueue,
        "the job was not completed in time",
    );
    let rows: Vec<Row> = swept(connection, |connection| {
        diesel::sql_query(format!(
            "WITH overdue AS MATERIALIZED (
                 SELECT id FROM calendar_jobs
                 WHERE status IN ('PENDING', 'RETRY', 'STARTED') AND status <> 'SUCCESS' AND expires_at <= now()
                   AND (lease_until IS NULL OR lease_until <= now())
                 LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)
             UPDATE calendar_jobs AS job SET status = 'FAILURE', error = $1, claim = NULL, {END}
             FROM overdue WHERE job.id = overdue.id RETURNING job.id"
        ))
        .bind::<Jsonb, _>(&error)
        .bind::<BigInt, _>(BATCH)
        .load(connection)
    })?;
    Ok(rows.into_iter().map(|row| JobId(row.id)).collect())
}

/// Deletes the calendars of expired jobs. The jobs themselves stay for a while, so that their status answers 410.
/// Returns the number of calendars.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn delete_expired_results(connection: &mut PgConnection) -> Result<usize, DatabaseError> {
    swept(connection, |connection| {
        diesel::sql_query(
            "WITH expired AS MATERIALIZED (
                 SELECT job_id FROM calendar_results WHERE expires_at <= now()
                 ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)
             DELETE FROM calendar_results AS result USING expired WHERE result.job_id = expired.job_id",
        )
        .bind::<BigInt, _>(BATCH)
        .execute(connection)
    })
}

/// Deletes jobs that expired more than 7 days ago. Returns their number.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn delete_expired_jobs(connection: &mut PgConnection) -> Result<usize, DatabaseError> {
    swept(connection, |connection| {
        diesel::sql_query(
            "WITH expired AS MATERIALIZED (
                 SELECT id FROM calendar_jobs
                 WHERE finished_at IS NOT NULL AND expires_at <= now() - make_interval(secs => $1)
                 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED),
             results AS (DELETE FROM calendar_results AS result USING expired WHERE result.job_id = expired.id)
             DELETE FROM calendar_jobs AS job USING expired WHERE job.id = expired.id",
        )
        .bind::<Double, _>(TOMBSTONE_SECONDS)
        .bind::<BigInt, _>(BATCH)
        .execute(connection)
    })
}

/// Runs one sweep and returns what it returns; nothing if another process is running one.
fn swept<T: Default>(
    connection: &mut PgConnection,
    sweep: impl FnOnce(&mut PgConnection) -> QueryResult<T>,
) -> Result<T, DatabaseError> {
    /// An arbitrary number that every release has to share.
    const ADVISORY_LOCK: i64 = 0x7461_736b_6f77;

    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Bool)]
        locked: bool,
    }
    let swept = connection.transaction(|connection| {
        let row: Row = diesel::sql_query("SELECT pg_try_advisory_xact_lock($1) AS locked")
            .bind::<BigInt, _>(ADVISORY_LOCK)
            .get_result(connection)?;
        if row.locked {
            sweep(connection)
        } else {
            Ok(T::default())
        }
    });
    Ok(swept?)
}
