//! The processes, for operators.

use chrono::{DateTime, Utc};
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Double, Integer, Nullable, Text, Timestamptz};

use super::{GONE_SECONDS, Role};
use crate::database::{DatabaseError, prepared};
use crate::job_store::sweeps::BATCH;

/// For how long the list shows a process that has ended: 1 hour, in seconds.
const LISTED_SECONDS: f64 = 3600.0;
/// The most processes in the list.
const MAX_LISTED: i64 = 200;
/// How long a process that has ended is kept, because its jobs name it: 60 days, in seconds.
const KEPT_SECONDS: f64 = 60.0 * 86400.0;
/// A process that ran for a shorter time than this, in seconds, is kept for [`BRIEFLY_KEPT_SECONDS`] only: there may be many,
/// if a process fails again and again soon after its start.
const BRIEF_SECONDS: f64 = 60.0;
/// 1 day, in seconds.
const BRIEFLY_KEPT_SECONDS: f64 = 86400.0;
/// Rows that one sweep looks at, at most.
const PART: i64 = 10_000;

/// A process that runs, or that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub id: i32,
    /// What it does.
    pub role: Role,
    /// The name of its host.
    pub host: String,
    /// Its id on that host.
    pub pid: i32,
    /// The version of the program.
    pub version: String,
    /// When it registered itself.
    pub started_at: DateTime<Utc>,
    /// When it last said that it is alive.
    pub heartbeat_at: DateTime<Utc>,
    /// Whether it runs.
    pub state: ProcessState,
    /// How many jobs a worker runs at the same time.
    pub slots: Option<i32>,
    /// How many jobs a worker ran when it last reported.
    pub in_flight: Option<i32>,
}

/// Whether a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessState {
    /// It runs.
    Running,
    /// An operator has asked it to finish its jobs and stop.
    Draining,
    /// It has stopped.
    Stopped,
    /// It has not reported for 30 seconds: it has crashed, is suspended, or can't reach the database.
    Gone,
}

impl ProcessState {
    /// Returns the name, as the API writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
            Self::Gone => "gone",
        }
    }
}

/// Returns the processes that run, and those that ended within the last hour; at most 200. Those that run come first, then
/// those that ended last.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn list(connection: &mut PgConnection) -> Result<Vec<Process>, DatabaseError> {
    let query = diesel::sql_query(
        "SELECT *, heartbeat_at < now() - make_interval(secs => $1) AS is_gone FROM processes
         WHERE heartbeat_at > now() - make_interval(secs => $2)
         ORDER BY stopped_at IS NULL AND heartbeat_at >= now() - make_interval(secs => $1) DESC,
                  coalesce(stopped_at, CASE WHEN heartbeat_at < now() - make_interval(secs => $1) THEN heartbeat_at END)
                      DESC, id
         LIMIT $3",
    )
    .bind::<Double, _>(GONE_SECONDS)
    .bind::<Double, _>(LISTED_SECONDS)
    .bind::<BigInt, _>(MAX_LISTED);
    let rows: Vec<Row> = prepared(query).load(connection)?;
    Ok(rows.into_iter().map(Process::from).collect())
}

/// Deletes a batch of the processes that ended more than 60 days ago, or 1 day if they ran for less than a minute. Returns
/// their number.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn delete_old(connection: &mut PgConnection) -> Result<usize, DatabaseError> {
    // Old processes have small ids, so it suffices to look at the first ones.
    let query = diesel::sql_query(
        "WITH first AS MATERIALIZED (
             SELECT id, heartbeat_at, started_at FROM processes ORDER BY id LIMIT $1),
         old AS MATERIALIZED (
             SELECT id FROM first
             WHERE heartbeat_at < now() - make_interval(secs =>
                 CASE WHEN heartbeat_at < started_at + make_interval(secs => $2) THEN $3 ELSE $4 END)
             LIMIT $5)
         DELETE FROM processes USING old WHERE processes.id = old.id",
    )
    .bind::<BigInt, _>(PART)
    .bind::<Double, _>(BRIEF_SECONDS)
    .bind::<Double, _>(BRIEFLY_KEPT_SECONDS)
    .bind::<Double, _>(KEPT_SECONDS)
    .bind::<BigInt, _>(BATCH);
    Ok(query.execute(connection)?)
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Integer)]
    id: i32,
    #[diesel(sql_type = Text)]
    role: Role,
    #[diesel(sql_type = Text)]
    host: String,
    #[diesel(sql_type = Integer)]
    pid: i32,
    #[diesel(sql_type = Text)]
    version: String,
    #[diesel(sql_type = Timestamptz)]
    started_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    heartbeat_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Integer>)]
    slots: Option<i32>,
    #[diesel(sql_type = Nullable<Integer>)]
    in_flight: Option<i32>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    drain_requested_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    stopped_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = diesel::sql_types::Bool)]
    is_gone: bool,
}

impl From<Row> for Process {
    fn from(row: Row) -> Self {
        let state = match row {
            Row {
                stopped_at: Some(_),
                ..
            } => ProcessState::Stopped,
            Row { is_gone: true, .. } => ProcessState::Gone,
            Row {
                drain_requested_at: Some(_),
                ..
            } => ProcessState::Draining,
            Row { .. } => ProcessState::Running,
        };
        Self {
            id: row.id,
            role: row.role,
            host: row.host,
            pid: row.pid,
            version: row.version,
            started_at: row.started_at,
            heartbeat_at: row.heartbeat_at,
            state,
            slots: row.slots,
            in_flight: row.in_flight,
        }
    }
}

impl diesel::deserialize::FromSql<Text, Pg> for Role {
    fn from_sql(value: diesel::pg::PgValue<'_>) -> diesel::deserialize::Result<Self> {
        let name = <String as diesel::deserialize::FromSql<Text, Pg>>::from_sql(value)?;
        [Self::Api, Self::Worker]
            .into_iter()
            .find(|role| role.name() == name)
            .ok_or_else(|| format!("unknown role of a process: {name}").into())
    }
}
