//! Queries that stop early.

use diesel::connection::Connection;
use diesel::pg::PgConnection;
use diesel::{QueryResult, RunQueryDsl};

use super::error::DatabaseError;

/// Runs a query that reads an index in its order, and only as far as its limit allows. With bitmaps, PostgreSQL might read
/// the index whole.
///
/// # Errors
/// Returns an error if the database does not answer.
pub(crate) fn in_order_of_index<T>(
    connection: &mut PgConnection,
    query: impl FnOnce(&mut PgConnection) -> QueryResult<T>,
) -> Result<T, DatabaseError> {
    let rows = connection.transaction(|connection| {
        diesel::sql_query("SET LOCAL enable_bitmapscan = off").execute(connection)?;
        query(connection)
    });
    Ok(rows?)
}
