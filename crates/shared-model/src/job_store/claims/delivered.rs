//! Claims on jobs whose messages a queue has delivered.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Double, Integer, Jsonb, Nullable, Text, Timestamptz};
use uuid::Uuid;

use super::{CLAIM, CLAIM_ROW, Claim, ClaimKey, ClaimOptions, HAS_CRASHED, MAX_SHARED_CRASHES};
use crate::database::{DatabaseError, prepared};
use crate::job::{CalendarRequest, JobId, JobStatus};
use crate::job_store::column::column;
use crate::job_store::entries;
use crate::trace::Trace;

/// A delivered message whose job is to be claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered {
    /// The job, and the claim that the worker has chosen for it. A repeated call with the same claim has no further effect.
    pub key: ClaimKey,
    /// The generation in the message.
    pub generation: i32,
}

/// The answer to a worker that tried to claim a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Claimed {
    /// The job now belongs to this worker.
    Begin(Box<Claim>),
    /// The message is stale: the job has ended, no longer exists, or has been redriven. The text says which.
    Stale(&'static str),
    /// No attempt may begin for this much longer: another worker has claimed the job, or its backoff lasts.
    NotYet(Duration),
    /// Another session has locked the job's row for a moment.
    Busy,
    /// No worker can ever claim the job: see [`end_unclaimable`](super::end_unclaimable).
    Unclaimable,
}

/// Claims jobs, in one statement. Returns one answer for each, in the same order.
///
/// # Errors
/// Returns an error if the database does not answer. The jobs may then be claimed all the same; a repeated call with the
/// same claims returns them.
pub fn claim_delivered(
    connection: &mut PgConnection,
    options: ClaimOptions,
    delivered: &[Delivered],
) -> Result<Vec<Claimed>, DatabaseError> {
    let lost = entries::with_lost_attempt();
    let query = diesel::sql_query(format!(
        "WITH free AS MATERIALIZED (
             SELECT wanted.id, wanted.claim, job.added, job.is_suspect
             FROM unnest($1, $2, $3) AS wanted (id, claim, generation)
             CROSS JOIN LATERAL (
                 SELECT (job.claim IS DISTINCT FROM wanted.claim)::integer AS added,
                        job.attempt - (job.claim IS NOT DISTINCT FROM wanted.claim)::integer >= $6
                            AND (job.status = 'STARTED' OR (job.status = 'RETRY' AND {HAS_CRASHED})) AS is_suspect
                 FROM calendar_jobs AS job
                 WHERE job.id = wanted.id AND job.generation = wanted.generation
                   AND ((job.attempt < $5 AND NOT job.cancel_requested
                         AND CASE job.status WHEN 'PENDING' THEN true
                                             WHEN 'RETRY' THEN job.retry_at <= now()
                                             WHEN 'STARTED' THEN job.lease_until <= now() END)
                        OR (job.status = 'STARTED' AND job.claim = wanted.claim))
                 FOR NO KEY UPDATE SKIP LOCKED) AS job),
         claimed AS (
             UPDATE calendar_jobs AS job
             SET {CLAIM}, claim = free.claim, worker_id = $7, attempt = attempt + free.added,
                 claimed_at = CASE free.added WHEN 1 THEN now() ELSE job.claimed_at END,
                 lease_until = now() + make_interval(secs => $4),
                 history = CASE free.added WHEN 1 THEN {lost} ELSE job.history END
             FROM free WHERE job.id = free.id
             RETURNING {CLAIM_ROW}, free.is_suspect)
         SELECT id, claim, attempt, request, created_at, traceparent, waited_seconds, is_suspect, NULL AS status_before, NULL AS generation_before,
                NULL AS attempt_before, NULL AS cancel_requested_before, NULL AS seconds_before, false AS is_copy
         FROM claimed
         UNION ALL
         SELECT wanted.id, wanted.claim, NULL, NULL, NULL, NULL, NULL, NULL, job.status, job.generation, job.attempt, job.cancel_requested,
                extract(epoch FROM coalesce(job.lease_until, job.retry_at) - now())::float8,
                wanted.id IN (SELECT id FROM claimed)
         FROM unnest($1, $2) AS wanted (id, claim)
         LEFT JOIN calendar_jobs AS job ON job.id = wanted.id
         WHERE (wanted.id, wanted.claim) NOT IN (SELECT id, claim FROM claimed)"
    ))
    .bind::<Array<diesel::sql_types::Uuid>, _>(column(delivered, |one| one.key.id.0))
    .bind::<Array<diesel::sql_types::Uuid>, _>(column(delivered, |one| one.key.claim))
    .bind::<Array<Integer>, _>(column(delivered, |one| one.generation))
    .bind::<Double, _>(options.lease.as_secs_f64())
    .bind::<Integer, _>(options.max_attempts)
    .bind::<Integer, _>(MAX_SHARED_CRASHES)
    .bind::<Nullable<Integer>, _>(options.worker_id);
    let rows: Vec<Row> = prepared(query).load(connection)?;
    let mut rows: HashMap<ClaimKey, Row> = rows
        .into_iter()
        .map(|row| {
            let (id, claim) = (JobId(row.id), row.claim);
            (ClaimKey { id, claim }, row)
        })
        .collect();
    Ok(delivered
        .iter()
        .map(|one| match rows.remove(&one.key) {
            Some(row) => answer(one, row, options),
            None => Claimed::Busy,
        })
        .collect())
}

