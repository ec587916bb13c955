//! Claims from the table of jobs itself, for the queue `postgres:`.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Double, Integer, Jsonb, Nullable, Text};
use uuid::Uuid;

use super::finish::end_abandoned;
use super::{CLAIM, CLAIM_ROW, Claim, ClaimOptions, ClaimRow, HAS_CRASHED, MAX_SHARED_CRASHES};
use crate::database::{DatabaseError, prepared};
use crate::job::{ErrorCode, JobError, JobId, JobStatus};
use crate::job_store::entries;
use crate::trace::Trace;

/// Claims at most `limit` jobs in PENDING that were accepted after the job `after`, the oldest first. Skips jobs that
/// other sessions have locked. Each gets the claim `claim`, which must be new.
///
/// # Errors
/// Returns an error if the database does not answer. Jobs may then be claimed all the same: see [`find_claimed`].
pub fn claim_pending(
    connection: &mut PgConnection,
    options: ClaimOptions,
    claim: Uuid,
    after: JobId,
    limit: i64,
) -> Result<Vec<Claim>, DatabaseError> {
    // The row comparison is a range of the index by status. With `status = 'PENDING'` in its place, PostgreSQL might
    // choose to search the primary key, and visit every finished job first.
    let query = diesel::sql_query(format!(
        "WITH due AS MATERIALIZED (
             SELECT id FROM calendar_jobs
             WHERE (status, id) > ('PENDING', $1) AND status <= 'PENDING' AND status <> 'SUCCESS'
             ORDER BY status, id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)
         UPDATE calendar_jobs AS job
         SET {CLAIM}, claim = $3, worker_id = $5, claimed_at = now(), attempt = attempt + 1,
             lease_until = now() + make_interval(secs => $4)
         FROM due WHERE job.id = due.id
         RETURNING {CLAIM_ROW}, false AS is_suspect"
    ))
    .bind::<diesel::sql_types::Uuid, _>(after.0)
    .bind::<BigInt, _>(limit)
    .bind::<diesel::sql_types::Uuid, _>(claim)
    .bind::<Double, _>(options.lease.as_secs_f64())
    .bind::<Nullable<Integer>, _>(options.worker_id);
    let rows: Vec<ClaimRow> = prepared(query).load(connection)?;
    Ok(rows.into_iter().filter_map(ClaimRow::claim).collect())
}

/// Claims at most `limit` jobs whose backoff has ended, or whose worker let its claim run out. Otherwise like
/// [`claim_pending`].
///
/// # Errors
/// Returns an error if the database does not answer. Jobs may then be claimed all the same: see [`find_claimed`].
pub fn claim_due(
    connection: &mut PgConnection,
    options: ClaimOptions,
    claim: Uuid,
    limit: i64,
) -> Result<Vec<Claim>, DatabaseError> {
    let history = entries::with_lost_attempt();
    let query = diesel::sql_query(format!(
        "WITH retried AS MATERIALIZED (
             SELECT id, attempt >= $3 AND {HAS_CRASHED} AS is_suspect FROM calendar_jobs AS job
             WHERE status = 'RETRY' AND retry_at <= now() AND attempt < $1
             ORDER BY retry_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED),
         abandoned AS MATERIALIZED (
             SELECT id, attempt >= $3 AS is_suspect FROM calendar_jobs
             WHERE status = 'STARTED' AND lease_until <= now() AND attempt < $1 AND NOT cancel_requested
             LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED),
         due AS (SELECT * FROM retried UNION ALL SELECT * FROM abandoned LIMIT $2)
         UPDATE calendar_jobs AS job
         SET {CLAIM}, claim = $4, worker_id = $6, claimed_at = now(), attempt = attempt + 1,
             lease_until = now() + make_interval(secs => $5), history = {history}
         FROM due WHERE job.id = due.id
         RETURNING {CLAIM_ROW}, due.is_suspect"
    ))
    .bind::<Integer, _>(options.max_attempts)
    .bind::<BigInt, _>(limit)
    .bind::<Integer, _>(MAX_SHARED_CRASHES)
    .bind::<diesel::sql_types::Uuid, _>(claim)
    .bind::<Double, _>(options.lease.as_secs_f64())
    .bind::<Nullable<Integer>, _>(options.worker_id);
    let rows: Vec<ClaimRow> = prepared(query).load(connection)?;
    Ok(rows.into_iter().filter_map(ClaimRow::claim).collect())
}

