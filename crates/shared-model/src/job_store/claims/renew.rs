//! Keeps claims from running out, and records the progress of running jobs.

use std::time::Duration;

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Double, Integer, Nullable};
use uuid::Uuid;

use super::ClaimKey;
use crate::database::{DatabaseError, prepared};
use crate::job::JobId;
use crate::job_store::column::column;

/// A claim to be renewed, and how far its job has come.
#[derive(Debug, Clone, Copy)]
pub struct ClaimRenewal {
    /// The claim.
    pub key: ClaimKey,
    /// Todos rendered so far.
    pub done: i32,
    /// Todos to render, once they have been counted.
    pub total: Option<i32>,
}

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// It is renewed.
    Renewed {
        /// Whether the job's progress has changed, which clients can see.
        has_progress: bool,
    },
    /// It is renewed, and a client has asked the job to stop.
    CancelRequested,
    /// Another session has locked the job's row, so the claim still ends when it did before.
    Busy,
    /// The attempt has ended, or another worker has claimed the job.
    Lost,
}

/// Renews claims for `lease` from now, and records their progress. Returns what became of each claim, in any order.
///
/// # Errors
/// Returns an error if the database does not answer. The claims then run out unless a later call succeeds.
pub fn renew(
    connection: &mut PgConnection,
    renewals: &[ClaimRenewal],
    lease: Duration,
) -> Result<Vec<(ClaimKey, Renewal)>, DatabaseError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Uuid)]
        id: Uuid,
        #[diesel(sql_type = diesel::sql_types::Uuid)]
        claim: Uuid,
        #[diesel(sql_type = Nullable<Bool>)]
        cancel_requested: Option<bool>,
        #[diesel(sql_type = Bool)]
        has_progress: bool,
        #[diesel(sql_type = Bool)]
        was_claimed: bool,
    }
    let query = diesel::sql_query(
        "WITH claimed AS MATERIALIZED (
             SELECT mine.*, (job.progress_done, job.progress_total) IS DISTINCT FROM (mine.done, mine.total) AS has_progress
             FROM unnest($1, $2, $3, $4) AS mine (id, claim, done, total)
             CROSS JOIN LATERAL (
                 SELECT job.progress_done, job.progress_total FROM calendar_jobs AS job
                 WHERE job.id = mine.id AND job.claim = mine.claim AND job.status = 'STARTED'
                 FOR NO KEY UPDATE SKIP LOCKED) AS job),
         renewed AS (
             UPDATE calendar_jobs AS job
             SET lease_until = now() + make_interval(secs => $5), version = version + claimed.has_progress::integer,
                 progress_done = claimed.done, progress_total = claimed.total
             FROM claimed WHERE job.id = claimed.id
             RETURNING job.id, job.claim, job.cancel_requested, claimed.has_progress)
         SELECT id, claim, cancel_requested, has_progress, true AS was_claimed FROM renewed
         UNION ALL
         SELECT mine.id, mine.claim, NULL, false, coalesce(job.status = 'STARTED', false)
         FROM unnest($1, $2) AS mine (id, claim)
         LEFT JOIN calendar_jobs AS job ON job.id = mine.id AND job.claim = mine.claim
         WHERE (mine.id, mine.claim) NOT IN (SELECT id, claim FROM renewed)",
    )
    .bind::<Array<diesel::sql_types::Uuid>, _>(column(renewals, |one| one.key.id.0))
    .bind::<Array<diesel::sql_types::Uuid>, _>(column(renewals, |one| one.key.claim))
    .bind::<Array<Integer>, _>(column(renewals, |one| one.done))
    .bind::<Array<Nullable<Integer>>, _>(column(renewals, |one| one.total))
    .bind::<Double, _>(lease.as_secs_f64());
    let rows: Vec<Row> = prepared(query).load(connection)?;
    let renewal = |row: Row| {
        let key = ClaimKey {
            id: JobId(row.id),
            claim: row.claim,
        };
        let renewal = match row.cancel_requested {
            Some(true) => Renewal::CancelRequested,
            Some(false) => Renewal::Renewed {
                has_progress: row.has_progress,
            },
            None if row.was_claimed => Renewal::Busy,
            None => Renewal::Lost,
        };
        (key, renewal)
    };
    Ok(rows.into_iter().map(renewal).collect())
}
