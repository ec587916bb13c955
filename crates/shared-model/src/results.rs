//! The results of jobs: finished calendars.

use diesel::dsl::sql;
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::sql_types::{Binary, Integer};

use crate::database::DatabaseError;
use crate::job::JobId;
use crate::schema::calendar_results;

/// A calendar to store.
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
    /// How many components it contains.
    pub event_count: i32,
    /// How many selected todos were left out, for example because they have no deadline.
    pub skipped_count: i32,
    /// Identifies the selected todos and their revisions: [`crate::todo::Selection::fingerprint`].
    pub todos_fingerprint: String,
}

/// The properties of a stored calendar, without its content.
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
    /// How many components it contains.
    pub event_count: i32,
    /// How many selected todos were left out, for example because they have no deadline.
    pub skipped_count: i32,
    /// Identifies the selected todos and their revisions: [`crate::todo::Selection::fingerprint`].
    pub todos_fingerprint: String,
}

#[diesel::declare_sql_function]
extern "SQL" {
    /// Returns the number of bytes without reading them.
    fn octet_length(bytes: Binary) -> Integer;
}

/// Returns the properties of a job's calendar, or `None` if the job has none.
///
/// # Errors
/// Returns an error if the database does not answer.
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

/// Returns at most `length` bytes of a job's gzipped calendar, starting at `offset` (0 is the first byte). Returns an
/// empty vector beyond its end, and `None` if the job has no calendar. PostgreSQL stores the column in pieces and reads
/// only those that are needed.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn part(
    connection: &mut PgConnection,
    id: JobId,
    offset: i32,
    length: i32,
) -> Result<Option<Vec<u8>>, DatabaseError> {
    // substring() counts from 1
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
