//! Accepts jobs.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Integer, Jsonb, Nullable, Text, Timestamptz};

use super::lookup::{JobRow, find};
use crate::database::{DatabaseError, prepared};
use crate::job::{CalendarRequest, Job, JobId};
use crate::job_store::column::column;
use crate::job_store::outbox::SEND_LEASE_SECONDS;
use crate::schema::calendar_jobs;
use crate::trace::TraceContext;

/// A job to accept.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    /// Its id.
    pub id: JobId,
    /// The calendar that the client asked for.
    pub request: CalendarRequest,
    /// How long it may wait for its completion, and how long it is kept once it has ended.
    pub expiry_seconds: u32,
    /// Who sends its message.
    pub sender: Sender,
    /// The name of the token that it was requested with.
    pub token_name: Option<Arc<str>>,
    /// Its trace, unless the trace has the id of the job: see [`trace::new_job`](crate::trace::new_job).
    pub traceparent: Option<TraceContext>,
    /// Who gets an event when the job ends: `sns`, or the URLs of webhooks. None of them contains a line break.
    pub event_destinations: Vec<String>,
}

/// Who sends the message of a new job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// Nobody, because the workers claim jobs from the table.
    Nobody,
    /// The process that accepts the job, under a lease. If it dies, any relay sends the message.
    ThisProcess,
    /// Any relay.
    AnyRelay,
}

/// Stores new jobs, and returns the time of their acceptance. They are durable then: this is what a 202 means. A job that
/// is already stored does not change, so a call whose answer was lost can be repeated.
///
/// # Errors
/// Returns an error if the database does not answer. The jobs may then be stored all the same.
pub fn insert(
    connection: &mut PgConnection,
    jobs: &[NewJob],
) -> Result<DateTime<Utc>, DatabaseError> {
    insert_unless_present(connection, jobs, None)
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
    key: &str,
    job: &NewJob,
) -> Result<Accepted, DatabaseError> {
    loop {
        insert_unless_present(connection, std::slice::from_ref(job), Some(key))?;
        match find_by_key(connection, key)? {
            Some(row) if row.id == job.id.0 => return Ok(Accepted::New(row.into())),
            // expired, and not swept yet: the key is free again
            Some(row) if row.expired => {
                diesel::update(calendar_jobs::table.find(row.id))
                    .set(calendar_jobs::idempotency_key.eq(None::<String>))
                    .execute(connection)?;
            }
            Some(row) if row.request == job.request => return Ok(Accepted::Replayed(row.into())),
            Some(_) => return Ok(Accepted::KeyReused),
            // Swept between the two statements: the key is free again. But a job that was stored by an earlier call
            // has lost its key only if another request has taken it over.
            None => {
                if let Some(stored) = find(connection, job.id)? {
                    return Ok(Accepted::New(stored));
                }
            }
        }
    }
}

/// Returns what [`insert_once`] returns if the key has been used before, and otherwise `None`. Stores nothing.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn find_replayed(
    connection: &mut PgConnection,
    key: &str,
    request: &CalendarRequest,
) -> Result<Option<Accepted>, DatabaseError> {
    let existing = find_by_key(connection, key)?;
    let used = existing.filter(|row| !row.expired);
    Ok(used.map(|row| {
        if row.request == *request {
            Accepted::Replayed(row.into())
        } else {
            Accepted::KeyReused
        }
    }))
}

/// Returns the job with this key, which may have expired.
fn find_by_key(connection: &mut PgConnection, key: &str) -> Result<Option<JobRow>, DatabaseError> {
    Ok(calendar_jobs::table
        .filter(calendar_jobs::idempotency_key.eq(key))
        .select(JobRow::as_select())
        .first(connection)
        .optional()?)
}

/// Stores those of the jobs whose id and key are free.
fn insert_unless_present(
    connection: &mut PgConnection,
    jobs: &[NewJob],
    key: Option<&str>,
) -> Result<DateTime<Utc>, DatabaseError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Timestamptz)]
        accepted_at: DateTime<Utc>,
    }
    let expiry = |job: &NewJob| i32::try_from(job.expiry_seconds).unwrap_or(i32::MAX);
    // PostgreSQL has no arrays of arrays with different lengths
    let destinations = |job: &NewJob| {
        let destinations = &job.event_destinations;
        (!destinations.is_empty()).then(|| destinations.join("\n"))
    };
    let query = diesel::sql_query(format!(
        "WITH stored AS (
             INSERT INTO calendar_jobs (id, request, expiry, expires_at, send_after, sends, token_name,
                                        traceparent, event_destinations, idempotency_key)
             SELECT job.id, job.request, make_interval(secs => job.expiry), now() + make_interval(secs => job.expiry),
                    CASE WHEN job.is_mine THEN now() + interval '{SEND_LEASE_SECONDS} s'
                         WHEN job.is_queued THEN now() END,
                    job.is_mine::integer, job.token_name, job.traceparent, string_to_array(job.destinations, E'\\n'), $9
             FROM unnest($1, $2, $3, $4, $5, $6, $7, $8)
                 AS job (id, request, expiry, is_queued, is_mine, token_name, traceparent, destinations)
             ON CONFLICT DO NOTHING)
         SELECT now() AS accepted_at"
    ))
    .bind::<Array<diesel::sql_types::Uuid>, _>(column(jobs, |job| job.id.0))
    .bind::<Array<Jsonb>, _>(column(jobs, |job| job.request.clone()))
    .bind::<Array<Integer>, _>(column(jobs, expiry))
    .bind::<Array<Bool>, _>(column(jobs, |job| job.sender != Sender::Nobody))
    .bind::<Array<Bool>, _>(column(jobs, |job| job.sender == Sender::ThisProcess))
    .bind::<Array<Nullable<Text>>, _>(column(jobs, |job| job.token_name.as_deref()))
    .bind::<Array<Nullable<Text>>, _>(column(jobs, |job| job.traceparent.map(String::from)))
    .bind::<Array<Nullable<Text>>, _>(column(jobs, destinations))
    .bind::<Nullable<Text>, _>(key);
    let row: Row = prepared(query).get_result(connection)?;
    Ok(row.accepted_at)
}
