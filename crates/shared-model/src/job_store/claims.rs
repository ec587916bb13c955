//! What a worker does with a job: claim it, keep the claim, and settle it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Double, Integer, Jsonb, Nullable, Text, Timestamptz};
use uuid::Uuid;

use crate::database::DatabaseError;
use crate::job::{CalendarRequest, ErrorCode, JobError, JobId, JobStatus};
use crate::results::NewResult;

/// A worker's right to a job: every write under it fails once another worker has claimed the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClaimKey {
    /// The job.
    pub id: JobId,
    /// Its generation.
    pub generation: i32,
    /// Which attempt this is, from 1.
    pub attempt: i32,
}

/// A claimed job.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// The right to it.
    pub key: ClaimKey,
    /// What to make.
    pub request: CalendarRequest,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
}

/// So many workers may die over a job before it is tried alone.
const DEATHS_IN_COMPANY: i32 = 2;

/// What came of trying to claim a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Claimed {
    /// It is this worker's now.
    Begin(Claim),
    /// Nothing is left to do for this message: the job has ended, is gone, or is in a newer generation. Says which.
    Void(&'static str),
    /// Another worker has it for so much longer.
    Leased(Duration),
    /// Workers died over it, and those who ran beside it with them: it is to be claimed by [`claim_alone`].
    OnlyAlone,
    /// Its attempts were used up, the last without an answer: it is FAILURE now.
    Exhausted,
    /// It was to be cancelled while its worker died: it is REVOKED now.
    Revoked,
}

/// Claims a job for `lease`, and counts the attempt, before any work is done: a job that kills its worker ends so too.
///
/// # Errors
/// When the database does not answer; nothing is claimed then.
pub fn claim(
    connection: &mut PgConnection,
    id: JobId,
    generation: i32,
    lease: Duration,
    max_attempts: i32,
) -> Result<Claimed, DatabaseError> {
    claim_if(connection, id, generation, lease, max_attempts, false)
}

/// As [`claim`], also of a job that [seems to kill its workers](Claimed::OnlyAlone), by a worker that does nothing else
/// meanwhile.
///
/// # Errors
/// As [`claim`].
pub fn claim_alone(
    connection: &mut PgConnection,
    id: JobId,
    generation: i32,
    lease: Duration,
    max_attempts: i32,
) -> Result<Claimed, DatabaseError> {
    claim_if(connection, id, generation, lease, max_attempts, true)
}

fn claim_if(
    connection: &mut PgConnection,
    id: JobId,
    generation: i32,
    lease: Duration,
    max_attempts: i32,
    alone: bool,
) -> Result<Claimed, DatabaseError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Integer)]
        attempt: i32,
        #[diesel(sql_type = Jsonb)]
        request: CalendarRequest,
        #[diesel(sql_type = Timestamptz)]
        created_at: DateTime<Utc>,
    }
    let row: Option<Row> = diesel::sql_query(
        "UPDATE calendar_jobs
         SET status = 'STARTED', version = version + 1, attempt = attempt + 1,
             lease_until = now() + make_interval(secs => $3),
             started_at = coalesce(started_at, now()), progress_done = 0
         WHERE id = $1 AND generation = $2 AND attempt < $4 AND NOT cancel_requested
           AND (status IN ('PENDING', 'RETRY')
                OR (status = 'STARTED' AND lease_until <= now() AND ($5 OR attempt < $6)))
         RETURNING attempt, request, created_at",
    )
    .bind::<diesel::sql_types::Uuid, _>(id.0)
    .bind::<Integer, _>(generation)
    .bind::<Double, _>(lease.as_secs_f64())
    .bind::<Integer, _>(max_attempts)
    .bind::<Bool, _>(alone)
    .bind::<Integer, _>(DEATHS_IN_COMPANY)
    .get_result(connection)
    .optional()?;
    match row {
        Some(Row {
            attempt,
            request,
            created_at,
        }) => Ok(Claimed::Begin(Claim {
            key: ClaimKey {
                id,
                generation,
                attempt,
            },
            request,
            created_at,
        })),
        None => settle_unclaimable(connection, id, generation, max_attempts, alone),
    }
}

