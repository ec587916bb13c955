//! Accepts jobs.

use diesel::data_types::PgInterval;
use diesel::dsl;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Interval, Timestamptz};

use super::lookup::JobRow;
use crate::database::DatabaseError;
use crate::job::{CalendarRequest, Job, JobId};
use crate::schema::calendar_jobs;

/// The columns of a new row. Diesel's query builder makes the statement, so each connection prepares it only once.
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

/// Stores a new job and returns it. The job is durable then: this is what a 202 means. It may wait for `expiry_seconds`,
/// and is kept for the same time once it has ended.
///
/// # Errors
/// Returns an error if the database does not answer. The job may then be stored all the same.
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

/// The answer to a request that carries an idempotency key.
#[derive(Debug, Clone, PartialEq)]
pub enum Accepted {
    /// The job is new.
    New(Job),
    /// An equal request with the same key created this job before.
    Replayed(Job),
    /// A different request has used the key before.
    KeyReused,
}

/// Like [`insert`], but creates only one job per `key`, however many requests carry the key at the same time.
///
/// # Errors
/// Returns an error if the database does not answer. The job may then be stored all the same; a second call with the
/// same key finds it.
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
            // expired, and not swept yet: the key is free again
            Some(row) if row.expired => {
                diesel::update(calendar_jobs::table.find(row.id))
                    .set(calendar_jobs::idempotency_key.eq(None::<String>))
                    .execute(connection)?;
            }
            Some(row) if row.request == *request => return Ok(Accepted::Replayed(row.into())),
            Some(_) => return Ok(Accepted::KeyReused),
            // swept between the two statements: the key is free again
            None => {}
        }
    }
}
