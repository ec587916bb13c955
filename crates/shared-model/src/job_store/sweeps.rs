//! Handles lost messages, overdue jobs and expired rows.
//!
//! Each sweep handles one batch, under a lock that only one process holds at a time. A process that does not get the
//! lock skips the sweep.

use std::time::Duration;

use diesel::connection::Connection;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Double, Jsonb};

use crate::database::DatabaseError;
use crate::job::{ErrorCode, JobError};
use crate::job_store::end::END;

/// Rows that one sweep handles at most, so that its transaction stays short.
pub const BATCH: i64 = 500;
/// How long a job's row outlives its result, so that its status answers 410 and not 404: 7 days, in seconds.
const TOMBSTONE_SECONDS: f64 = 7.0 * 24.0 * 3600.0;

/// Returns jobs to the outbox whose message seems to be lost: for at least `after`, it has been published and due, and
/// no worker has had a claim. The wait doubles each time, because the message may only be waiting in a long queue.
/// Returns the number of jobs.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn republish_lost(
    connection: &mut PgConnection,
    after: Duration,
) -> Result<usize, DatabaseError> {
    swept(connection, |connection| {
        diesel::sql_query(
            "UPDATE calendar_jobs
             SET generation = generation + 1, version = version + 1, published_at = NULL, publish_lease_until = '-infinity',
                 status = CASE status WHEN 'STARTED' THEN 'RETRY' ELSE status END, lease_until = NULL
             WHERE id IN (
                 SELECT id FROM calendar_jobs
                 WHERE status IN ('PENDING', 'RETRY', 'STARTED')
                   AND (published_at IS NOT NULL OR status = 'STARTED')
                   AND greatest(published_at, not_before, lease_until)
                       <= now() - make_interval(secs => $1 * 2 ^ least(generation - 1, 10))
                 ORDER BY published_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
        )
        .bind::<Double, _>(after.as_secs_f64())
        .bind::<BigInt, _>(BATCH)
        .execute(connection)
    })
}

/// Ends jobs in FAILURE that were not completed before they expired. Returns their number.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn fail_overdue(connection: &mut PgConnection) -> Result<usize, DatabaseError> {
    let error = JobError::new(
        ErrorCode::ExpiredInQueue,
        "the job was not completed in time",
    );
    swept(connection, |connection| {
        diesel::sql_query(format!(
            "UPDATE calendar_jobs SET status = 'FAILURE', error = $1, {END}
             WHERE id IN (
                 SELECT id FROM calendar_jobs
                 WHERE status IN ('PENDING', 'RETRY', 'STARTED') AND expires_at <= now()
                   AND (lease_until IS NULL OR lease_until <= now())
                 LIMIT $2 FOR UPDATE SKIP LOCKED)"
        ))
        .bind::<Jsonb, _>(&error)
        .bind::<BigInt, _>(BATCH)
        .execute(connection)
    })
}

/// Deletes the calendars of expired jobs. The jobs themselves stay for a while, so that their status answers 410.
/// Returns the number of calendars.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn delete_expired_results(connection: &mut PgConnection) -> Result<usize, DatabaseError> {
    swept(connection, |connection| {
        diesel::sql_query(
            "DELETE FROM calendar_results WHERE job_id IN (
                 SELECT job_id FROM calendar_results WHERE expires_at <= now()
                 ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)",
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
            "DELETE FROM calendar_jobs WHERE id IN (
                 SELECT id FROM calendar_jobs
                 WHERE finished_at IS NOT NULL AND expires_at <= now() - make_interval(secs => $1)
                 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
        )
        .bind::<Double, _>(TOMBSTONE_SECONDS)
        .bind::<BigInt, _>(BATCH)
        .execute(connection)
    })
}

/// Runs one sweep and returns the number of rows; 0 if another process is running one.
fn swept(
    connection: &mut PgConnection,
    sweep: impl FnOnce(&mut PgConnection) -> QueryResult<usize>,
) -> Result<usize, DatabaseError> {
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
        if row.locked { sweep(connection) } else { Ok(0) }
    });
    Ok(swept?)
}
