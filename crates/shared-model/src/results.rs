//! The finished calendars.

use diesel::dsl::sql;
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::sql_types::{Binary, Integer};

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
    /// The gzipped calendar's length in bytes.
    #[diesel(select_expression = octet_length(calendar_results::content))]
    pub gzip_length: i32,
    /// Components in it.
    pub event_count: i32,
    /// Todos that had no place in it.
    pub skipped_count: i32,
    /// Which todos were selected, in which revision: [`crate::todo::Selection::fingerprint`].
    pub todos_fingerprint: String,
}

#[diesel::declare_sql_function]
extern "SQL" {
    /// How many bytes there are, told without reading them.
    fn octet_length(bytes: Binary) -> Integer;
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

/// At most `length` bytes of a job's gzipped calendar, from `offset` on (0 is its first byte); empty behind its end.
/// The table keeps it uncompressed and in pieces, of which only those that are asked for are read. `None`: there is no
/// such calendar.
///
/// # Errors
/// When the database does not answer.
pub fn part(
    connection: &mut PgConnection,
    id: JobId,
    offset: i32,
    length: i32,
) -> Result<Option<Vec<u8>>, DatabaseError> {
    // SQL counts from 1
    let part = sql::<Binary>("substring(content from ")
        .bind::<Integer, _>(offset.saturating_add(1))
        .sql(" for ")
        .bind::<Integer, _>(length)
        .sql(")");
    Ok(calendar_results::table
        .find(id.0)
        .select(part)
        .first(connection)
        .optional()?)
}
