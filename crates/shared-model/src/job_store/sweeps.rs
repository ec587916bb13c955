//! What time or a lost message has overtaken. Each sweep takes a batch, under a lock that one process at a time holds;
//! who does not get the lock leaves it to the other.

use std::time::Duration;

use diesel::connection::Connection;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Double, Jsonb};

use crate::database::DatabaseError;
use crate::job::{ErrorCode, JobError};

/// Rows of one sweep: each takes a short transaction.
pub const BATCH: i64 = 500;
/// How long a job's row outlives its result, so that its status answers 410 and not 404: 7 days.
const TOMBSTONE_SECONDS: f64 = 7.0 * 24.0 * 3600.0;

/// Sends jobs again whose message seems to be lost: published `after` ago, due since, and held by no worker. Each time
/// the wait doubles, as the queue may only be long.
///
/// # Errors
/// When the database does not answer.
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

/// Ends jobs in FAILURE that were not done before they expired.
///
/// # Errors
/// When the database does not answer.
pub fn fail_overdue(connection: &mut PgConnection) -> Result<usize, DatabaseError> {
    let error = JobError::new(ErrorCode::ExpiredInQueue, "the job was not done in time");
    swept(connection, |connection| {
        diesel::sql_query(
            "UPDATE calendar_jobs
             SET status = 'FAILURE', version = version + 1, error = $1, lease_until = NULL,
                 finished_at = now(), expires_at = now() + expiry
             WHERE id IN (
                 SELECT id FROM calendar_jobs
                 WHERE status IN ('PENDING', 'RETRY', 'STARTED') AND expires_at <= now()
                   AND (lease_until IS NULL OR lease_until <= now())
                 LIMIT $2 FOR UPDATE SKIP LOCKED)",
        )
        .bind::<Jsonb, _>(&error)
        .bind::<BigInt, _>(BATCH)
        .execute(connection)
    })
}

/// Deletes the calendars of expired jobs. The jobs themselves stay for a while, and answer that they are gone.
///
/// # Errors
/// When the database does not answer.
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

/// Deletes the jobs that expired long ago.
///
/// # Errors
/// When the database does not answer.
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

/// Runs one sweep unless another process is at one; 0 then.
fn swept(
    connection: &mut PgConnection,
    sweep: impl FnOnce(&mut PgConnection) -> QueryResult<usize>,
) -> Result<usize, DatabaseError> {
    /// Any number will do, as long as every release uses the same.
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