/// Returns the running jobs with this claim: those that a call claimed whose answer was lost. As in a repeated
/// [`claim_delivered`](super::claim_delivered), a job counts as a suspect if it has had enough attempts for one: it is not
/// known any more how they ended, and a process of its own does no harm.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn find_claimed(
    connection: &mut PgConnection,
    claim: Uuid,
) -> Result<Vec<Claim>, DatabaseError> {
    let rows: Vec<ClaimRow> = diesel::sql_query(format!(
        "SELECT {CLAIM_ROW}, attempt > $2 AS is_suspect FROM calendar_jobs AS job
         WHERE status = 'STARTED' AND claim = $1 AND lease_until > now()"
    ))
    .bind::<diesel::sql_types::Uuid, _>(claim)
    .bind::<Integer, _>(MAX_SHARED_CRASHES)
    .load(connection)?;
    Ok(rows.into_iter().filter_map(ClaimRow::claim).collect())
}

/// A job that [`end_unclaimable`] has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndedJob {
    /// The job.
    pub id: JobId,
    /// FAILURE or REVOKED.
    pub status: JobStatus,
    /// The job's trace.
    pub trace: Trace,
}

/// Ends jobs that no worker can ever claim: all their attempts are used up and the last one never reported its end
/// (FAILURE), or a client cancelled them and their worker died before it could react (REVOKED). Looks at the jobs `ids`,
/// or at all. Returns the jobs that it ended.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn end_unclaimable(
    connection: &mut PgConnection,
    max_attempts: i32,
    ids: Option<&[JobId]>,
) -> Result<Vec<EndedJob>, DatabaseError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Uuid)]
        id: Uuid,
        #[diesel(sql_type = Text)]
        status: JobStatus,
        #[diesel(sql_type = Integer)]
        attempt: i32,
        #[diesel(sql_type = diesel::sql_types::Bool)]
        cancel_requested: bool,
        #[diesel(sql_type = Nullable<Jsonb>)]
        error: Option<serde_json::Value>,
        #[diesel(sql_type = Nullable<Text>)]
        traceparent: Option<String>,
    }
    let ids = ids.map(|ids| ids.iter().map(|id| id.0).collect::<Vec<_>>());
    connection.transaction(|connection| {
        let query = diesel::sql_query(
            "WITH abandoned AS MATERIALIZED (
                 SELECT id, status, attempt, cancel_requested, error, traceparent FROM calendar_jobs
                 WHERE status = 'STARTED' AND lease_until <= now() AND (attempt >= $1 OR cancel_requested)
                   AND ($2 IS NULL OR id = ANY ($2))
                 LIMIT 100 FOR NO KEY UPDATE SKIP LOCKED),
             failed AS MATERIALIZED (
                 SELECT id, status, attempt, cancel_requested, error, traceparent FROM calendar_jobs
                 WHERE status = 'RETRY' AND retry_at <= now() AND attempt >= $1 AND ($2 IS NULL OR id = ANY ($2))
                 LIMIT 100 FOR NO KEY UPDATE SKIP LOCKED)
             SELECT * FROM abandoned UNION ALL SELECT * FROM failed ORDER BY id",
        )
        .bind::<Integer, _>(max_attempts)
        .bind::<Nullable<Array<diesel::sql_types::Uuid>>, _>(ids);
        let rows: Vec<Row> = prepared(query).load(connection)?;
        let mut ended = Vec::with_capacity(rows.len());
        for row in rows {
            let id = JobId(row.id);
            let (status, error) = if row.cancel_requested {
                (JobStatus::Revoked, None)
            } else {
                let error = last_error(row.status, row.error).after_last_attempt(row.attempt);
                (JobStatus::Failure, Some(error))
            };
            end_abandoned(connection, id, status, error.as_ref())?;
            ended.push(EndedJob {
                id,
                status,
                trace: Trace::of_job(row.id, row.traceparent.as_deref()),
            });
        }
        Ok(ended)
    })
}

/// The error of the last attempt. An attempt whose worker died recorded no error, and the error of an older attempt
/// would mislead. Another release may have recorded an error that this one can't read.
fn last_error(status: JobStatus, recorded: Option<serde_json::Value>) -> JobError {
    recorded
        .filter(|_| status == JobStatus::Retry)
        .and_then(|error| serde_json::from_value(error).ok())
        .unwrap_or_else(|| {
            JobError::new(
                ErrorCode::WorkerStopped,
                "the worker stopped without reporting an error",
            )
        })
}