/// A job: what the claim made of it, and what it was before.
#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    id: Uuid,
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    claim: Uuid,
    #[diesel(sql_type = Nullable<Integer>)]
    attempt: Option<i32>,
    #[diesel(sql_type = Nullable<Jsonb>)]
    request: Option<CalendarRequest>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    created_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Text>)]
    traceparent: Option<String>,
    #[diesel(sql_type = Nullable<Double>)]
    waited_seconds: Option<f64>,
    #[diesel(sql_type = Nullable<Bool>)]
    is_suspect: Option<bool>,
    #[diesel(sql_type = Nullable<Text>)]
    status_before: Option<JobStatus>,
    #[diesel(sql_type = Nullable<Integer>)]
    generation_before: Option<i32>,
    #[diesel(sql_type = Nullable<Integer>)]
    attempt_before: Option<i32>,
    #[diesel(sql_type = Nullable<Bool>)]
    cancel_requested_before: Option<bool>,
    #[diesel(sql_type = Nullable<Double>)]
    seconds_before: Option<f64>,
    /// Another copy of the message, in the same batch, has got the claim.
    #[diesel(sql_type = Bool)]
    is_copy: bool,
}

fn answer(delivered: &Delivered, row: Row, options: ClaimOptions) -> Claimed {
    if row.is_copy {
        return Claimed::NotYet(options.lease);
    }
    if let (Some(attempt), Some(request), Some(created_at)) =
        (row.attempt, row.request, row.created_at)
    {
        return Claimed::Begin(Box::new(Claim {
            key: delivered.key,
            generation: delivered.generation,
            attempt,
            is_suspect: row.is_suspect.unwrap_or(false),
            request,
            created_at,
            trace: Trace::of_job(row.id, row.traceparent.as_deref()),
            waited_seconds: row.waited_seconds.unwrap_or_default(),
        }));
    }
    let Some(status) = row.status_before else {
        return Claimed::Stale("the job no longer exists");
    };
    if row.generation_before != Some(delivered.generation) {
        return Claimed::Stale("the job has been redriven since the message was made");
    }
    if status.is_terminal() {
        return Claimed::Stale("the job has ended");
    }
    let remaining = row.seconds_before.unwrap_or(0.0);
    if remaining > 0.0 {
        return Claimed::NotYet(Duration::from_secs_f64(remaining));
    }
    let is_exhausted = row.attempt_before >= Some(options.max_attempts);
    if is_exhausted || row.cancel_requested_before == Some(true) {
        return Claimed::Unclaimable;
    }
    Claimed::Busy
}
