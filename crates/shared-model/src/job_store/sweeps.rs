//! Handles lost messages, overdue jobs and expired rows.
//!
//! Each sweep handles one batch, under a lock that only one process holds at a time. A process that does not get the
//! lock skips the sweep.
//!
//! No sweep reads more rows the more jobs are stored or waiting. Expired rows are found by an index. Lost and overdue
//! jobs are not, because an index for them would cost every job something: a sweep looks for them in one part of the jobs
//! that have not ended, and says where the next part begins.

use std::time::Duration;

use diesel::connection::Connection;
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::query_builder::{BoxedSqlQuery, SqlQuery};
use diesel::sql_types::{Array, BigInt, Bool, Double, Jsonb, Nullable, Text};
use uuid::Uuid;

use crate::database::DatabaseError;
use crate::job::{ErrorCode, JobError, JobId};
use crate::job_store::end::END;
use crate::job_store::entries;

/// Rows that one sweep changes or deletes at most, so that its transaction stays short.
pub const BATCH: i64 = 500;
/// Jobs in each status that one sweep looks at, at most.
pub const PART: i64 = 10_000;
/// How long a job's row outlives its result, so that its status answers 410 and not 404: 7 days, in seconds.
const TOMBSTONE_SECONDS: f64 = 7.0 * 24.0 * 3600.0;

/// What a sweep did in one part of the jobs that have not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The jobs that it changed. If they are a full batch, the same part may have more.
    pub jobs: Vec<JobId>,
    /// The job after which the next part begins, or `None` if there are no more jobs.
    pub end: Option<JobId>,
}

/// Returns messages to the outbox that the queue with the name `queue` has lost. A message is lost if its job waits for it, and has
/// waited for `after` when the message of a job arrived that was accepted later, or when the queue was empty: see
/// [`evidence`](super::evidence). The time doubles with each send, to at most eight times as long, because a queue does not keep the
/// order exactly. Looks at the part that begins after the job `begin`, and returns the jobs.
///
/// Nothing else about the job changes. If the message was not lost after all, the job has two, and the second is stale
/// when the first has done its work.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn republish_lost(
    connection: &mut PgConnection,
    queue: &str,
    after: Duration,
    begin: JobId,
) -> Result<Part, DatabaseError> {
    const IS_LOST: &str = "job.send_after IS NULL
        AND greatest(job.created_at, job.sent_at, job.retry_at, job.lease_until)
            + make_interval(secs => $4 * 2 ^ least(greatest(job.sends - 1, 0), 3))
            < (SELECT greatest(newest_delivered, empty_since) FROM queue_evidence WHERE queue = $5)";
    let republish = format!(
        "send_after = now(), history = {}",
        entries::with(entries::REPUBLISHED)
    );
    let query = sweep_part(begin, IS_LOST, &republish)
        .bind::<Double, _>(after.as_secs_f64())
        .bind::<Text, _>(queue);
    load_part(connection, begin, query)
}

/// Ends jobs in FAILURE that were not completed before they expired. Looks at the part that begins after the job `begin`,
/// and returns the jobs.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn fail_overdue(connection: &mut PgConnection, begin: JobId) -> Result<Part, DatabaseError> {
    const IS_OVERDUE: &str =
        "job.expires_at <= now() AND (job.lease_until IS NULL OR job.lease_until <= now())";
    let error = JobError::new(
        ErrorCode::ExpiredInQueue,
        "the job was not completed in time",
    );
    let history = entries::with_lost_attempt();
    let fail = format!("status = 'FAILURE', error = $4, claim = NULL, history = {history}, {END}");
    let query = sweep_part(begin, IS_OVERDUE, &fail).bind::<Jsonb, _>(&error);
    load_part(connection, begin, query)
}

