//! The clock of the database, which all processes share.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::Timestamptz;

use super::{DatabaseError, prepared};

/// Returns the time. What was committed before this call is visible to every transaction that begins later.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn now(connection: &mut PgConnection) -> Result<DateTime<Utc>, DatabaseError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Timestamptz)]
        at: DateTime<Utc>,
    }
    // not now(), which is the beginning of the transaction
    let query = diesel::sql_query("SELECT clock_timestamp() AS at");
    Ok(prepared(query).get_result::<Row>(connection)?.at)
}
