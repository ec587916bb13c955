//! The job's row as its own outbox: what is still to be sent, taken under a lease so that no lock is held while a
//! queue answers, or does not.

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

/// How long one relay has for sending what it took; after that another may send it again.
pub const PUBLISH_LEASE_SECONDS: f64 = 30.0;

/// Takes at most `limit` jobs that are still to be sent, oldest first, and leaves those that another relay has.
///
/// # Errors
/// When the database does not answer.
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
    // RETURNING promises no order; ids are ordered by time
    messages.sort_by_key(|message| message.job_id);
    Ok(messages)
}

/// Notes that the queue has taken these.
///
/// # Errors
/// When the database does not answer.
pub fn mark_published(connection: &mut PgConnection, ids: &[JobId]) -> Result<(), DatabaseError> {
    // a job that was redriven or put back meanwhile has no lease: its new generation is still to be sent
    let leased = calendar_jobs::table
        .filter(calendar_jobs::id.eq_any(uuids(ids)))
        .filter(sql::<Bool>("publish_lease_until > '-infinity'"));
    diesel::update(leased)
        .set(calendar_jobs::published_at.eq(sql::<Nullable<Timestamptz>>("now()")))
        .execute(connection)?;
    Ok(())
}

/// Gives back what the queue did not take, so that the next round sends it.
///
/// # Errors
/// When the database does not answer; the lease then ends by itself.
pub fn release_unpublished(
    connection: &mut PgConnection,
    ids: &[JobId],
) -> Result<(), DatabaseError> {
    diesel::update(calendar_jobs::table.filter(calendar_jobs::id.eq_any(uuids(ids))))
        .set(calendar_jobs::publish_lease_until.eq(diesel::dsl::now))
        .execute(connection)?;
    Ok(())
}

/// How much is still to be sent, and for how many seconds the oldest has waited.
///
/// # Errors
/// When the database does not answer.
pub fn backlog(connection: &mut PgConnection) -> Result<Backlog, DatabaseError> {
    Ok(diesel::sql_query(
        "SELECT count(*) AS jobs, coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS oldest_age_seconds
         FROM calendar_jobs WHERE published_at IS NULL AND status IN ('PENDING', 'RETRY')",
    )
    .get_result(connection)?)
}

/// What the relay has before it.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub struct Backlog {
    /// Jobs still to be sent.
    #[diesel(sql_type = BigInt)]
    pub jobs: i64,
    /// How long the oldest of them has waited.
    #[diesel(sql_type = Double)]
    pub oldest_age_seconds: f64,
}

fn uuids(ids: &[JobId]) -> Vec<Uuid> {
    ids.iter().map(|id| id.0).collect()
}
