//! Records what became of deliveries.

use std::time::Duration;

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Double, Integer, Nullable, Text};

use crate::database::{DatabaseError, prepared};

/// How long an event may have been due, without an attempt, while its receiver accepts none: a day, and the longest wait
/// between two attempts. In seconds.
const UNTRIED_SECONDS: f64 = 25.0 * 3600.0;
/// The most events that one call gives up, so that its transaction stays short.
const GIVEN_UP: i64 = 1_000;

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

/// The events for a receiver that were given up.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct GivenUp {
    /// The receiver.
    #[diesel(sql_type = Text)]
    pub receiver: String,
    /// How many there were.
    #[diesel(sql_type = BigInt)]
    pub number: i64,
}

/// Gives up the events for these receivers that have been due for 25 hours, at most 1,000 in all: more wait for a receiver that accepts
/// none than there are attempts. Events that were not tried because the service was down are among them, so call this
/// only if attempts for these receivers have failed for a while. Returns the receivers for which there were any.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn give_up_untried(
    connection: &mut PgConnection,
    receivers: &[String],
) -> Result<Vec<GivenUp>, DatabaseError> {
    let query = diesel::sql_query(
        "WITH untried AS MATERIALIZED (
             SELECT one.id FROM unnest($1) AS refusing (receiver)
             CROSS JOIN LATERAL (
                 SELECT delivery.id FROM event_deliveries AS delivery
                 WHERE delivery.receiver = refusing.receiver AND delivery.due_at < now() - make_interval(secs => $2)
                 ORDER BY delivery.due_at LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED) AS one
             LIMIT $3),
         given_up AS (
             UPDATE event_deliveries AS delivery
             SET due_at = NULL, version = version + 1,
                 last_error = 'not tried within a day, because the receiver does not accept events'
             FROM untried WHERE delivery.id = untried.id
             RETURNING delivery.receiver)
         SELECT receiver, count(*) AS number FROM given_up GROUP BY receiver",
    )
    .bind::<Array<Text>, _>(receivers)
    .bind::<Double, _>(UNTRIED_SECONDS)
    .bind::<BigInt, _>(GIVEN_UP);
    Ok(prepared(query).load(connection)?)
}
