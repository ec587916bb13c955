//! The job's row is its own outbox: while its message still has to be sent, `send_after` is not null.
//!
//! A relay takes rows under a lease, so that it holds no lock while it waits for the queue. The lease is the time until
//! which `send_after` lies in the future. A claim on the job proves that the message arrived, and clears `send_after` too.
//!
//! A queue that can't delay a message leaves that to the outbox: a worker that wants a message to come again later postpones
//! it ([`postpone()`]), and deletes it from the queue.

mod postpone;

pub use postpone::{Postponed, PostponedAs, postpone};

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Double, Integer, Nullable, Text, Timestamptz};
use uuid::Uuid;

use crate::database::{DatabaseError, prepared};
use crate::job::JobId;
use crate::message::{JobMessage, MESSAGE_VERSION, OutboundMessage};

/// How long a relay has to send the messages that it took, in seconds. After that another relay may send them again.
pub const SEND_LEASE_SECONDS: f64 = 30.0;
/// How many messages [`backlog`] counts at most, so that its cost does not grow with the backlog.
pub const COUNTED: i64 = 10_000;

/// One message that a relay has taken. If another relay takes it later, the number of sends differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SendKey {
    /// The job.
    pub id: JobId,
    /// How many times relays have taken its message.
    pub sends: i32,
}

impl From<&OutboundMessage> for SendKey {
    fn from(outbound: &OutboundMessage) -> Self {
        Self {
            id: outbound.message.job_id,
            sends: outbound.sends,
        }
    }
}

/// Takes at most `limit` messages that have to be sent, those that have waited longest first. Skips what another relay
/// has taken.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn take(
    connection: &mut PgConnection,
    limit: i64,
) -> Result<Vec<OutboundMessage>, DatabaseError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Uuid)]
        id: Uuid,
        #[diesel(sql_type = Integer)]
        generation: i32,
        #[diesel(sql_type = Integer)]
        sends: i32,
        #[diesel(sql_type = Timestamptz)]
        enqueued_at: DateTime<Utc>,
        #[diesel(sql_type = Nullable<Text>)]
        traceparent: Option<String>,
    }
    let query = diesel::sql_query(
        "WITH due AS MATERIALIZED (
             SELECT id FROM calendar_jobs WHERE send_after <= now()
             ORDER BY send_after LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED)
         UPDATE calendar_jobs AS job
         SET send_after = now() + make_interval(secs => $2), sends = sends + 1
         FROM due WHERE job.id = due.id
         RETURNING job.id, job.generation, job.sends, job.traceparent, now() AS enqueued_at",
    )
    .bind::<BigInt, _>(limit)
    .bind::<Double, _>(SEND_LEASE_SECONDS);
    let rows: Vec<Row> = prepared(query).load(connection)?;
    let mut messages: Vec<OutboundMessage> = rows
        .into_iter()
        .map(|row| OutboundMessage {
            message: JobMessage {
                v: MESSAGE_VERSION,
                job_id: JobId(row.id),
                generation: row.generation,
                enqueued_at: row.enqueued_at,
                traceparent: row.traceparent.and_then(|text| text.parse().ok()),
            },
            sends: row.sends,
        })
        .collect();
    // RETURNING guarantees no order; ids are ordered by time
    messages.sort_by_key(|outbound| outbound.message.job_id);
    Ok(messages)
}

/// Records that the queue has accepted these messages, except those of jobs that were claimed or taken again meanwhile.
/// Locked rows are skipped: unless a worker is claiming the job, its message is sent once more.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn mark_sent(connection: &mut PgConnection, keys: &[SendKey]) -> Result<(), DatabaseError> {
    update_taken(connection, keys, "send_after = NULL, sent_at = now()")
}

/// Ends the lease of messages that the queue did not accept, so that a relay takes them again.
///
/// # Errors
/// Returns an error if the database does not answer. The lease then runs out.
pub fn release(connection: &mut PgConnection, keys: &[SendKey]) -> Result<(), DatabaseError> {
    update_taken(connection, keys, "send_after = now()")
}

fn update_taken(
    connection: &mut PgConnection,
    keys: &[SendKey],
    assignments: &'static str,
) -> Result<(), DatabaseError> {
    let query = diesel::sql_query(format!(
        "WITH taken AS MATERIALIZED (
             SELECT job.id FROM calendar_jobs AS job
             JOIN unnest($1, $2) AS mine (id, sends) ON job.id = mine.id AND job.sends = mine.sends
             WHERE job.send_after IS NOT NULL ORDER BY job.id FOR NO KEY UPDATE OF job SKIP LOCKED)
         UPDATE calendar_jobs AS job SET {assignments} FROM taken WHERE job.id = taken.id"
    ))
    .bind::<Array<diesel::sql_types::Uuid>, _>(keys.iter().map(|key| key.id.0).collect::<Vec<_>>())
    .bind::<Array<Integer>, _>(keys.iter().map(|key| key.sends).collect::<Vec<_>>());
    prepared(query).execute(connection)?;
    Ok(())
}

/// Returns how many messages of jobs that an attempt may begin for still have to be sent, and how long the oldest of these
/// jobs has waited: since it was accepted, redriven or sent for the last time, or since its backoff or its last worker's
/// lease ended. So a message that was postponed until then is not counted before. Looks at the [`COUNTED`] messages that are
/// to be sent first.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn backlog(connection: &mut PgConnection) -> Result<Backlog, DatabaseError> {
    let query = diesel::sql_query(
        "SELECT count(*) AS jobs, coalesce(extract(epoch FROM now() - min(since)), 0)::float8 AS oldest_age_seconds
         FROM (SELECT greatest(expires_at - expiry, sent_at, retry_at, lease_until) AS since FROM calendar_jobs
               WHERE send_after IS NOT NULL ORDER BY send_after LIMIT $1) AS unsent
         WHERE since <= now()",
    )
    .bind::<BigInt, _>(COUNTED);
    Ok(query.get_result(connection)?)
}

/// The jobs whose message has not been sent yet, or not been recorded as sent, without those that must wait anyway.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub struct Backlog {
    /// How many there are; [`COUNTED`] stands for any greater number.
    #[diesel(sql_type = BigInt)]
    pub jobs: i64,
    /// How long the oldest has waited, in seconds.
    #[diesel(sql_type = Double)]
    pub oldest_age_seconds: f64,
}
