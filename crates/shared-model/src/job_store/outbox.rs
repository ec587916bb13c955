//! The job's row is its own outbox: `published_at` is null while its message still has to be sent.
//!
//! A relay takes rows under a lease, so that it holds no lock while it waits for the queue.

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Double, Integer, Nullable, Timestamptz};
use uuid::Uuid;

use crate::database::DatabaseError;
use crate::job::JobId;
use crate::message::{JobMessage, MESSAGE_VERSION};
use crate::schema::calendar_jobs;

/// How long a relay has to send the messages that it took, in seconds. After that another relay may send them again.
pub const PUBLISH_LEASE_SECONDS: f64 = 30.0;

/// Leases at most `limit` unpublished jobs, oldest first, and returns their messages. Skips jobs that another relay has
/// leased.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn lease_unpublished(
    connection: &mut PgConnection,
    limit: i64,
) -> Result<Vec<JobMessage>, DatabaseError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Uuid)]
        id: Uuid,
        #[diesel(sql_type = Integer)]
        generation: i32,
        #[diesel(sql_type = Timestamptz)]
        enqueued_at: DateTime<Utc>,
    }
    let rows: Vec<Row> = diesel::sql_query(
        "UPDATE calendar_jobs SET publish_lease_until = now() + make_interval(secs => $2)
         WHERE id IN (
             SELECT id FROM calendar_jobs
             WHERE published_at IS NULL AND status IN ('PENDING', 'RETRY') AND publish_lease_until <= now()
             ORDER BY created_at LIMIT $1 FOR UPDATE SKIP LOCKED)
         RETURNING id, generation, now() AS enqueued_at",
    )
    .bind::<BigInt, _>(limit)
    .bind::<Double, _>(PUBLISH_LEASE_SECONDS)
    .load(connection)?;
    let mut messages: Vec<JobMessage> = rows
        .into_iter()
        .map(|row| JobMessage {
            v: MESSAGE_VERSION,
            job_id: JobId(row.id),
            generation: row.generation,
            enqueued_at: row.enqueued_at,
        })
        .collect();
    // RETURNING guarantees no order; ids are ordered by time
    messages.sort_by_key(|message| message.job_id);
    Ok(messages)
}

/// Records that the queue has accepted these messages.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn mark_published(connection: &mut PgConnection, ids: &[JobId]) -> Result<(), DatabaseError> {
    // a job that was redriven meanwhile has no lease: the message of its new generation still has to be sent
    let leased = calendar_jobs::table
        .filter(calendar_jobs::id.eq_any(uuids(ids)))
        .filter(sql::<Bool>("publish_lease_until > '-infinity'"));
    diesel::update(leased)
        .set(calendar_jobs::published_at.eq(sql::<Nullable<Timestamptz>>("now()")))
        .execute(connection)?;
    Ok(())
}

/// Ends the lease of messages that the queue did not accept, so that the next round sends them.
///
/// # Errors
/// Returns an error if the database does not answer. The lease then runs out.
pub fn release_unpublished(
    connection: &mut PgConnection,
    ids: &[JobId],
) -> Result<(), DatabaseError> {
    diesel::update(calendar_jobs::table.filter(calendar_jobs::id.eq_any(uuids(ids))))
        .set(calendar_jobs::publish_lease_until.eq(diesel::dsl::now))
        .execute(connection)?;
    Ok(())
}

/// Returns how many messages still have to be sent, and how long the oldest has waited.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn backlog(connection: &mut PgConnection) -> Result<Backlog, DatabaseError> {
    Ok(diesel::sql_query(
        "SELECT count(*) AS jobs, coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS oldest_age_seconds
         FROM calendar_jobs WHERE published_at IS NULL AND status IN ('PENDING', 'RETRY')",
    )
    .get_result(connection)?)
}

/// The unpublished jobs.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub struct Backlog {
    /// How many there are.
    #[diesel(sql_type = BigInt)]
    pub jobs: i64,
    /// How long the oldest has waited since it was accepted, in seconds.
    #[diesel(sql_type = Double)]
    pub oldest_age_seconds: f64,
}

fn uuids(ids: &[JobId]) -> Vec<Uuid> {
    ids.iter().map(|id| id.0).collect()
}
