//! The finished calendars.

use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;

use crate::database::DatabaseError;
use crate::job::JobId;
use crate::schema::calendar_results;

/// A calendar to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewResult {
    /// The calendar, gzipped.
    pub content: Vec<u8>,
    /// SHA-256 of the calendar.
    pub sha256: Vec<u8>,
    /// SHA-256 of `content`.
    pub gzip_sha256: Vec<u8>,
    /// The calendar's length in bytes.
    pub byte_length: i64,
    /// Components in it.
    pub event_count: i32,
    /// Todos that had no place in it.
    pub skipped_count: i32,
    /// Which todos were selected, in which revision: [`crate::todo::Selection::fingerprint`].
    pub todos_fingerprint: String,
}

/// What is known of a stored calendar without reading it.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = calendar_results, check_for_backend(Pg))]
pub struct ResultSummary {
    /// SHA-256 of the calendar.
    pub sha256: Vec<u8>,
    /// SHA-256 of the gzipped calendar.
    pub gzip_sha256: Vec<u8>,
    /// The calendar's length in bytes.
    pub byte_length: i64,
    /// Components in it.
    pub event_count: i32,
    /// Todos that had no place in it.
    pub skipped_count: i32,
    /// Which todos were selected, in which revision: [`crate::todo::Selection::fingerprint`].
    pub todos_fingerprint: String,
}

/// What is known of a job's calendar, if there is one.
///
/// # Errors
/// When the database does not answer.
pub fn summary(
    connection: &mut PgConnection,
    id: JobId,
) -> Result<Option<ResultSummary>, DatabaseError> {
    Ok(calendar_results::table
        .find(id.0)
        .select(ResultSummary::as_select())
        .first(connection)
        .optional()?)
}

/// A job's calendar, gzipped, if there is one.
///
/// # Errors
/// When the database does not answer.
pub fn content(connection: &mut PgConnection, id: JobId) -> Result<Option<Vec<u8>>, DatabaseError> {
    Ok(calendar_results::table
        .find(id.0)
        .select(calendar_results::content)
        .first(connection)
        .optional()?)
}
