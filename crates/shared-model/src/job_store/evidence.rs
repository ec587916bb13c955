//! What the workers know about the progress of a queue, which distinguishes a lost message from one that is waiting.
//!
//! Time alone is no evidence: in a long queue, a message may wait for hours. A message is lost if later messages have
//! arrived and it has not, or if the queue was empty and it has not arrived.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Double, Nullable, Text, Timestamptz};

use crate::database::{DatabaseError, prepared};

/// What one worker has observed since its last report.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Observation {
    /// When the newest job was accepted whose message it received.
    pub newest_delivered: Option<DateTime<Utc>>,
    /// Whether it received a message of any job.
    pub has_received: bool,
    /// How long ago the latest silence began in which it polled the queue and received nothing.
    pub empty_since: Option<Duration>,
    /// Whether the queue delivers one message at a time. It then returns nothing while one is hidden: while its job runs or
    /// waits for its next attempt, and after a worker died that had received it. A silence is evidence only if it outlasts
    /// all of these.
    pub is_serial: bool,
}

/// Adds an observation to the evidence about a queue.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn record(
    connection: &mut PgConnection,
    queue: &str,
    observation: Observation,
) -> Result<(), DatabaseError> {
    let query = diesel::sql_query(
        "INSERT INTO queue_evidence AS evidence (queue, newest_delivered, empty_since, last_received_at)
         VALUES ($1, $2,
                 CASE WHEN NOT ($4 AND EXISTS (
                          SELECT FROM calendar_jobs
                          WHERE status IN ('STARTED', 'RETRY') AND status <> 'SUCCESS'
                              AND greatest(lease_until, retry_at) > now() - make_interval(secs => $3)))
                      THEN now() - make_interval(secs => $3) END,
                 CASE WHEN $5 THEN now() END)
         ON CONFLICT (queue) DO UPDATE
         SET newest_delivered = greatest(evidence.newest_delivered, excluded.newest_delivered),
             empty_since = CASE WHEN $4 AND evidence.last_received_at > excluded.empty_since THEN evidence.empty_since
                                ELSE greatest(evidence.empty_since, excluded.empty_since) END,
             last_received_at = greatest(evidence.last_received_at, excluded.last_received_at)",
    )
    .bind::<Text, _>(queue)
    .bind::<Nullable<Timestamptz>, _>(observation.newest_delivered)
    .bind::<Nullable<Double>, _>(observation.empty_since.map(|since| since.as_secs_f64()))
    .bind::<Bool, _>(observation.is_serial)
    .bind::<Bool, _>(observation.has_received);
    prepared(query).execute(connection)?;
    Ok(())
}
