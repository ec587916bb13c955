//! Redrives failed jobs: returns them to PENDING, in a new generation and with all their attempts left. Messages of the old
//! generation become stale.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Integer, Jsonb, Nullable, Text, Timestamptz};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Filter, MATCHES, PART};
use crate::database::{DatabaseError, in_order_of_index};
use crate::job::JobId;
use crate::job_store::entries;

/// Jobs that [`redrive_matching`] changes at most, so that its transaction stays short.
pub const BATCH: i64 = 500;

/// Who redrives jobs. The job's history tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "with", rename_all = "snake_case")]
pub enum Redriver {
    /// An operator who calls the API.
    Api {
        /// The name of the operator's token, if there is one.
        token_name: Option<String>,
    },
    /// Someone who runs the command `taskoverflow-worker redrive`.
    Command,
}

impl Redriver {
    /// Returns the value that the history stores.
    fn stored(&self) -> serde_json::Value {
        serde_json::json!(self)
    }
}

/// Redrives those of the jobs that have failed and not expired. Returns them, in any order.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn redrive(
    connection: &mut PgConnection,
    ids: &[JobId],
    by: &Redriver,
) -> Result<Vec<JobId>, DatabaseError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Uuid)]
        id: Uuid,
    }
    let mut ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    // Two calls that name the same jobs lock them in the same order, so neither waits for the other forever.
    ids.sort_unstable();
    let query = diesel::sql_query(format!(
        "WITH chosen AS MATERIALIZED (
             SELECT job.id FROM unnest($1) AS wanted (id)
             CROSS JOIN LATERAL (
                 SELECT job.id FROM calendar_jobs AS job
                 WHERE job.id = wanted.id AND job.status = 'FAILURE' AND job.expires_at > now()
                 FOR NO KEY UPDATE) AS job)
         UPDATE calendar_jobs AS job SET {} FROM chosen WHERE job.id = chosen.id RETURNING job.id",
        assignments("$2")
    ))
    .bind::<Array<diesel::sql_types::Uuid>, _>(ids)
    .bind::<Jsonb, _>(by.stored());
    let rows: Vec<Row> = query.load(connection)?;
    Ok(rows.into_iter().map(|row| JobId(row.id)).collect())
}

/// What one call of [`redrive_matching`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redriven {
    /// The jobs that are PENDING again.
    pub jobs: Vec<JobId>,
    /// The rest of the pass, or `None` if there are no more failed jobs in it.
    pub rest: Option<Pass>,
}

/// The jobs that one pass over the failed jobs redrives, by their acceptance. Jobs that fail again while it lasts are behind
/// it, and jobs that are accepted meanwhile are beyond its end, so a pass ends even if every job fails again immediately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    /// Those that were accepted after this job.
    pub after: JobId,
    /// Those that were accepted before this job.
    pub until: JobId,
}

impl Pass {
    /// Returns a pass over the jobs that have been accepted by now.
    pub fn new() -> Self {
        Self {
            after: JobId(Uuid::nil()),
            until: JobId::new(),
        }
    }
}

impl Default for Pass {
    fn default() -> Self {
        Self::new()
    }
}

/// Redrives at most 500 failed jobs of a pass that match the filter, those that were accepted first before others. Jobs that
/// other sessions have locked are left.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn redrive_matching(
    connection: &mut PgConnection,
    filter: &Filter,
    pass: Pass,
    by: &Redriver,
) -> Result<Redriven, DatabaseError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Array<diesel::sql_types::Uuid>)]
        jobs: Vec<Uuid>,
        #[diesel(sql_type = Nullable<diesel::sql_types::Uuid>)]
        part_end: Option<Uuid>,
    }
    // The condition is checked again for the rows that are locked, as they may have changed meanwhile.
    let query = diesel::sql_query(format!(
        "WITH part AS MATERIALIZED (
             SELECT job.id, {MATCHES} AS is_match, row_number() OVER (ORDER BY job.status, job.id) AS number
             FROM calendar_jobs AS job
             WHERE (job.status, job.id) > ('FAILURE', $1) AND (job.status, job.id) < ('FAILURE', $7)
               AND job.status <> 'SUCCESS'
             ORDER BY job.status, job.id LIMIT $2),
         chosen AS MATERIALIZED (
             SELECT job.id FROM part
             CROSS JOIN LATERAL (
                 SELECT job.id FROM calendar_jobs AS job
                 WHERE job.id = part.id AND job.finished_at IS NOT NULL AND job.status = 'FAILURE' AND {MATCHES}
                 FOR NO KEY UPDATE SKIP LOCKED) AS job
             WHERE part.is_match LIMIT $3),
         changed AS (
             UPDATE calendar_jobs AS job SET {} FROM chosen WHERE job.id = chosen.id RETURNING job.id)
         SELECT ARRAY(SELECT id FROM changed) AS jobs,
                CASE (SELECT count(*) FROM chosen)
                    WHEN $3 THEN (SELECT id FROM chosen ORDER BY id DESC LIMIT 1)
                    ELSE (SELECT id FROM part WHERE number = $2) END AS part_end",
        assignments("$8")
    ))
    .bind::<diesel::sql_types::Uuid, _>(pass.after.0)
    .bind::<BigInt, _>(PART)
    .bind::<BigInt, _>(BATCH)
    .bind::<Nullable<Text>, _>(filter.error_code_name())
    .bind::<Nullable<Integer>, _>(filter.worker_id)
    .bind::<Nullable<Timestamptz>, _>(filter.finished_after)
    .bind::<diesel::sql_types::Uuid, _>(pass.until.0)
    .bind::<Jsonb, _>(by.stored());
    let row: Row = in_order_of_index(connection, |connection| query.get_result(connection))?;
    Ok(Redriven {
        jobs: row.jobs.into_iter().map(JobId).collect(),
        rest: row.part_end.map(|end| Pass {
            after: JobId(end),
            ..pass
        }),
    })
}

/// The assignments of a redrive. `by` is the parameter that says who does it.
fn assignments(by: &str) -> String {
    format!(
        "status = 'PENDING', version = version + 1, generation = generation + 1, attempt = 0, error = NULL,
         cancel_requested = false, progress_done = 0, progress_total = NULL, worker_id = NULL, claimed_at = NULL,
         send_after = now(), sends = sends + 1, sent_at = NULL, started_at = NULL, finished_at = NULL,
         expires_at = now() + expiry, history = {}",
        entries::with(&entries::redriven(by))
    )
}
