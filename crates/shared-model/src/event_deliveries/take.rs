//! Takes deliveries that are due.

use std::time::Duration;

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Double, Integer, Jsonb, Nullable, Text};
use uuid::Uuid;

use super::{Delivery, OWN};
use crate::database::{DatabaseError, prepared};
use crate::job::JobId;

/// The most receivers that one call looks at.
pub const RECEIVERS: i64 = 200;
/// How many deliveries of each receiver one call looks at, if its share is not greater.
const LOOKED_AT: i32 = 100;

/// The receivers whose deliveries are taken.
#[derive(Debug, Clone)]
pub enum Receivers {
    /// These. If there are more deliveries than wanted, those of the first receivers are taken.
    These(Vec<String>),
    /// All receivers of clients.
    OfClients {
        /// Except these.
        except: Vec<String>,
        /// Only those after this one, in the order of their bytes. Every receiver is after the empty string.
        after: String,
    },
}

/// What to take.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Of which receivers.
    pub receivers: Receivers,
    /// The most deliveries.
    pub limit: i64,
    /// The most deliveries for one receiver.
    pub share: i32,
    /// Receivers with a share of their own.
    pub shares: Vec<(String, i32)>,
    /// How long the caller has to settle them. After that, others may take them again.
    pub lease: Duration,
}

/// What was taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// The deliveries, in any order.
    pub deliveries: Vec<Delivery>,
    /// The receiver after which the next call should begin, or `None` if the last receiver was reached. Only of [`Receivers::OfClients`].
    pub next: Option<String>,
    /// Whether deliveries that can't be taken yet were moved out of the way of others, so that the next call may find more.
    pub has_moved: bool,
}

/// Takes deliveries that are due, of each receiver those that have been due for longest. A delivery is left while an earlier
/// event of the same job waits for the same destination.
///
/// Looks only at the first 100 deliveries of each receiver. If too many of these wait for earlier events, they become
/// due after those, so that later calls reach the others.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn take(connection: &mut PgConnection, wanted: &Wanted) -> Result<Taken, DatabaseError> {
    let (receivers, condition, named, after) = match &wanted.receivers {
        Receivers::These(names) => (THESE.to_owned(), "true", names, ""),
        Receivers::OfClients { except, after } => {
            let receivers = every_client("receiver");
            (
                receivers,
                "receiver.name <> ALL ($1)",
                except,
                after.as_str(),
            )
        }
    };
    let waiting = waiting();
    let query = diesel::sql_query(format!(
        "WITH RECURSIVE receiver AS ({receivers}),
         wanted AS MATERIALIZED (
             SELECT receiver.name, coalesce(own.share, $6) AS share FROM receiver
             LEFT JOIN unnest($4, $5) AS own (receiver, share) ON own.receiver = receiver.name
             WHERE {condition}),
         due AS MATERIALIZED (
             SELECT candidate.id, wanted.name FROM wanted
             CROSS JOIN LATERAL (
                 SELECT one.id FROM ({FIRST}) AS one
                 WHERE (SELECT earlier.id FROM event_deliveries AS earlier WHERE {IS_EARLIER} LIMIT 1) IS NULL
                 LIMIT wanted.share) AS candidate
             LIMIT $7),
         waiting AS MATERIALIZED ({waiting}),
         moved AS (
             UPDATE event_deliveries AS delivery SET due_at = waiting.next_at
             FROM waiting WHERE delivery.id = waiting.id RETURNING delivery.id),
         taken AS (
             UPDATE event_deliveries AS delivery
             SET attempts = attempts + 1, version = version + 1, due_at = now() + make_interval(secs => $8),
                 first_attempt_at = coalesce(first_attempt_at, now())
             FROM due WHERE delivery.id = due.id
             RETURNING delivery.id, job_id, event_id, destination, delivery.receiver, event, attempts, version,
                 extract(epoch FROM now() - first_attempt_at)::float8 AS tried_for)
         SELECT taken.*, last.name AS last_receiver, EXISTS (SELECT FROM moved) AS has_moved
         FROM (SELECT (SELECT name FROM receiver WHERE number = $3) AS name) AS last LEFT JOIN taken ON true"
    ))
    .bind::<Array<Text>, _>(named)
    .bind::<Text, _>(after)
    .bind::<BigInt, _>(RECEIVERS)
    .bind::<Array<Text>, _>(wanted.shares.iter().map(|(receiver, _)| receiver).collect::<Vec<_>>())
    .bind::<Array<Integer>, _>(wanted.shares.iter().map(|(_, share)| *share).collect::<Vec<_>>())
    .bind::<Integer, _>(wanted.share)
    .bind::<BigInt, _>(wanted.limit)
    .bind::<Double, _>(wanted.lease.as_secs_f64())
    .bind::<Integer, _>(LOOKED_AT);
    let rows: Vec<TakenRow> = prepared(query).load(connection)?;
    let has_moved = rows.first().is_some_and(|row| row.has_moved);
    let last_receiver = rows.first().and_then(|row| row.last_receiver.clone());
    let deliveries: Vec<_> = rows.into_iter().filter_map(TakenRow::delivery).collect();
    let is_full = usize::try_from(wanted.limit).is_ok_and(|limit| deliveries.len() >= limit);
    let next = match wanted.receivers {
        Receivers::These(_) => None,
        Receivers::OfClients { .. } if is_full => {
            let receivers = deliveries.iter().map(|delivery| delivery.receiver.clone());
            receivers.max()
        }
        Receivers::OfClients { .. } => last_receiver,
    };
    Ok(Taken {
        deliveries,
        next,
        has_moved,
    })
}

