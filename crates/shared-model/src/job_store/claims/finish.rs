//! Records how an attempt ended. Each statement matches the claim, so a worker that lost the job changes nothing.

use std::time::Duration;

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Double, Integer, Jsonb, Nullable, Text};

use super::ClaimKey;
use crate::database::DatabaseError;
use crate::job::{JobError, JobStatus};
use crate::job_store::end::END;
use crate::results::NewResult;

/// Stores the result and ends the job in SUCCESS, in one statement. Returns `false` if the claim was lost; nothing was
/// written then.
///
/// # Errors
/// Returns an error if the database does not answer. Whether the result was written is then unknown; calling again is
/// safe.
pub fn complete(
    connection: &mut PgConnection,
    key: ClaimKey,
    result: &NewResult,
) -> Result<bool, DatabaseError> {
    let total = result.event_count.saturating_add(result.skipped_count);
    let written = diesel::sql_query(format!(
        "WITH done AS (
             UPDATE calendar_jobs
             SET status = 'SUCCESS', error = NULL, progress_done = $10, progress_total = $10, {END}
             WHERE id = $1 AND generation = $2 AND attempt = $3 AND status = 'STARTED'
             RETURNING id, expires_at)
         INSERT INTO calendar_results
             (job_id, content, sha256, gzip_sha256, byte_length, event_count, skipped_count,
              todos_fingerprint, expires_at)
         SELECT id, $4, $5, $6, $7, $8, $9, $11, expires_at FROM done"
    ))
    .bind::<diesel::sql_types::Uuid, _>(key.id.0)
    .bind::<Integer, _>(key.generation)
    .bind::<Integer, _>(key.attempt)
    .bind::<diesel::sql_types::Bytea, _>(&result.content)
    .bind::<diesel::sql_types::Bytea, _>(&result.sha256)
    .bind::<diesel::sql_types::Bytea, _>(&result.gzip_sha256)
    .bind::<BigInt, _>(result.byte_length)
    .bind::<Integer, _>(result.event_count)
    .bind::<Integer, _>(result.skipped_count)
    .bind::<Integer, _>(total)
    .bind::<Text, _>(&result.todos_fingerprint)
    .execute(connection)?;
    Ok(written == 1)
}

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
        let retried = diesel::sql_query(
            "UPDATE calendar_jobs
             SET status = 'RETRY', version = version + 1, error = $4, lease_until = NULL,
                 not_before = now() + make_interval(secs => $5)
             WHERE id = $1 AND generation = $2 AND attempt = $3 AND status = 'STARTED' AND NOT cancel_requested",
        )
        .bind::<diesel::sql_types::Uuid, _>(key.id.0)
        .bind::<Integer, _>(key.generation)
        .bind::<Integer, _>(key.attempt)
        .bind::<Jsonb, _>(error)
        .bind::<Double, _>(delay.as_secs_f64())
        .execute(connection)?;
        if retried == 1 {
            return Ok(Some(JobStatus::Retry));
        }
        let revoked = end(connection, key, JobStatus::Started, JobStatus::Revoked, Some(error))?;
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
    end(
        connection,
        key,
        JobStatus::Started,
        JobStatus::Failure,
        Some(error),
    )
}

/// Ends the job in REVOKED, as a client asked. Returns `false` if the claim was lost; nothing was written then.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn revoke(connection: &mut PgConnection, key: ClaimKey) -> Result<bool, DatabaseError> {
    end(
        connection,
        key,
        JobStatus::Started,
        JobStatus::Revoked,
        None,
    )
}

/// Ends a job that is in status `from`. Returns whether it was.
pub(super) fn end(
    connection: &mut PgConnection,
    key: ClaimKey,
    from: JobStatus,
    to: JobStatus,
    error: Option<&JobError>,
) -> Result<bool, DatabaseError> {
    let ended = diesel::sql_query(format!(
        "UPDATE calendar_jobs SET status = $4, error = $5, {END}
         WHERE id = $1 AND generation = $2 AND attempt = $3 AND status = $6"
    ))
    .bind::<diesel::sql_types::Uuid, _>(key.id.0)
    .bind::<Integer, _>(key.generation)
    .bind::<Integer, _>(key.attempt)
    .bind::<Text, _>(to)
    .bind::<Nullable<Jsonb>, _>(error)
    .bind::<Text, _>(from)
    .execute(connection)?;
    Ok(ended == 1)
}
