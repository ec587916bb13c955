//! Keeps claims from running out, and records the progress of running jobs.

use std::time::Duration;

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Double, Integer, Nullable};
use uuid::Uuid;

use super::ClaimKey;
use crate::database::DatabaseError;
use crate::job::JobId;

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

/// A renewed claim. A claim that was lost is left out of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewed {
    /// The claim.
    pub key: ClaimKey,
    /// Whether a client has asked the job to stop.
    pub cancel_requested: bool,
}

/// Renews claims for `lease` from now, and records their progress. Returns the claims that are still this worker's.
///
/// # Errors
/// Returns an error if the database does not answer. The claims then run out unless a later call succeeds.
pub fn renew(
    connection: &mut PgConnection,
    renewals: &[ClaimRenewal],
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
    let keys = || renewals.iter().map(|renewal| renewal.key);
    let rows: Vec<Row> = diesel::sql_query(
        "UPDATE calendar_jobs AS job
         SET lease_until = now() + make_interval(secs => $6),
             version = version + ((job.progress_done, job.progress_total)
                                  IS DISTINCT FROM (renewal.done, renewal.total))::int,
             progress_done = renewal.done, progress_total = renewal.total
         FROM unnest($1, $2, $3, $4, $5) AS renewal (id, generation, attempt, done, total)
         WHERE job.id = renewal.id AND job.generation = renewal.generation AND job.attempt = renewal.attempt
           AND job.status = 'STARTED'
         RETURNING job.id, job.generation, job.attempt, job.cancel_requested",
    )
    .bind::<Array<diesel::sql_types::Uuid>, _>(keys().map(|key| key.id.0).collect::<Vec<_>>())
    .bind::<Array<Integer>, _>(keys().map(|key| key.generation).collect::<Vec<_>>())
    .bind::<Array<Integer>, _>(keys().map(|key| key.attempt).collect::<Vec<_>>())
    .bind::<Array<Integer>, _>(renewals.iter().map(|r| r.done).collect::<Vec<_>>())
    .bind::<Array<Nullable<Integer>>, _>(renewals.iter().map(|r| r.total).collect::<Vec<_>>())
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