/// The first deliveries of a receiver that are due, `one` by one in their order. A query that does not sort them again reads and
/// locks no more than it needs.
const FIRST: &str = "
    SELECT first.id, first.job_id, first.destination, first.due_at FROM event_deliveries AS first
    WHERE first.receiver = wanted.name AND first.due_at <= now()
    ORDER BY first.due_at LIMIT greatest(wanted.share, $9) FOR NO KEY UPDATE SKIP LOCKED";

/// Whether the delivery `one` waits for the delivery `earlier`.
const IS_EARLIER: &str = "earlier.job_id = one.job_id AND earlier.id < one.id
    AND earlier.destination = one.destination AND earlier.due_at IS NOT NULL";

/// Those of the first deliveries that wait for earlier events, of the receivers with more deliveries and too few that are
/// `due`; and when they are to be looked at again. That is after the latest event they wait for, or in a second if this
/// may be on its way, because nobody knows when it arrives.
fn waiting() -> String {
    format!(
        "SELECT one.id, CASE
        WHEN earlier.due_at > now() + make_interval(secs => $8) OR earlier.due_at BETWEEN one.due_at AND now()
            THEN earlier.due_at + interval '1 millisecond'
        ELSE now() + interval '1 second' END AS next_at
    FROM wanted
    CROSS JOIN LATERAL (SELECT first.*, count(*) OVER () AS number FROM ({FIRST}) AS first) AS one
    CROSS JOIN LATERAL (
        SELECT max(earlier.due_at) AS due_at FROM event_deliveries AS earlier WHERE {IS_EARLIER}) AS earlier
    WHERE (SELECT count(*) FROM due) < $7
      AND wanted.share > (SELECT count(*) FROM due WHERE due.name = wanted.name)
      AND one.number >= greatest(wanted.share, $9) AND earlier.due_at IS NOT NULL"
    )
}

/// The receivers in $1; they have no numbers.
const THESE: &str =
    "SELECT name, 0::bigint AS number FROM unnest($1) AS name WHERE name > $2 AND $3 > 0";

/// Returns the query of every receiver of clients after $2.
pub(super) fn every_client(table: &str) -> String {
    every(table, &format!("receiver > $2 AND receiver < '{OWN}'"))
}

/// Returns the query of every receiver of operators.
pub(super) fn every_operator(table: &str) -> String {
    every(table, &format!("receiver >= '{OWN}'"))
}

/// Returns the query of a recursive table: every receiver in a range that has deliveries, at most $3, numbered from 1, in the
/// order of their bytes. They are found one by one in the index by receiver, so that one with many deliveries costs no more
/// than others.
fn every(table: &str, range: &str) -> String {
    format!(
        "SELECT (SELECT receiver FROM event_deliveries
                 WHERE due_at IS NOT NULL AND {range} ORDER BY receiver LIMIT 1) AS name,
                1::bigint AS number
         UNION ALL
         SELECT (SELECT receiver FROM event_deliveries
                 WHERE due_at IS NOT NULL AND {range} AND receiver > {table}.name ORDER BY receiver LIMIT 1),
                number + 1
         FROM {table} WHERE {table}.name IS NOT NULL AND number < $3"
    )
}

/// A delivery, or nothing, and the last of [`RECEIVERS`] receivers.
#[derive(QueryableByName)]
struct TakenRow {
    #[diesel(sql_type = Nullable<BigInt>)]
    id: Option<i64>,
    #[diesel(sql_type = Nullable<diesel::sql_types::Uuid>)]
    job_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<Text>)]
    event_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    destination: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    receiver: Option<String>,
    #[diesel(sql_type = Nullable<Jsonb>)]
    event: Option<serde_json::Value>,
    #[diesel(sql_type = Nullable<Integer>)]
    attempts: Option<i32>,
    #[diesel(sql_type = Nullable<Integer>)]
    version: Option<i32>,
    #[diesel(sql_type = Nullable<Double>)]
    tried_for: Option<f64>,
    #[diesel(sql_type = Nullable<Text>)]
    last_receiver: Option<String>,
    #[diesel(sql_type = Bool)]
    has_moved: bool,
}

impl TakenRow {
    fn delivery(self) -> Option<Delivery> {
        Some(Delivery {
            id: self.id?,
            job_id: JobId(self.job_id?),
            event_id: self.event_id?,
            destination: self.destination?,
            receiver: self.receiver?,
            event: self.event?,
            attempt: self.attempts?,
            tried_for: Duration::try_from_secs_f64(self.tried_for?).unwrap_or_default(),
            version: self.version?,
        })
    }
}
