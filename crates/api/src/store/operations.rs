//! What operators see of the database, read at one moment.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Text, Timestamptz};
use shared_model::activity::{self, Point};
use shared_model::database::{DatabaseError, prepared};
use shared_model::event_deliveries::operate::{self, DeliveryCounts};
use shared_model::event_deliveries::overdue;
use shared_model::job_store::outbox::{self, Backlog};
use shared_model::processes::{self, Process};
use shared_model::processing::{self, Processing};

use super::job_counts::{self, JobCounts};

/// How many jobs in one status are counted at most.
pub const COUNTED_JOBS: i64 = 100_000;
/// The last minute, and the period in which it begins.
const RECENT: Duration = Duration::from_secs(80);

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
    /// What all processes together did in the last minute.
    pub points: Vec<Point>,
    /// The processes that run, or ended within the last hour.
    pub processes: Vec<Process>,
    /// The events that have not been delivered.
    pub deliveries: DeliveryCounts,
}

/// Reads everything.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn read(connection: &mut PgConnection) -> Result<Reading, DatabaseError> {
    one_moment(connection, |connection, at| {
        Ok(Reading {
            at,
            processing: processing::state(connection)?,
            jobs: job_counts::count(connection, COUNTED_JOBS)?,
            outbox: outbox::backlog(connection)?,
            points: activity::since(connection, RECENT)?,
            processes: processes::list(connection)?,
            deliveries: operate::count(connection)?,
        })
    })
}

/// What the metrics show of the database, at one moment.
#[derive(Debug, Clone)]
pub struct Gauges {
    /// Whether the workers process jobs.
    pub processing: Processing,
    /// The jobs in each status, up to [`COUNTED_JOBS`].
    pub jobs: JobCounts,
    /// For how long a job could have been attempted and was not, in seconds: not during a pause, nor before its end.
    pub waiting_seconds: f64,
    /// The jobs whose messages have not been sent.
    pub outbox: Backlog,
    /// The events that have not been delivered.
    pub deliveries: DeliveryCounts,
    /// How long the event that has been due for longest has waited since then, in seconds.
    pub oldest_due_seconds: f64,
}

/// Reads what the metrics show.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn read_gauges(connection: &mut PgConnection) -> Result<Gauges, DatabaseError> {
    one_moment(connection, |connection, _| {
        let jobs = job_counts::count(connection, COUNTED_JOBS)?;
        let active_seconds = processing::active_seconds(connection)?;
        Ok(Gauges {
            processing: processing::state(connection)?,
            jobs,
            waiting_seconds: active_seconds.map_or(jobs.oldest_waiting_seconds, |seconds| {
                jobs.oldest_waiting_seconds.min(seconds)
            }),
            outbox: outbox::backlog(connection)?,
            deliveries: operate::count(connection)?,
            oldest_due_seconds: overdue::oldest_due_seconds(connection)?,
        })
    })
}

/// Runs queries that all see the database as it was at one moment, which they are given.
fn one_moment<T>(
    connection: &mut PgConnection,
    queries: impl FnOnce(&mut PgConnection, DateTime<Utc>) -> Result<T, DatabaseError>,
) -> Result<T, DatabaseError> {
    let mut transaction = connection.build_transaction().repeatable_read().read_only();
    transaction.run(|connection| {
        let at = begin(connection)?;
        queries(connection, at)
    })
}

/// Returns the time of the first query, from which on the transaction sees the database: everything that was committed
/// before. Without bitmaps, PostgreSQL reads an index in its order, and only as far as a limit allows.
fn begin(connection: &mut PgConnection) -> QueryResult<DateTime<Utc>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Timestamptz)]
        at: DateTime<Utc>,
        #[diesel(sql_type = Text)]
        _setting: String,
    }
    let query = diesel::sql_query(
        "SELECT statement_timestamp() AS at, set_config('enable_bitmapscan', 'off', true) AS _setting",
    );
    Ok(prepared(query).get_result::<Row>(connection)?.at)
}
