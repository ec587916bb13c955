//! Asks a worker to stop.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Double, Integer, Text};

use super::{GONE_SECONDS, Role};
use crate::database::DatabaseError;

/// The answer to a request that a worker should stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrainRequested {
    /// The worker will learn of it within two seconds.
    Requested,
    /// It was asked before.
    Already,
    /// The process is not a worker.
    NotAWorker,
    /// The worker has stopped or is gone.
    Stopped,
    /// There is no such process.
    Unknown,
}

/// Asks a worker to finish its jobs and stop, as SIGTERM does.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn request_drain(
    connection: &mut PgConnection,
    id: i32,
) -> Result<DrainRequested, DatabaseError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        role: Role,
        #[diesel(sql_type = Bool)]
        is_draining: bool,
        #[diesel(sql_type = Bool)]
        has_ended: bool,
    }
    let query = diesel::sql_query(
        "WITH process AS MATERIALIZED (
             SELECT id, role, drain_requested_at IS NOT NULL AS is_draining,
                    stopped_at IS NOT NULL OR heartbeat_at < now() - make_interval(secs => $2) AS has_ended
             FROM processes WHERE id = $1 FOR UPDATE),
         requested AS (
             UPDATE processes SET drain_requested_at = now() FROM process
             WHERE processes.id = process.id AND process.role = 'worker'
               AND NOT process.is_draining AND NOT process.has_ended)
         SELECT role, is_draining, has_ended FROM process",
    )
    .bind::<Integer, _>(id)
    .bind::<Double, _>(GONE_SECONDS);
    let found: Option<Row> = query.get_result(connection).optional()?;
    Ok(match found {
        None => DrainRequested::Unknown,
        Some(Row {
            role: Role::Api, ..
        }) => DrainRequested::NotAWorker,
        Some(Row {
            has_ended: true, ..
        }) => DrainRequested::Stopped,
        Some(Row {
            is_draining: true, ..
        }) => DrainRequested::Already,
        Some(Row { .. }) => DrainRequested::Requested,
    })
}