/// Says why a job could not be claimed, and ends it where nobody else will.
fn settle_unclaimable(
    connection: &mut PgConnection,
    id: JobId,
    generation: i32,
    max_attempts: i32,
    alone: bool,
) -> Result<Claimed, DatabaseError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        status: JobStatus,
        #[diesel(sql_type = Integer)]
        generation: i32,
        #[diesel(sql_type = Integer)]
        attempt: i32,
        #[diesel(sql_type = Bool)]
        cancel_requested: bool,
        #[diesel(sql_type = Nullable<Jsonb>)]
        error: Option<JobError>,
        #[diesel(sql_type = Double)]
        lease_seconds: f64,
    }
    connection.transaction(|connection| {
        let row: Option<Row> = diesel::sql_query(
            "SELECT status, generation, attempt, cancel_requested, error,
                    coalesce(extract(epoch FROM lease_until - now()), 0)::float8 AS lease_seconds
             FROM calendar_jobs WHERE id = $1 FOR UPDATE",
        )
        .bind::<diesel::sql_types::Uuid, _>(id.0)
        .get_result(connection)
        .optional()?;
        let Some(row) = row else {
            return Ok(Claimed::Void("the job is gone"));
        };
        if row.generation != generation {
            return Ok(Claimed::Void("the message is of another generation"));
        }
        match row.status {
            JobStatus::Success | JobStatus::Failure | JobStatus::Revoked => {
                return Ok(Claimed::Void("the job has ended"));
            }
            JobStatus::Started if row.lease_seconds > 0.0 => {
                return Ok(Claimed::Leased(Duration::from_secs_f64(row.lease_seconds)));
            }
            JobStatus::Pending | JobStatus::Started | JobStatus::Retry => {}
        }
        let key = ClaimKey {
            id,
            generation,
            attempt: row.attempt,
        };
        if row.cancel_requested {
            end(connection, key, &[row.status], JobStatus::Revoked, None)?;
            return Ok(Claimed::Revoked);
        }
        if row.attempt < max_attempts {
            let killed = row.status == JobStatus::Started && row.attempt >= DEATHS_IN_COMPANY;
            if killed && !alone {
                return Ok(Claimed::OnlyAlone);
            }
            // it could not be claimed a moment ago and can be now: its lease, or its holder's attempt, has just ended
            return Ok(Claimed::Leased(Duration::ZERO));
        }
        let last = row
            .error
            .filter(|_| row.status == JobStatus::Retry)
            .unwrap_or_else(|| {
                JobError::new(
                    ErrorCode::WorkerStopped,
                    "its worker stopped without a word",
                )
            });
        let error = last.after_last_attempt(row.attempt);
        end(
            connection,
            key,
            &[row.status],
            JobStatus::Failure,
            Some(&error),
        )?;
        Ok(Claimed::Exhausted)
    })
}

/// What a worker says of a running job when it renews its claim.
#[derive(Debug, Clone, Copy)]
pub struct Beat {
    /// The claim.
    pub key: ClaimKey,
    /// Todos rendered so far.
    pub done: i32,
    /// Todos to render.
    pub total: Option<i32>,
}

/// What the database says to a renewed claim. A claim that was lost has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewed {
    /// The claim.
    pub key: ClaimKey,
    /// Whether a client asked the job to stop.
    pub cancel_requested: bool,
}

/// Renews claims for `lease` from now, and notes their progress.
///
/// # Errors
/// When the database does not answer; the claims then run out.
pub fn renew(
    connection: &mut PgConnection,
    beats: &[Beat],
    lease: Duration,
) -> Result<Vec<Renewed>, DatabaseError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Uuid)]
        id: Uuid,
        #[diesel(sql_type = Integer)]
        generation: i32,
        #[diesel(sql_type = Integer)]
        attempt: i32,
        #[diesel(sql_type = Bool)]
        cancel_requested: bool,
    }
    let rows: Vec<Row> = diesel::sql_query(
        "UPDATE calendar_jobs AS job
         SET lease_until = now() + make_interval(secs => $6),
             version = version + ((job.progress_done, job.progress_total)
                                  IS DISTINCT FROM (beat.done, beat.total))::int,
             progress_done = beat.done, progress_total = beat.total
         FROM unnest($1, $2, $3, $4, $5) AS beat (id, generation, attempt, done, total)
         WHERE job.id = beat.id AND job.generation = beat.generation AND job.attempt = beat.attempt
           AND job.status = 'STARTED'
         RETURNING job.id, job.generation, job.attempt, job.cancel_requested",
    )
    .bind::<Array<diesel::sql_types::Uuid>, _>(beats.iter().map(|b| b.key.id.0).collect::<Vec<_>>())
    .bind::<Array<Integer>, _>(beats.iter().map(|b| b.key.generation).collect::<Vec<_>>())
    .bind::<Array<Integer>, _>(beats.iter().map(|b| b.key.attempt).collect::<Vec<_>>())
    .bind::<Array<Integer>, _>(beats.iter().map(|b| b.done).collect::<Vec<_>>())
    .bind::<Array<Nullable<Integer>>, _>(beats.iter().map(|b| b.total).collect::<Vec<_>>())
    .bind::<Double, _>(lease.as_secs_f64())
    .load(connection)?;
    Ok(rows
        .into_iter()
        .map(|row| Renewed {
            key: ClaimKey {
                id: JobId(row.id),
                generation: row.generation,
                attempt: row.attempt,
            },
            cancel_requested: row.cancel_requested,
        })
        .collect())
}

