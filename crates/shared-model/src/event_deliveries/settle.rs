//! Records what became of deliveries.

use std::time::Duration;

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Double, Integer, Nullable, Text};

use crate::database::{DatabaseError, prepared};

/// An attempt that failed.
#[derive(Debug, Clone, PartialEq)]
pub struct FailedAttempt {
    /// The id of the delivery.
    pub id: i64,
    /// The version of the delivery. If it was taken again or retried meanwhile, nothing changes.
    pub version: i32,
    /// Why it failed, for operators.
    pub error: String,
    /// When the next attempt may begin, from now; `None` to give up.
    pub retry_after: Option<Duration>,
}

/// An attempt that succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveredAttempt {
    /// The id of the delivery.
    pub id: i64,
    /// The version of the delivery. If it was taken again meanwhile, nothing changes, because a later event of the job must
    /// not overtake the attempt that is under way.
    pub version: i32,
}

/// Deletes events that their destinations have accepted.
///
/// # Errors
/// Returns an error if the database does not answer. They are then delivered again.
pub fn delivered(
    connection: &mut PgConnection,
    attempts: &[DeliveredAttempt],
) -> Result<(), DatabaseError> {
    let query = diesel::sql_query(
        "DELETE FROM event_deliveries AS delivery USING unnest($1, $2) AS delivered (id, version)
         WHERE delivery.id = delivered.id AND delivery.version = delivered.version",
    )
    .bind::<Array<BigInt>, _>(attempts.iter().map(|one| one.id).collect::<Vec<_>>())
    .bind::<Array<Integer>, _>(attempts.iter().map(|one| one.version).collect::<Vec<_>>());
    prepared(query).execute(connection)?;
    Ok(())
}

/// Records that attempts failed, and when the next ones may begin.
///
/// # Errors
/// Returns an error if the database does not answer. The next attempts then begin when the leases have run out.
pub fn failed(
    connection: &mut PgConnection,
    attempts: &[FailedAttempt],
) -> Result<(), DatabaseError> {
    let seconds = |one: &FailedAttempt| one.retry_after.map(|delay| delay.as_secs_f64());
    let query = diesel::sql_query(
        "UPDATE event_deliveries AS delivery
         SET due_at = now() + make_interval(secs => failed.delay), last_error = failed.error
         FROM unnest($1, $2, $3, $4) AS failed (id, version, delay, error)
         WHERE delivery.id = failed.id AND delivery.version = failed.version",
    )
    .bind::<Array<BigInt>, _>(attempts.iter().map(|one| one.id).collect::<Vec<_>>())
    .bind::<Array<Integer>, _>(attempts.iter().map(|one| one.version).collect::<Vec<_>>())
    .bind::<Array<Nullable<Double>>, _>(attempts.iter().map(seconds).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(attempts.iter().map(|one| &one.error).collect::<Vec<_>>());
    prepared(query).execute(connection)?;
    Ok(())
}
