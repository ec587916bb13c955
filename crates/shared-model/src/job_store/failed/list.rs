//! Lists failed jobs.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text, Timestamptz};
use uuid::Uuid;

use super::{Filter, MATCHES, PART};
use crate::database::{DatabaseError, in_order_of_index};
use crate::job::JobId;
use crate::job_store::record::{JobRecord, RECORD, RecordRow, WITH_PROCESS};

/// Some failed jobs.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The jobs, those that were accepted last first.
    pub jobs: Vec<JobRecord>,
    /// The job after which the next page begins, or `None` if there are no more jobs.
    pub next: Option<JobId>,
}

/// Returns at most `limit` failed jobs that match the filter and were accepted before the job `before`. If few jobs match,
/// a page may have fewer jobs although there is a next one.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn list(
    connection: &mut PgConnection,
    filter: &Filter,
    before: Option<JobId>,
    limit: usize,
) -> Result<Page, DatabaseError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(embed)]
        record: RecordRow,
        #[diesel(sql_type = Bool)]
        is_match: bool,
        #[diesel(sql_type = BigInt)]
        number: i64,
    }
    // The row comparison is a range of the index by status, which is read backwards and only as far as needed. The last
    // job of the part is returned in any case, because it says where the next part begins.
    let query = diesel::sql_query(format!(
        "SELECT {RECORD}, {MATCHES} AS is_match, job.number
         FROM (SELECT *, row_number() OVER (ORDER BY status DESC, id DESC) AS number
               FROM calendar_jobs
               WHERE (status, id) < ('FAILURE', $1) AND status >= 'FAILURE' AND status <> 'SUCCESS'
               ORDER BY status DESC, id DESC LIMIT $2) AS job
         {WITH_PROCESS}
         WHERE {MATCHES} OR job.number = $2
         ORDER BY job.status DESC, job.id DESC LIMIT $3"
    ))
    .bind::<diesel::sql_types::Uuid, _>(before.map_or(Uuid::max(), |JobId(id)| id))
    .bind::<BigInt, _>(PART)
    .bind::<BigInt, _>(i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1))
    .bind::<Nullable<Text>, _>(filter.error_code_name())
    .bind::<Nullable<Integer>, _>(filter.worker_id)
    .bind::<Nullable<Timestamptz>, _>(filter.finished_after);
    let mut rows: Vec<Row> = in_order_of_index(connection, |connection| query.load(connection))?;
    let has_more = rows.len() > limit || rows.last().is_some_and(|row| row.number == PART);
    rows.truncate(limit);
    let last = rows.last().map(|row| row.record.id());
    Ok(Page {
        next: last.filter(|_| has_more),
        jobs: rows
            .into_iter()
            .filter(|row| row.is_match)
            .map(|row| row.record.into())
            .collect(),
    })
}
