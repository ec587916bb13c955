//! Whether the workers process jobs. An operator can pause them: they finish what runs and start nothing new, while the API
//! goes on accepting jobs.
//!
//! The table has one row. Workers read it with each [report](crate::processes::report), once a second.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Double, Nullable, Text, Timestamptz};

use crate::database::DatabaseError;

/// Whether processing is paused.
#[derive(Debug, Clone, Default, PartialEq, Eq, QueryableByName)]
pub struct Processing {
    /// Since when; `None` if the workers process jobs.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub paused_at: Option<DateTime<Utc>>,
    /// The name of the token with which it was paused, if there was one.
    #[diesel(sql_type = Nullable<Text>)]
    pub paused_by: Option<String>,
}

impl Processing {
    /// Returns whether processing is paused.
    pub fn is_paused(&self) -> bool {
        self.paused_at.is_some()
    }
}

/// Returns whether processing is paused.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn state(connection: &mut PgConnection) -> Result<Processing, DatabaseError> {
    let query = diesel::sql_query("SELECT paused_at, paused_by FROM processing WHERE id = true");
    Ok(query.get_result(connection)?)
}

/// Returns for how long the workers have processed jobs since the last pause, in seconds: 0 during a pause, and `None` if there
/// was none yet.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn active_seconds(connection: &mut PgConnection) -> Result<Option<f64>, DatabaseError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Nullable<Double>)]
        seconds: Option<f64>,
    }
    let query = diesel::sql_query(
        "SELECT CASE WHEN paused_at IS NULL THEN extract(epoch FROM now() - resumed_at)::float8 ELSE 0 END AS seconds
         FROM processing WHERE id = true",
    );
    Ok(query.get_result::<Row>(connection)?.seconds)
}

/// Pauses processing, by the operator whose token has the name `by`. Returns the state before: if it was paused already,
/// nothing changes.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn pause(connection: &mut PgConnection, by: Option<&str>) -> Result<Processing, DatabaseError> {
    let query = diesel::sql_query(
        "WITH before AS MATERIALIZED (
             SELECT paused_at, paused_by FROM processing WHERE id = true FOR UPDATE),
         changed AS (
             UPDATE processing SET paused_at = now(), paused_by = $1 FROM before
             WHERE id = true AND before.paused_at IS NULL)
         SELECT paused_at, paused_by FROM before",
    );
    Ok(query.bind::<Nullable<Text>, _>(by).get_result(connection)?)
}

/// Lets the workers process jobs again. Returns the state before: if it was not paused, nothing changes.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn resume(connection: &mut PgConnection) -> Result<Processing, DatabaseError> {
    let query = diesel::sql_query(
        "WITH before AS MATERIALIZED (
             SELECT paused_at, paused_by FROM processing WHERE id = true FOR UPDATE),
         changed AS (
             UPDATE processing SET paused_at = NULL, paused_by = NULL, resumed_at = now() FROM before
             WHERE id = true AND before.paused_at IS NOT NULL)
         SELECT paused_at, paused_by FROM before",
    );
    Ok(query.get_result(connection)?)
}
