//! Records that an attempt ended without a result. Each statement matches the claim, so a worker that lost the job changes
//! nothing.

use std::time::Duration;

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, Double, Jsonb, Nullable, Text};
use uuid::Uuid;

use super::ClaimKey;
use crate::database::DatabaseError;
use crate::job::{JobError, JobId, JobStatus};
use crate::job_store::end::END;
use crate::job_store::entries;

/// Sets the job to RETRY, for another attempt after `delay`. A job that a client has cancelled meanwhile becomes
/// REVOKED instead. Returns the new status, or `None` if the claim was lost; nothing was written then.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn retry(
    connection: &mut PgConnection,
    key: ClaimKey,
    error: &JobError,
    delay: Duration,
) -> Result<Option<JobStatus>, DatabaseError> {
    connection.transaction(|connection| {
        let retried = diesel::sql_query(format!(
            "UPDATE calendar_jobs AS job
             SET status = 'RETRY', version = version + 1, error = $3, claim = NULL, lease_until = NULL,
                 retry_at = now() + make_interval(secs => $4), history = {}
             WHERE id = $1 AND claim = $2 AND status = 'STARTED' AND NOT cancel_requested",
            entries::with(entries::RETRIED)
        ))
        .bind::<diesel::sql_types::Uuid, _>(key.id.0)
        .bind::<diesel::sql_types::Uuid, _>(key.claim)
        .bind::<Jsonb, _>(error)
        .bind::<Double, _>(delay.as_secs_f64())
        .execute(connection)?;
        if retried == 1 {
            return Ok(Some(JobStatus::Retry));
        }
        let revoked = end_attempt(connection, key, JobStatus::Revoked, Some(error))?;
        Ok(revoked.then_some(JobStatus::Revoked))
    })
}

/// Ends the job in FAILURE. Returns `false` if the claim was lost; nothing was written then.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn fail(
    connection: &mut PgConnection,
    key: ClaimKey,
    error: &JobError,
) -> Result<bool, DatabaseError> {
    end_attempt(connection, key, JobStatus::Failure, Some(error))
}

/// Ends the job in REVOKED, as a client asked. Returns `false` if the claim was lost; nothing was written then.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn revoke(connection: &mut PgConnection, key: ClaimKey) -> Result<bool, DatabaseError> {
    end_attempt(connection, key, JobStatus::Revoked, None)
}

/// Gives up claims on jobs whose attempt has not begun, so that workers can claim them again after `delay`. The attempts do
/// not count. A job that a client has cancelled meanwhile becomes REVOKED instead. Jobs that other sessions have locked are
/// left; their leases run out.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn unclaim(
    connection: &mut PgConnection,
    keys: &[ClaimKey],
    delay: Duration,
) -> Result<(), DatabaseError> {
    let column = |value: fn(&ClaimKey) -> Uuid| keys.iter().map(value).collect::<Vec<_>>();
    diesel::sql_query(format!(
        "WITH mine AS MATERIALIZED (
             SELECT job.id, job.cancel_requested FROM calendar_jobs AS job
             JOIN unnest($1, $2) AS mine (id, claim) ON job.id = mine.id AND job.claim = mine.claim
             WHERE job.status = 'STARTED' ORDER BY job.id FOR NO KEY UPDATE OF job SKIP LOCKED),
         revoked AS (
             UPDATE calendar_jobs AS job SET status = 'REVOKED', claim = NULL, worker_id = NULL, claimed_at = NULL, {END}
             FROM mine WHERE job.id = mine.id AND mine.cancel_requested)
         UPDATE calendar_jobs AS job
         SET status = 'RETRY', version = version + 1, attempt = attempt - 1, claim = NULL, worker_id = NULL,
             claimed_at = NULL, lease_until = NULL, retry_at = now() + make_interval(secs => $3)
         FROM mine WHERE job.id = mine.id AND NOT mine.cancel_requested"
    ))
    .bind::<Array<diesel::sql_types::Uuid>, _>(column(|key| key.id.0))
    .bind::<Array<diesel::sql_types::Uuid>, _>(column(|key| key.claim))
    .bind::<Double, _>(delay.as_secs_f64())
    .execute(connection)?;
    Ok(())
}

fn end_attempt(
    connection: &mut PgConnection,
    key: ClaimKey,
    status: JobStatus,
    error: Option<&JobError>,
) -> Result<bool, DatabaseError> {
    let ended = diesel::sql_query(format!(
        "UPDATE calendar_jobs SET status = $3, error = $4, claim = NULL, {END}
         WHERE id = $1 AND claim = $2 AND status = 'STARTED'"
    ))
    .bind::<diesel::sql_types::Uuid, _>(key.id.0)
    .bind::<diesel::sql_types::Uuid, _>(key.claim)
    .bind::<Text, _>(status)
    .bind::<Nullable<Jsonb>, _>(error)
    .execute(connection)?;
    Ok(ended == 1)
}

/// Ends a job whose row the transaction has locked, and whose worker has let its lease run out if it has one.
pub(super) fn end_abandoned(
    connection: &mut PgConnection,
    id: JobId,
    status: JobStatus,
    error: Option<&JobError>,
) -> QueryResult<usize> {
    diesel::sql_query(format!(
        "UPDATE calendar_jobs AS job SET status = $2, error = $3, claim = NULL, history = {}, {END} WHERE id = $1",
        entries::with_lost_attempt()
    ))
    .bind::<diesel::sql_types::Uuid, _>(id.0)
    .bind::<Text, _>(status)
    .bind::<Nullable<Jsonb>, _>(error)
    .execute(connection)
}
