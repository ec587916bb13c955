//! What operators see of the deliveries, and what they can do.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text, Timestamptz};
use uuid::Uuid;

use crate::database::{DatabaseError, in_order_of_index};

/// How many deliveries [`count`] counts at most in each state, so that its cost does not grow with them.
pub const COUNTED: i64 = 10_000;
/// Deliveries that one call of [`list`] looks at, at most.
pub const PART: i64 = 10_000;

/// How many deliveries there are; [`COUNTED`] stands for any greater number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct DeliveryCounts {
    /// Those that have to be delivered.
    #[diesel(sql_type = BigInt)]
    pub waiting: i64,
    /// Those that were given up.
    #[diesel(sql_type = BigInt)]
    pub given_up: i64,
}

/// Returns how many deliveries there are.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn count(connection: &mut PgConnection) -> Result<DeliveryCounts, DatabaseError> {
    let query = diesel::sql_query(
        "SELECT (SELECT count(*) FROM (SELECT receiver FROM event_deliveries WHERE due_at IS NOT NULL LIMIT $1) AS counted)
                    AS waiting,
                (SELECT count(*) FROM (SELECT id FROM event_deliveries WHERE due_at IS NULL LIMIT $1) AS counted)
                    AS given_up",
    )
    .bind::<BigInt, _>(COUNTED);
    Ok(query.get_result(connection)?)
}

/// Which deliveries to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those that were given up, or only those that were not.
    pub is_given_up: Option<bool>,
    /// Only those for this host, or for `sns`.
    pub host: Option<String>,
}

/// A delivery that has not succeeded yet.
#[derive(Debug, Clone, PartialEq, QueryableByName)]
pub struct OpenDelivery {
    /// Its id.
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    /// The job that ended.
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    pub job_id: Uuid,
    /// The id of the event.
    #[diesel(sql_type = Text)]
    pub event_id: String,
    /// Where it goes: see [`Delivery::destination`](super::Delivery::destination).
    #[diesel(sql_type = Text)]
    pub destination: String,
    /// When the job ended.
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
    /// How many attempts have begun since an operator retried it, or else since the event.
    #[diesel(sql_type = Integer)]
    pub attempts: i32,
    /// When the next attempt may begin; `None` if the delivery was given up.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub due_at: Option<DateTime<Utc>>,
    /// Why the last attempt failed.
    #[diesel(sql_type = Nullable<Text>)]
    pub last_error: Option<String>,
}

/// Some deliveries.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The deliveries, newest first.
    pub deliveries: Vec<OpenDelivery>,
    /// The id before which the next page begins, or `None` if there are no more deliveries.
    pub next: Option<i64>,
}

/// Returns at most `limit` deliveries whose id is less than `before` and that match the filter. There may be millions, so
/// this looks at no more than [`PART`] of them; those of a host that were given up have an index of their own. If few match,
/// a page may have fewer deliveries although there is a next one.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn list(
    connection: &mut PgConnection,
    filter: &Filter,
    before: Option<i64>,
    limit: usize,
) -> Result<Page, DatabaseError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(embed)]
        delivery: OpenDelivery,
        #[diesel(sql_type = Bool)]
        is_match: bool,
        #[diesel(sql_type = BigInt)]
        number: i64,
    }
    // Conditions on the state are written out, because indexes have them. The row comparison is a range of the index by
    // host. The last delivery of the part is returned in any case, because it says where the next part begins.
    let (part, order) = match filter {
        Filter {
            is_given_up: Some(true),
            host: Some(_),
        } => (
            "due_at IS NULL AND (host, id) < ($2, $1) AND host >= $2",
            "host DESC, id DESC",
        ),
        Filter {
            is_given_up: Some(true),
            host: None,
        } => ("due_at IS NULL AND id < $1", "id DESC"),
        Filter { .. } => ("id < $1", "id DESC"),
    };
    let state = match filter.is_given_up {
        Some(false) => "due_at IS NOT NULL",
        Some(true) | None => "true",
    };
    let matches = format!("{state} AND coalesce(host = $2, $2 IS NULL)");
    let query = diesel::sql_query(format!(
        "SELECT id, job_id, event_id, destination, created_at, attempts, due_at, last_error, {matches} AS is_match, number
         FROM (SELECT *, row_number() OVER (ORDER BY {order}) AS number FROM event_deliveries WHERE {part}
               ORDER BY {order} LIMIT $3) AS delivery
         WHERE {matches} OR number = $3 ORDER BY {order} LIMIT $4"
    ))
    .bind::<BigInt, _>(before.unwrap_or(i64::MAX))
    .bind::<Nullable<Text>, _>(filter.host.as_deref())
    .bind::<BigInt, _>(PART)
    .bind::<BigInt, _>(i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1));
    let mut rows: Vec<Row> = in_order_of_index(connection, |connection| query.load(connection))?;
    let has_more = rows.len() > limit || rows.last().is_some_and(|row| row.number == PART);
    rows.truncate(limit);
    let next = rows.last().map(|row| row.delivery.id);
    Ok(Page {
        next: next.filter(|_| has_more),
        deliveries: rows
            .into_iter()
            .filter(|row| row.is_match)
            .map(|row| row.delivery)
            .collect(),
    })
}

/// The outcome of an operator's wish to retry a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retried {
    /// It is due now, with all its attempts left.
    Due,
    /// It was not given up: the service still tries to deliver it.
    NotGivenUp,
    /// There is no such delivery: it was delivered, or never existed.
    Unknown,
}

/// Retries a delivery that was given up.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn retry(connection: &mut PgConnection, id: i64) -> Result<Retried, DatabaseError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Bool)]
        was_given_up: bool,
    }
    let row: Option<Row> = diesel::sql_query(
        "WITH delivery AS MATERIALIZED (
             SELECT id, due_at IS NULL AS was_given_up FROM event_deliveries WHERE id = $1 FOR NO KEY UPDATE),
         retried AS (
             UPDATE event_deliveries
             SET due_at = now(), attempts = 0, first_attempt_at = NULL, version = version + 1
             WHERE id IN (SELECT id FROM delivery WHERE was_given_up))
         SELECT was_given_up FROM delivery",
    )
    .bind::<BigInt, _>(id)
    .get_result(connection)
    .optional()?;
    Ok(match row {
        Some(Row { was_given_up: true }) => Retried::Due,
        Some(Row {
            was_given_up: false,
        }) => Retried::NotGivenUp,
        None => Retried::Unknown,
    })
}

/// Retries at most `limit` deliveries that were given up, the oldest first: all of them, or those for `host`. Returns how
/// many. If it is `limit`, there may be more.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn retry_given_up(
    connection: &mut PgConnection,
    host: Option<&str>,
    limit: i64,
) -> Result<usize, DatabaseError> {
    // with the order of one index or the other
    let (chosen, order) = match host {
        Some(_) => ("(host, id) > ($1, 0) AND host <= $1", "host, id"),
        None => ("$1 IS NULL", "id"),
    };
    let query = diesel::sql_query(format!(
        "WITH given_up AS MATERIALIZED (
             SELECT id FROM event_deliveries WHERE due_at IS NULL AND {chosen}
             ORDER BY {order} LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)
         UPDATE event_deliveries AS delivery
         SET due_at = now(), attempts = 0, first_attempt_at = NULL, version = version + 1
         FROM given_up WHERE delivery.id = given_up.id"
    ))
    .bind::<Nullable<Text>, _>(host)
    .bind::<BigInt, _>(limit);
    in_order_of_index(connection, |connection| query.execute(connection))
}
