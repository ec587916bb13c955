//! Takes deliveries that are due.

use std::time::Duration;

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Double, Integer, Jsonb, Nullable, Text};
use uuid::Uuid;

use super::Delivery;
use crate::database::{DatabaseError, prepared};
use crate::job::JobId;

/// The most hosts that one call looks at.
pub const HOSTS: i64 = 200;
/// How many deliveries of each host one call looks at, if its share is not greater.
const LOOKED_AT: i32 = 100;

/// The hosts whose deliveries are taken.
#[derive(Debug, Clone)]
pub enum Hosts {
    /// These.
    These(Vec<String>),
    /// All others.
    Others {
        /// Than these.
        than: Vec<String>,
        /// Only those after this one, in the order of their bytes. Every host is after the empty string.
        after: String,
    },
}

/// What to take.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Of which hosts.
    pub hosts: Hosts,
    /// The most deliveries.
    pub limit: i64,
    /// The most deliveries for one host.
    pub share: i32,
    /// Hosts with a share of their own.
    pub shares: Vec<(String, i32)>,
    /// How long the caller has to settle them. After that, others may take them again.
    pub lease: Duration,
}

/// What was taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// The deliveries, in any order.
    pub deliveries: Vec<Delivery>,
    /// The host after which the next call should begin, or `None` if the last host was reached. Only of [`Hosts::Others`].
    pub next: Option<String>,
    /// Whether deliveries that can't be taken yet were moved out of the way of others, so that the next call may find more.
    pub has_moved: bool,
}

/// Takes deliveries that are due, of each host those that have been due for longest. A delivery is left while an earlier
/// event of the same job waits for the same destination.
///
/// Looks only at the first [`LOOKED_AT`] deliveries of each host. If too many of these wait for earlier events, they become
/// due after those, so that later calls reach the others.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn take(connection: &mut PgConnection, wanted: &Wanted) -> Result<Taken, DatabaseError> {
    let (hosts, condition, named, after) = match &wanted.hosts {
        Hosts::These(names) => (THESE, "true", names, ""),
        Hosts::Others { than, after } => (EVERY, "host.name <> ALL ($1)", than, after.as_str()),
    };
    let waiting = waiting();
    let query = diesel::sql_query(format!(
        "WITH RECURSIVE host AS ({hosts}),
         wanted AS MATERIALIZED (
             SELECT host.name, coalesce(own.share, $6) AS share FROM host
             LEFT JOIN unnest($4, $5) AS own (host, share) ON own.host = host.name
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
             SET attempts = attempts + 1, version = version + 1, due_at = now() + make_interval(secs => $8)
             FROM due WHERE delivery.id = due.id
             RETURNING delivery.id, job_id, event_id, destination, delivery.host, event, attempts, version)
         SELECT taken.*, last.name AS last_host, EXISTS (SELECT FROM moved) AS has_moved
         FROM (SELECT (SELECT name FROM host WHERE number = $3) AS name) AS last LEFT JOIN taken ON true"
    ))
    .bind::<Array<Text>, _>(named)
    .bind::<Text, _>(after)
    .bind::<BigInt, _>(HOSTS)
    .bind::<Array<Text>, _>(wanted.shares.iter().map(|(host, _)| host).collect::<Vec<_>>())
    .bind::<Array<Integer>, _>(wanted.shares.iter().map(|(_, share)| *share).collect::<Vec<_>>())
    .bind::<Integer, _>(wanted.share)
    .bind::<BigInt, _>(wanted.limit)
    .bind::<Double, _>(wanted.lease.as_secs_f64())
    .bind::<Integer, _>(LOOKED_AT);
    let rows: Vec<TakenRow> = prepared(query).load(connection)?;
    let has_moved = rows.first().is_some_and(|row| row.has_moved);
    let last_host = rows.first().and_then(|row| row.last_host.clone());
    let deliveries: Vec<_> = rows.into_iter().filter_map(TakenRow::delivery).collect();
    let is_full = usize::try_from(wanted.limit).is_ok_and(|limit| deliveries.len() >= limit);
    let next = match wanted.hosts {
        Hosts::These(_) => None,
        Hosts::Others { .. } if is_full => {
            let hosts = deliveries.iter().map(|delivery| delivery.host.clone());
            hosts.max()
        }
        Hosts::Others { .. } => last_host,
    };
    Ok(Taken {
        deliveries,
        next,
        has_moved,
    })
}

/// The first deliveries of a host that are due, `one` by one in their order. A query that does not sort them again reads and
/// locks no more than it needs.
const FIRST: &str = "
    SELECT first.id, first.job_id, first.destination, first.due_at FROM event_deliveries AS first
    WHERE first.host = wanted.name AND first.due_at <= now()
    ORDER BY first.due_at LIMIT greatest(wanted.share, $9) FOR NO KEY UPDATE SKIP LOCKED";

/// Whether the delivery `one` waits for the delivery `earlier`.
const IS_EARLIER: &str = "earlier.job_id = one.job_id AND earlier.id < one.id
    AND earlier.destination = one.destination AND earlier.due_at IS NOT NULL";

/// Those of the first deliveries that wait for earlier events, of the hosts with more deliveries and too few that are
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

/// The hosts in $1; they have no numbers.
const THESE: &str =
    "SELECT name, 0::bigint AS number FROM unnest($1) AS name WHERE name > $2 AND $3 > 0";

/// Every host after $2 that has deliveries, at most $3, numbered from 1. They are found one by one in the index by host, so
/// that a host with many deliveries costs no more than others.
pub(super) const EVERY: &str = "
    SELECT (SELECT host FROM event_deliveries WHERE due_at IS NOT NULL AND host > $2 ORDER BY host LIMIT 1) AS name,
           1::bigint AS number
    UNION ALL
    SELECT (SELECT later.host FROM event_deliveries AS later
            WHERE later.due_at IS NOT NULL AND later.host > host.name ORDER BY later.host LIMIT 1),
           number + 1
    FROM host WHERE host.name IS NOT NULL AND number < $3";

/// A delivery, or nothing, and the last of [`HOSTS`] hosts.
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
    host: Option<String>,
    #[diesel(sql_type = Nullable<Jsonb>)]
    event: Option<serde_json::Value>,
    #[diesel(sql_type = Nullable<Integer>)]
    attempts: Option<i32>,
    #[diesel(sql_type = Nullable<Integer>)]
    version: Option<i32>,
    #[diesel(sql_type = Nullable<Text>)]
    last_host: Option<String>,
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
            host: self.host?,
            event: self.event?,
            attempt: self.attempts?,
            version: self.version?,
        })
    }
}
