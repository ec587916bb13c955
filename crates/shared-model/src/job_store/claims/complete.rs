//! Stores results and ends their jobs in SUCCESS.

use std::collections::HashMap;
use std::sync::Arc;

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Integer, Text};
use uuid::Uuid;

use super::ClaimKey;
use crate::database::{DatabaseError, prepared};
use crate::job::JobId;
use crate::job_store::column::column;
use crate::job_store::end::END;
use crate::results::NewResult;

/// A result to store under a claim.
#[derive(Debug, Clone)]
pub struct Completion {
    /// The claim.
    pub key: ClaimKey,
    /// The calendar.
    pub result: Arc<NewResult>,
}

/// What became of a write under a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It is stored, by this call or by an earlier one.
    Done,
    /// The claim was lost; nothing was written.
    Lost,
    /// Another session has locked the job's row; nothing was written. Another attempt may succeed.
    Busy,
}

/// Stores results and ends their jobs in SUCCESS, in one statement. Returns one answer for each, in the same order.
///
/// # Errors
/// Returns an error if the database does not answer. Whether the results were stored is then unknown; calling again is
/// safe.
pub fn complete(
    connection: &mut PgConnection,
    completions: &[Completion],
) -> Result<Vec<Written>, DatabaseError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Uuid)]
        id: Uuid,
        #[diesel(sql_type = diesel::sql_types::Uuid)]
        claim: Uuid,
        #[diesel(sql_type = Bool)]
        is_done: bool,
        #[diesel(sql_type = Bool)]
        was_claimed: bool,
    }
    let query = diesel::sql_query(format!(
        // the large columns are not unnested, because PostgreSQL would copy them more than once
        "WITH claimed AS MATERIALIZED (
             SELECT finished.*
             FROM unnest($1, $2, $6, $7, $8, $9) WITH ORDINALITY
                 AS finished (id, claim, byte_length, event_count, skipped_count, fingerprint, position)
             CROSS JOIN LATERAL (
                 SELECT FROM calendar_jobs AS job
                 WHERE job.id = finished.id AND job.claim = finished.claim AND job.status = 'STARTED'
                 FOR NO KEY UPDATE SKIP LOCKED) AS job),
         done AS (
             UPDATE calendar_jobs AS job
             SET status = 'SUCCESS', error = NULL, {END}, skipped_count = claimed.skipped_count,
                 progress_done = claimed.event_count + claimed.skipped_count,
                 progress_total = claimed.event_count + claimed.skipped_count
             FROM claimed WHERE job.id = claimed.id
             RETURNING claimed.*, job.expires_at),
         stored AS (
             INSERT INTO calendar_results
                 (job_id, content, sha256, gzip_sha256, byte_length, event_count, skipped_count, todos_fingerprint,
                  expires_at)
             SELECT id, $3[position], $4[position], $5[position], byte_length, event_count, skipped_count, fingerprint,
                 expires_at
             FROM done)
         SELECT id, claim, true AS is_done, true AS was_claimed FROM done
         UNION ALL
         SELECT other.id, other.claim, coalesce(job.status = 'SUCCESS', false), coalesce(job.status = 'STARTED', false)
         FROM unnest($1, $2) AS other (id, claim)
         LEFT JOIN calendar_jobs AS job ON job.id = other.id AND job.claim = other.claim
         WHERE (other.id, other.claim) NOT IN (SELECT id, claim FROM done)"
    ))
    .bind::<Array<diesel::sql_types::Uuid>, _>(column(completions, |one| one.key.id.0))
    .bind::<Array<diesel::sql_types::Uuid>, _>(column(completions, |one| one.key.claim))
    .bind::<Array<Binary>, _>(column(completions, |one| one.result.content.as_slice()))
    .bind::<Array<Binary>, _>(column(completions, |one| one.result.sha256.as_slice()))
    .bind::<Array<Binary>, _>(column(completions, |one| one.result.gzip_sha256.as_slice()))
    .bind::<Array<BigInt>, _>(column(completions, |one| one.result.byte_length))
    .bind::<Array<Integer>, _>(column(completions, |one| one.result.event_count))
    .bind::<Array<Integer>, _>(column(completions, |one| one.result.skipped_count))
    .bind::<Array<Text>, _>(column(completions, |one| one.result.todos_fingerprint.as_str()));
    let rows: Vec<Row> = prepared(query).load(connection)?;
    let written: HashMap<ClaimKey, Written> = rows
        .into_iter()
        .map(|row| {
            let (id, claim) = (JobId(row.id), row.claim);
            let written = match row {
                Row { is_done: true, .. } => Written::Done,
                Row {
                    was_claimed: true, ..
                } => Written::Busy,
                Row { .. } => Written::Lost,
            };
            (ClaimKey { id, claim }, written)
        })
        .collect();
    let answer = |one: &Completion| written.get(&one.key).copied().unwrap_or(Written::Lost);
    Ok(completions.iter().map(answer).collect())
}
