//! Looks jobs up.

use chrono::{DateTime, Utc};
use diesel::dsl::{self, sql};
use diesel::expression::SqlLiteral;
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::query_builder::{QueryFragment, QueryId};
use diesel::sql_types::{Bool, Text};
use uuid::Uuid;

use crate::database::DatabaseError;
use crate::job::{CalendarRequest, Job, JobError, JobId, JobStatus};
use crate::schema::{calendar_jobs, calendar_results};

/// Returns the job with this id, or `None`.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn find(connection: &mut PgConnection, id: JobId) -> Result<Option<Job>, DatabaseError> {
    let row = calendar_jobs::table
        .find(id.0)
        .select(JobRow::as_select())
        .first(connection)
        .optional()?;
    Ok(row.map(Job::from))
}

/// Returns those of the jobs that exist, in any order.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn find_many(connection: &mut PgConnection, ids: &[JobId]) -> Result<Vec<Job>, DatabaseError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = calendar_jobs::table
        .filter(calendar_jobs::id.eq_any(ids))
        .select(JobRow::as_select())
        .load(connection)?;
    Ok(rows.into_iter().map(JobRow::into).collect())
}

/// Returns at most `limit` jobs that were accepted before the job `before`, newest first; only jobs in `status` if it is
/// given. Expired jobs are left out.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn list(
    connection: &mut PgConnection,
    status: Option<JobStatus>,
    before: Option<JobId>,
    limit: i64,
) -> Result<Vec<Job>, DatabaseError> {
    let is_kept = calendar_jobs::finished_at
        .is_null()
        .or(calendar_jobs::expires_at.gt(dsl::now));
    let jobs = calendar_jobs::table
        .select(JobRow::as_select())
        .filter(is_kept)
        .limit(limit);
    // ids are ordered by time
    let before = before.map_or(Uuid::max(), |JobId(id)| id);
    let rows = match status {
        None => jobs
            .filter(calendar_jobs::id.lt(before))
            .order(calendar_jobs::id.desc())
            .load(connection),
        // successful jobs are not in the index by status, and each has a result
        Some(JobStatus::Success) => jobs
            .inner_join(calendar_results::table.on(calendar_results::job_id.eq(calendar_jobs::id)))
            .filter(calendar_results::job_id.lt(before))
            .order(calendar_results::job_id.desc())
            .load(connection),
        Some(status) => jobs
            .filter(is_in(status, before))
            .order((calendar_jobs::status.desc(), calendar_jobs::id.desc()))
            .load(connection),
    };
    Ok(rows?.into_iter().map(JobRow::into).collect())
}

/// The jobs in `status` with an id less than `before`, as one range of the index by status. With an equality in its place,
/// PostgreSQL might choose to search the primary key, and visit every job to find a few.
fn is_in(status: JobStatus, before: Uuid) -> SqlLiteral<Bool, impl QueryFragment<Pg> + QueryId> {
    sql::<Bool>("status <> 'SUCCESS' AND status >= ")
        .bind::<Text, _>(status)
        .sql(" AND (status, calendar_jobs.id) < (")
        .bind::<Text, _>(status)
        .sql(", ")
        .bind::<diesel::sql_types::Uuid, _>(before)
        .sql(")")
}

type Expired = dsl::And<
    dsl::IsNotNull<calendar_jobs::finished_at>,
    dsl::LtEq<calendar_jobs::expires_at, dsl::now>,
>;

#[derive(Queryable, Selectable)]
#[diesel(table_name = calendar_jobs, check_for_backend(Pg))]
pub(super) struct JobRow {
    pub(super) id: Uuid,
    status: JobStatus,
    version: i64,
    attempt: i32,
    pub(super) request: CalendarRequest,
    error: Option<JobError>,
    cancel_requested: bool,
    progress_done: i32,
    progress_total: Option<i32>,
    skipped_count: Option<i32>,
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
    expires_at: DateTime<Utc>,
    #[diesel(select_expression = calendar_jobs::finished_at.is_not_null().and(calendar_jobs::expires_at.le(dsl::now)))]
    #[diesel(select_expression_type = Expired)]
    pub(super) expired: bool,
}

impl From<JobRow> for Job {
    fn from(row: JobRow) -> Self {
        Self {
            id: JobId(row.id),
            status: row.status,
            version: row.version,
            attempt: row.attempt,
            request: row.request,
            error: row.error,
            cancel_requested: row.cancel_requested,
            progress_done: row.progress_done,
            progress_total: row.progress_total,
            skipped_count: row.skipped_count,
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
            expires_at: row.expires_at,
            expired: row.expired,
        }
    }
}