/// Stores the result and ends the job in SUCCESS, both or neither. `false`: the claim was lost, nothing was written.
///
/// # Errors
/// When the database does not answer; whether it was written is then unknown, and a second try is safe.
pub fn complete(
    connection: &mut PgConnection,
    key: ClaimKey,
    result: &NewResult,
) -> Result<bool, DatabaseError> {
    let total = result.event_count.saturating_add(result.skipped_count);
    let written = diesel::sql_query(
        "WITH done AS (
             UPDATE calendar_jobs
             SET status = 'SUCCESS', version = version + 1, error = NULL, lease_until = NULL,
                 progress_done = $10, progress_total = $10, finished_at = now(), expires_at = now() + expiry
             WHERE id = $1 AND generation = $2 AND attempt = $3 AND status = 'STARTED'
             RETURNING id, expires_at)
         INSERT INTO calendar_results
             (job_id, content, sha256, gzip_sha256, byte_length, event_count, skipped_count,
              todos_fingerprint, expires_at)
         SELECT id, $4, $5, $6, $7, $8, $9, $11, expires_at FROM done",
    )
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

/// Puts the job aside for another attempt after `delay`; one that was to be cancelled meanwhile is REVOKED instead.
/// `None`: the claim was lost, nothing was written.
///
/// # Errors
/// When the database does not answer.
pub fn retry(
    connection: &mut PgConnection,
    key: ClaimKey,
    error: &JobError,
    delay: Duration,
) -> Result<Option<JobStatus>, DatabaseError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        status: JobStatus,
    }
    let row: Option<Row> = diesel::sql_query(
        "UPDATE calendar_jobs
         SET status = CASE WHEN cancel_requested THEN 'REVOKED' ELSE 'RETRY' END,
             version = version + 1, error = $4, lease_until = NULL,
             not_before = now() + make_interval(secs => $5),
             finished_at = CASE WHEN cancel_requested THEN now() END,
             expires_at = CASE WHEN cancel_requested THEN now() + expiry ELSE expires_at END
         WHERE id = $1 AND generation = $2 AND attempt = $3 AND status = 'STARTED'
         RETURNING status",
    )
    .bind::<diesel::sql_types::Uuid, _>(key.id.0)
    .bind::<Integer, _>(key.generation)
    .bind::<Integer, _>(key.attempt)
    .bind::<Jsonb, _>(error)
    .bind::<Double, _>(delay.as_secs_f64())
    .get_result(connection)
    .optional()?;
    Ok(row.map(|row| row.status))
}

/// Ends the job in FAILURE. `false`: the claim was lost, nothing was written.
///
/// # Errors
/// When the database does not answer.
pub fn fail(
    connection: &mut PgConnection,
    key: ClaimKey,
    error: &JobError,
) -> Result<bool, DatabaseError> {
    Ok(end(
        connection,
        key,
        &[JobStatus::Started],
        JobStatus::Failure,
        Some(error),
    )? == 1)
}

/// Ends the job in REVOKED, as a client asked. `false`: the claim was lost, nothing was written.
///
/// # Errors
/// When the database does not answer.
pub fn revoke(connection: &mut PgConnection, key: ClaimKey) -> Result<bool, DatabaseError> {
    Ok(end(
        connection,
        key,
        &[JobStatus::Started],
        JobStatus::Revoked,
        None,
    )? == 1)
}

fn end(
    connection: &mut PgConnection,
    key: ClaimKey,
    from: &[JobStatus],
    to: JobStatus,
    error: Option<&JobError>,
) -> Result<usize, DatabaseError> {
    Ok(diesel::sql_query(
        "UPDATE calendar_jobs
         SET status = $4, version = version + 1, error = $5, lease_until = NULL,
             finished_at = now(), expires_at = now() + expiry
         WHERE id = $1 AND generation = $2 AND attempt = $3 AND status = ANY ($6)",
    )
    .bind::<diesel::sql_types::Uuid, _>(key.id.0)
    .bind::<Integer, _>(key.generation)
    .bind::<Integer, _>(key.attempt)
    .bind::<Text, _>(to)
    .bind::<Nullable<Jsonb>, _>(error)
    .bind::<Array<Text>, _>(from)
    .execute(connection)?)
}
