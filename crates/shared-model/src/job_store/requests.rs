//! What the API does with jobs: accept, look up, list, cancel.

use chrono::{DateTime, Utc};
use diesel::data_types::PgInterval;
use diesel::dsl::{self, sql};
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Interval, Nullable, Timestamptz};
use uuid::Uuid;

use crate::database::DatabaseError;
use crate::job::{CalendarRequest, Job, JobError, JobId, JobStatus};
use crate::schema::calendar_jobs;

/// The columns of a new row. All in diesel's words, so that the statement is prepared once a connection.
macro_rules! new_job {
    ($id:expr, $request:expr, $expiry_seconds:expr) => {{
        let expiry = PgInterval::from_microseconds(i64::from($expiry_seconds) * 1_000_000);
        (
            calendar_jobs::id.eq($id.0),
            calendar_jobs::request.eq($request),
            calendar_jobs::expiry.eq(expiry),
            calendar_jobs::expires_at
                .eq(dsl::now.into_sql::<Timestamptz>() + expiry.into_sql::<Interval>()),
        )
    }};
}

/// Stores a new job, which makes it durable: this is what a 202 means. It may wait for `expiry_seconds`, and is kept
/// for as long once it has ended.
///
/// # Errors
/// When the database does not take it.
pub fn insert(
    connection: &mut PgConnection,
    id: JobId,
    request: &CalendarRequest,
    expiry_seconds: u32,
) -> Result<Job, DatabaseError> {
    let row = diesel::insert_into(calendar_jobs::table)
        .values(new_job!(id, request, expiry_seconds))
        .returning(JobRow::as_returning())
        .get_result(connection)?;
    Ok(row.into())
}

/// What came of accepting a job under a client's name for its request.
#[derive(Debug, Clone, PartialEq)]
pub enum Accepted {
    /// A new job.
    New(Job),
    /// The job that an equal request of that name made before.
    Replayed(Job),
    /// The name stands for another request.
    KeyReused,
}

/// As [`insert`], once for each `key`: however many clients ask at once, one job is made.
///
/// # Errors
/// When the database does not take it.
pub fn insert_once(
    connection: &mut PgConnection,
    id: JobId,
    key: &str,
    request: &CalendarRequest,
    expiry_seconds: u32,
) -> Result<Accepted, DatabaseError> {
    loop {
        let inserted = diesel::insert_into(calendar_jobs::table)
            .values((
                new_job!(id, request, expiry_seconds),
                calendar_jobs::idempotency_key.eq(key),
            ))
            .on_conflict(calendar_jobs::idempotency_key)
            .do_nothing()
            .returning(JobRow::as_returning())
            .get_result(connection)
            .optional()?;
        if let Some(row) = inserted {
            return Ok(Accepted::New(row.into()));
        }
        let existing = calendar_jobs::table
            .filter(calendar_jobs::idempotency_key.eq(key))
            .select(JobRow::as_select())
            .first(connection)
            .optional()?;
        match existing {
            // kept no longer, and not swept yet
            Some(row) if row.expired => {
                diesel::update(calendar_jobs::table.find(row.id))
                    .set(calendar_jobs::idempotency_key.eq(None::<String>))
                    .execute(connection)?;
            }
            Some(row) if row.request == *request => return Ok(Accepted::Replayed(row.into())),
            Some(_) => return Ok(Accepted::KeyReused),
            // it was swept away in between, and the name is free again
            None => {}
        }
    }
}

/// The job of that id, if there is one.
///
/// # Errors
/// When the database does not answer.
pub fn find(connection: &mut PgConnection, id: JobId) -> Result<Option<Job>, DatabaseError> {
    let row = calendar_jobs::table
        .find(id.0)
        .select(JobRow::as_select())
        .first(connection)
        .optional()?;
    Ok(row.map(Job::from))
}

/// Those of the jobs that exist, in any order.
///
/// # Errors
/// When the database does not answer.
pub fn find_many(connection: &mut PgConnection, ids: &[JobId]) -> Result<Vec<Job>, DatabaseError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = calendar_jobs::table
        .filter(calendar_jobs::id.eq_any(ids))
        .select(JobRow::as_select())
        .load(connection)?;
    Ok(rows.into_iter().map(JobRow::into).collect())
}

/// A place in the list of jobs: the last one seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobPosition {
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// Which of that instant.
    pub id: JobId,
}

/// At most `limit` jobs after `after`, newest first; of one status if one is given. Jobs that are kept no longer are
/// left out.
///
/// # Errors
/// When the database does not answer.
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
        // as a row comparison, which the index answers in one range
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

/// What came of a wish to cancel; each with the job as it then was.
#[derive(Debug, Clone, PartialEq)]
pub enum Cancelled {
    /// It had not begun and never will.
    Revoked(Job),
    /// A worker is at it, and has been asked to stop.
    Asked(Job),
    /// It was cancelled before.
    Already(Job),
    /// It had ended otherwise.
    TooLate(Job),
}

/// Cancels a job: at once while it waits, by asking the worker while it runs. `None`: no such job.
///
/// # Errors
/// When the database does not answer.
pub fn cancel(
    connection: &mut PgConnection,
    id: JobId,
) -> Result<Option<Cancelled>, DatabaseError> {
    connection.transaction(|connection| {
        let locked = calendar_jobs::table
            .find(id.0)
            .select((calendar_jobs::status, calendar_jobs::cancel_requested))
            .for_update()
            .first::<(JobStatus, bool)>(connection);
        let Some((status, cancel_requested)) = locked.optional()? else {
            return Ok(None);
        };
        let row = calendar_jobs::table.find(id.0);
        let next_version = calendar_jobs::version.eq(calendar_jobs::version + 1);
        let cancelled = match status {
            JobStatus::Pending | JobStatus::Retry => Cancelled::Revoked(
                diesel::update(row)
                    .set((
                        calendar_jobs::status.eq(JobStatus::Revoked),
                        next_version,
                        calendar_jobs::cancel_requested.eq(true),
                        calendar_jobs::finished_at.eq(sql::<Nullable<Timestamptz>>("now()")),
                        calendar_jobs::expires_at.eq(sql::<Timestamptz>("now() + expiry")),
                    ))
                    .returning(JobRow::as_returning())
                    .get_result(connection)?
                    .into(),
            ),
            JobStatus::Started if cancel_requested => {
                Cancelled::Asked(row.select(JobRow::as_select()).first(connection)?.into())
            }
            JobStatus::Started => Cancelled::Asked(
                diesel::update(row)
                    .set((calendar_jobs::cancel_requested.eq(true), next_version))
                    .returning(JobRow::as_returning())
                    .get_result(connection)?
                    .into(),
            ),
            JobStatus::Revoked => {
                Cancelled::Already(row.select(JobRow::as_select()).first(connection)?.into())
            }
            JobStatus::Success | JobStatus::Failure => {
                Cancelled::TooLate(row.select(JobRow::as_select()).first(connection)?.into())
            }
        };
        Ok(Some(cancelled))
    })
}

type Expired = dsl::And<
    dsl::IsNotNull<calendar_jobs::finished_at>,
    dsl::LtEq<calendar_jobs::expires_at, dsl::now>,
>;

#[derive(Queryable, Selectable)]
#[diesel(table_name = calendar_jobs, check_for_backend(Pg))]
struct JobRow {
    id: Uuid,
    status: JobStatus,
    version: i64,
    attempt: i32,
    request: CalendarRequest,
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
    expired: bool,
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