/// Returns a query that changes jobs in one part which meet a condition; both name the table `job`, and their parameters
/// begin with $4.
fn sweep_part(
    begin: JobId,
    condition: &str,
    assignments: &str,
) -> BoxedSqlQuery<'static, Pg, SqlQuery> {
    // The row comparison is a range of the index by status, which is read in its order and only as far as the limit. The
    // condition is checked again for the rows that are locked, as they may have changed meanwhile.
    diesel::sql_query(format!(
        "WITH part AS MATERIALIZED (
             SELECT job.* FROM unnest(ARRAY['PENDING', 'RETRY', 'STARTED']) AS waiting (status)
             CROSS JOIN LATERAL (
                 SELECT job.id, {condition} AS is_chosen, row_number() OVER (ORDER BY job.status, job.id) AS number
                 FROM calendar_jobs AS job
                 WHERE (job.status, job.id) > (waiting.status, $1) AND job.status <= waiting.status
                   AND job.status <> 'SUCCESS'
                 ORDER BY job.status, job.id LIMIT $2) AS job),
         chosen AS MATERIALIZED (
             SELECT job.id FROM part
             CROSS JOIN LATERAL (
                 SELECT job.id FROM calendar_jobs AS job
                 WHERE job.id = part.id AND job.finished_at IS NULL AND {condition}
                 FOR NO KEY UPDATE SKIP LOCKED) AS job
             WHERE part.is_chosen LIMIT $3),
         changed AS (
             UPDATE calendar_jobs AS job SET {assignments} FROM chosen WHERE job.id = chosen.id RETURNING job.id)
         SELECT ARRAY(SELECT id FROM changed) AS jobs,
                (SELECT id FROM part WHERE number = $2 ORDER BY id LIMIT 1) AS part_end"
    ))
    .into_boxed()
    .bind::<diesel::sql_types::Uuid, _>(begin.0)
    .bind::<BigInt, _>(PART)
    .bind::<BigInt, _>(BATCH)
}

/// Runs a query for one part. If another process is running a sweep, the part is still to be looked at.
fn load_part(
    connection: &mut PgConnection,
    begin: JobId,
    query: BoxedSqlQuery<'_, Pg, SqlQuery>,
) -> Result<Part, DatabaseError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Array<diesel::sql_types::Uuid>)]
        jobs: Vec<Uuid>,
        #[diesel(sql_type = Nullable<diesel::sql_types::Uuid>)]
        part_end: Option<Uuid>,
    }
    let row = swept(connection, |connection| {
        query.get_result::<Row>(connection).map(Some)
    })?;
    Ok(match row {
        Some(row) => Part {
            jobs: row.jobs.into_iter().map(JobId).collect(),
            end: row.part_end.map(JobId),
        },
        None => Part {
            jobs: Vec::new(),
            end: Some(begin),
        },
    })
}

/// Deletes the calendars of expired jobs. The jobs themselves stay for a while, so that their status answers 410.
/// Returns the number of calendars.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn delete_expired_results(connection: &mut PgConnection) -> Result<usize, DatabaseError> {
    swept(connection, |connection| {
        // The rows are not locked first: that would need the right to change them, and only sweeps delete them.
        diesel::sql_query(
            "WITH expired AS MATERIALIZED (
                 SELECT job_id FROM calendar_results WHERE expires_at <= now() ORDER BY expires_at LIMIT $1)
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

/// The events that a sweep has deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, QueryableByName)]
pub struct OldEvents {
    /// How many there were.
    #[diesel(sql_type = BigInt)]
    pub deleted: i64,
    /// How many of them had not been given up, so that they were still to be sent.
    #[diesel(sql_type = BigInt)]
    pub waiting: i64,
}

/// Deletes events that are older than 7 days: those that were given up, and those that have been due for 7 days, as when
/// their destinations are no longer configured. An event that an operator has just retried is not deleted. Returns
/// their numbers.
///
/// Looks at the oldest [`BATCH`] events. If operators have just retried all of these, no younger event is deleted before
/// some of them have been delivered or given up.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn delete_old_events(connection: &mut PgConnection) -> Result<OldEvents, DatabaseError> {
    swept(connection, |connection| {
        // the ids are in the order of time
        diesel::sql_query(
            "WITH oldest AS MATERIALIZED (SELECT id, created_at FROM event_deliveries ORDER BY id LIMIT $1),
             old AS (
                 DELETE FROM event_deliveries AS delivery USING oldest
                 WHERE delivery.id = oldest.id
                   AND greatest(delivery.created_at, delivery.due_at) <= now() - make_interval(secs => $2)
                 RETURNING due_at)
             SELECT count(*) AS deleted, count(due_at) AS waiting FROM old",
        )
        .bind::<BigInt, _>(BATCH)
        .bind::<Double, _>(TOMBSTONE_SECONDS)
        .get_result(connection)
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
        // Without bitmaps, PostgreSQL reads an index in its order, and only as far as a limit allows.
        let row: Row = diesel::sql_query(
            "SELECT pg_try_advisory_xact_lock($1) AS locked, set_config('enable_bitmapscan', 'off', true)",
        )
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
