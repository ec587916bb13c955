//! A worker's right to a job, and how it gets one.

use std::time::Duration;

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Double, Integer, Jsonb, Nullable, Text};

use super::finish::end;
use crate::database::DatabaseError;
use crate::job::{CalendarRequest, ErrorCode, JobError, JobId, JobStatus};

/// How many workers may die while they run a job beside others. After that, the job runs in isolation.
const MAX_SHARED_CRASHES: i32 = 2;

/// A worker's right to a job. Every write under it fails once another worker has claimed the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClaimKey {
    /// The job.
    pub id: JobId,
    /// The job's generation.
    pub generation: i32,
    /// The number of the attempt, from 1.
    pub attempt: i32,
}

/// A claimed job.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// The right to it.
    pub key: ClaimKey,
    /// The calendar that the client asked for.
    pub request: CalendarRequest,
}

/// What else a worker does while it runs the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// It may run other jobs at the same time.
    Shared,
    /// It runs nothing else, so a job that crashes the process takes no other job with it.
    Isolated,
}

/// The answer to a worker that tried to claim a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Claimed {
    /// The job now belongs to this worker.
    Begin(Claim),
    /// The message is stale: the job has ended, no longer exists, or has a newer generation. The text says which.
    Stale(&'static str),
    /// Another worker holds a claim for this much longer.
    Leased(Duration),
    /// The job has crashed workers before. Claim it with [`Isolation::Isolated`].
    NeedsIsolation,
    /// The job had no attempts left, and the last one never reported its end. The job is now in FAILURE.
    Exhausted,
    /// A client cancelled the job, and its worker died before it could react. The job is now in REVOKED.
    Revoked,
}

/// Claims a job for `lease` and counts the attempt before any work is done, so a job that kills its worker still runs
/// out of attempts.
///
/// # Errors
/// Returns an error if the database does not answer. The job may then be claimed all the same; the claim runs out.
pub fn claim(
    connection: &mut PgConnection,
    id: JobId,
    generation: i32,
    lease: Duration,
    max_attempts: i32,
    isolation: Isolation,
) -> Result<Claimed, DatabaseError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Integer)]
        attempt: i32,
        #[diesel(sql_type = Jsonb)]
        request: CalendarRequest,
    }
    let row: Option<Row> = diesel::sql_query(
        "UPDATE calendar_jobs
         SET status = 'STARTED', version = version + 1, attempt = attempt + 1,
             lease_until = now() + make_interval(secs => $3),
             started_at = coalesce(started_at, now()), progress_done = 0
         WHERE id = $1 AND generation = $2 AND attempt < $4 AND NOT cancel_requested
           AND (status IN ('PENDING', 'RETRY')
                OR (status = 'STARTED' AND lease_until <= now() AND ($5 OR attempt < $6)))
         RETURNING attempt, request",
    )
    .bind::<diesel::sql_types::Uuid, _>(id.0)
    .bind::<Integer, _>(generation)
    .bind::<Double, _>(lease.as_secs_f64())
    .bind::<Integer, _>(max_attempts)
    .bind::<Bool, _>(isolation == Isolation::Isolated)
    .bind::<Integer, _>(MAX_SHARED_CRASHES)
    .get_result(connection)
    .optional()?;
    match row {
        Some(Row { attempt, request }) => Ok(Claimed::Begin(Claim {
            key: ClaimKey {
                id,
                generation,
                attempt,
            },
            request,
        })),
        None => connection.transaction(|connection| {
            explain_refusal(connection, id, generation, max_attempts, isolation)
        }),
    }
}

/// A job that could not be claimed.
#[derive(QueryableByName)]
struct Refused {
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

/// Says why a job could not be claimed, and ends the job if no worker can ever claim it.
fn explain_refusal(
    connection: &mut PgConnection,
    id: JobId,
    generation: i32,
    max_attempts: i32,
    isolation: Isolation,
) -> Result<Claimed, DatabaseError> {
    let row: Option<Refused> = diesel::sql_query(
        "SELECT status, generation, attempt, cancel_requested, error,
                coalesce(extract(epoch FROM lease_until - now()), 0)::float8 AS lease_seconds
         FROM calendar_jobs WHERE id = $1 FOR UPDATE",
    )
    .bind::<diesel::sql_types::Uuid, _>(id.0)
    .get_result(connection)
    .optional()?;
    let Some(job) = row else {
        return Ok(Claimed::Stale("the job no longer exists"));
    };
    if job.generation != generation {
        return Ok(Claimed::Stale(
            "the message has another generation than the job",
        ));
    }
    if job.status.is_terminal() {
        return Ok(Claimed::Stale("the job has ended"));
    }
    if job.status == JobStatus::Started && job.lease_seconds > 0.0 {
        return Ok(Claimed::Leased(Duration::from_secs_f64(job.lease_seconds)));
    }
    let key = ClaimKey {
        id,
        generation,
        attempt: job.attempt,
    };
    if job.cancel_requested {
        end(connection, key, job.status, JobStatus::Revoked, None)?;
        return Ok(Claimed::Revoked);
    }
    if job.attempt < max_attempts {
        let crashed = job.status == JobStatus::Started && job.attempt >= MAX_SHARED_CRASHES;
        if crashed && isolation == Isolation::Shared {
            return Ok(Claimed::NeedsIsolation);
        }
        // the other claim on the job ended between the two statements
        return Ok(Claimed::Leased(Duration::ZERO));
    }
    let error = last_error(&job).after_last_attempt(job.attempt);
    end(
        connection,
        key,
        job.status,
        JobStatus::Failure,
        Some(&error),
    )?;
    Ok(Claimed::Exhausted)
}

/// The error of the last attempt. An attempt whose worker died recorded no error, and the error of an older attempt
/// would mislead.
fn last_error(job: &Refused) -> JobError {
    let recorded = job.error.clone().filter(|_| job.status == JobStatus::Retry);
    recorded.unwrap_or_else(|| {
        JobError::new(
            ErrorCode::WorkerStopped,
            "the worker stopped without reporting an error",
        )
    })
}
