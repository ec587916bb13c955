//! What operators see of the database, read at one moment.

use chrono::{DateTime, Utc};
use diesel::connection::Connection;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer, Nullable, Text, Timestamptz};
use shared_model::database::{DatabaseError, prepared};
use shared_model::job_store::outbox::{self, Backlog};

use super::job_counts::{self, JobCounts};

/// How many jobs in one status are counted at most.
pub const COUNTED_JOBS: i64 = 100_000;
/// How many events are counted at most.
const COUNTED_EVENTS: i64 = 10_000;
/// How many processes are read at most.
const MAX_PROCESSES: i64 = 500;

/// What the database contains at one moment.
#[derive(Debug, Clone)]
pub struct Reading {
    /// That moment.
    pub at: DateTime<Utc>,
    /// Whether the workers process jobs.
    pub processing: Processing,
    /// The jobs in each status, up to [`COUNTED_JOBS`].
    pub jobs: JobCounts,
    /// The jobs whose messages have not been sent.
    pub outbox: Backlog,
    /// What all processes together did lately, in periods of ten seconds.
    pub periods: Vec<Period>,
    /// The processes that run, or ended within the last hour.
    pub processes: Vec<Process>,
    /// The events that have not been delivered.
    pub deliveries: Deliveries,
}

/// Whether the workers process jobs.
#[derive(Debug, Clone, Default, QueryableByName)]
pub struct Processing {
    /// Since when they don't, if so.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub paused_at: Option<DateTime<Utc>>,
    /// The name of the operator's token.
    #[diesel(sql_type = Nullable<Text>)]
    pub paused_by: Option<String>,
}

/// What all processes together did in ten seconds.
#[derive(Debug, Clone, QueryableByName)]
pub struct Period {
    /// When the ten seconds began.
    #[diesel(sql_type = Timestamptz)]
    pub period: DateTime<Utc>,
    /// Jobs that were accepted, and so on.
    #[diesel(embed)]
    pub counts: Counts,
}

/// How many jobs went through each step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, QueryableByName)]
#[expect(missing_docs, reason = "the names are those of the table")]
pub struct Counts {
    #[diesel(sql_type = BigInt)]
    pub accepted: i64,
    #[diesel(sql_type = BigInt)]
    pub published: i64,
    #[diesel(sql_type = BigInt)]
    pub started: i64,
    #[diesel(sql_type = BigInt)]
    pub succeeded: i64,
    #[diesel(sql_type = BigInt)]
    pub failed: i64,
    #[diesel(sql_type = BigInt)]
    pub retried: i64,
    #[diesel(sql_type = BigInt)]
    pub revoked: i64,
}

/// A process, as it has reported itself.
#[derive(Debug, Clone, QueryableByName)]
#[expect(missing_docs, reason = "the names are those of the table")]
pub struct Process {
    #[diesel(sql_type = Integer)]
    pub id: i32,
    #[diesel(sql_type = Text)]
    pub role: String,
    #[diesel(sql_type = Text)]
    pub host: String,
    #[diesel(sql_type = Integer)]
    pub pid: i32,
    #[diesel(sql_type = Text)]
    pub version: String,
    #[diesel(sql_type = Timestamptz)]
    pub started_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub heartbeat_at: DateTime<Utc>,
    /// `running`, `draining`, `stopped`, or `gone` if it has not reported for 30 seconds.
    #[diesel(sql_type = Text)]
    pub state: String,
    #[diesel(sql_type = Nullable<Integer>)]
    pub slots: Option<i32>,
    #[diesel(sql_type = Nullable<Integer>)]
    pub in_flight: Option<i32>,
}

/// How many events have not been delivered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, QueryableByName)]
pub struct Deliveries {
    /// Events that will be sent, or sent again.
    #[diesel(sql_type = BigInt)]
    pub waiting: i64,
    /// Events that are not sent any more.
    #[diesel(sql_type = BigInt)]
    pub given_up: i64,
}

/// Reads everything.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn read(connection: &mut PgConnection) -> Result<Reading, DatabaseError> {
    connection.transaction(|connection| {
        let at = begin(connection)?;
        Ok(Reading {
            at,
            processing: read_processing(connection)?,
            jobs: job_counts::count(connection, COUNTED_JOBS)?,
            outbox: outbox::backlog(connection)?,
            periods: read_periods(connection)?,
            processes: read_processes(connection)?,
            deliveries: count_deliveries(connection)?,
        })
    })
}

/// Returns the time. Without bitmaps, PostgreSQL reads an index in its order, and only as far as a limit allows.
fn begin(connection: &mut PgConnection) -> QueryResult<DateTime<Utc>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Timestamptz)]
        at: DateTime<Utc>,
        #[diesel(sql_type = Text)]
        _setting: String,
    }
    let query = diesel::sql_query(
        "SELECT now() AS at, set_config('enable_bitmapscan', 'off', true) AS _setting",
    );
    Ok(prepared(query).get_result::<Row>(connection)?.at)
}

fn read_processing(connection: &mut PgConnection) -> QueryResult<Processing> {
    let query = diesel::sql_query("SELECT paused_at, paused_by FROM processing WHERE id");
    let found = prepared(query).get_result(connection).optional()?;
    Ok(found.unwrap_or_default())
}

/// Returns what was done in the last minute, and in the period before it.
fn read_periods(connection: &mut PgConnection) -> QueryResult<Vec<Period>> {
    let query = diesel::sql_query(
        "SELECT period, sum(accepted)::bigint AS accepted, sum(published)::bigint AS published,
                sum(started)::bigint AS started, sum(succeeded)::bigint AS succeeded, sum(failed)::bigint AS failed,
                sum(retried)::bigint AS retried, sum(revoked)::bigint AS revoked
         FROM activity WHERE period > now() - interval '80 seconds' GROUP BY period ORDER BY period",
    );
    prepared(query).load(connection)
}

fn read_processes(connection: &mut PgConnection) -> QueryResult<Vec<Process>> {
    let query = diesel::sql_query(
        "SELECT id, role, host, pid, version, started_at, heartbeat_at, slots, in_flight,
                CASE WHEN stopped_at IS NOT NULL THEN 'stopped'
                     WHEN heartbeat_at < now() - interval '30 seconds' THEN 'gone'
                     WHEN drain_requested_at IS NOT NULL THEN 'draining'
                     ELSE 'running' END AS state
         FROM (SELECT * FROM processes ORDER BY id DESC LIMIT $1) AS processes
         WHERE heartbeat_at > now() - interval '1 hour' ORDER BY id",
    )
    .bind::<BigInt, _>(MAX_PROCESSES);
    prepared(query).load(connection)
}

fn count_deliveries(connection: &mut PgConnection) -> QueryResult<Deliveries> {
    let query = diesel::sql_query(
        "SELECT count(due_at) AS waiting, count(*) - count(due_at) AS given_up
         FROM (SELECT due_at FROM event_deliveries ORDER BY id LIMIT $1) AS deliveries",
    )
    .bind::<BigInt, _>(COUNTED_EVENTS);
    prepared(query).get_result(connection)
}
