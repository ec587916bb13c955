//! Looks jobs up.

use chrono::{DateTime, Utc};
use diesel::dsl::{self, sql};
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Timestamptz};
use uuid::Uuid;

use crate::database::DatabaseError;
use crate::job::{CalendarRequest, Job, JobError, JobId, JobStatus};
use crate::schema::calendar_jobs;

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

/// A position in the list of jobs: the last job of the previous page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobPosition {
    /// When that job was accepted.
    pub created_at: DateTime<Utc>,
    /// Its id, as several jobs may have been accepted at the same moment.
    pub id: JobId,
}

/// Returns at most `limit` jobs that follow `after`, newest first; only jobs in `status` if it is given. Expired jobs are
/// left out.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn list(
    connection: &mut PgConnection,
    status: Option<JobStatus>,
    after: Option<JobPosition>,
    limit: i64,
) -> Result<Vec<Job>, DatabaseError> {
    let mut query = calendar_jobs::table
        .select(JobRow::as_select())
        .filter(
            calendar_jobs::finished_at
                .is_null()
                .or(calendar_jobs::expires_at.gt(dsl::now)),
        )
        .order((calendar_jobs::created_at.desc(), calendar_jobs::id.desc()))
        .limit(limit)
        .into_boxed();
    if let Some(status) = status {
        query = query.filter(calendar_jobs::status.eq(status));
    }
    if let Some(JobPosition { created_at, id }) = after {
        // a row comparison, so that the index answers with one range
        query = query.filter(
            sql::<Bool>("(created_at, id) < (")
                .bind::<Timestamptz, _>(created_at)
                .sql(", ")
                .bind::<diesel::sql_types::Uuid, _>(id.0)
                .sql(")"),
        );
    }
    Ok(query
        .load(connection)?
        .into_iter()
        .map(JobRow::into)
        .collect())
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
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
            expires_at: row.expires_at,
            expired: row.expired,
        }
    }
}
