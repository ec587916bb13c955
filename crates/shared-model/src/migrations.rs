//! The migrations, compiled in.

use diesel::deserialize::QueryableByName;
use diesel::pg::PgConnection;
use diesel::sql_types::{Bool, Text};
use diesel::{QueryResult, RunQueryDsl};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::database::DatabaseError;

/// Every migration, in order.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// Any number will do, as long as every release uses the same: several API processes start at once.
const ADVISORY_LOCK: i64 = 0x7461_736b_6f76;

/// Why the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The database could not be asked.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A migration failed; it was rolled back.
    #[error("a migration failed: {0}")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Runs what has not run yet, one process at a time.
///
/// # Errors
/// When a migration fails or the database goes away.
pub fn run(connection: &mut PgConnection) -> Result<(), MigrationError> {
    // a migration may take longer than any query of the service
    let timeout = statement_timeout(connection)?;
    execute(connection, "SET statement_timeout = 0")?;
    execute(
        connection,
        &format!("SELECT pg_advisory_lock({ADVISORY_LOCK})"),
    )?;
    let outcome = connection
        .run_pending_migrations(MIGRATIONS)
        .map(|_| ())
        .map_err(MigrationError::Failed);
    execute(
        connection,
        &format!("SELECT pg_advisory_unlock({ADVISORY_LOCK})"),
    )?;
    // not RESET: the session has its own, and goes back to its pool
    execute(connection, &format!("SET statement_timeout = '{timeout}'"))?;
    outcome
}

/// Whether the schema lacks a migration that this release needs.
///
/// # Errors
/// When the database goes away.
pub fn are_pending(connection: &mut PgConnection) -> Result<bool, MigrationError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Bool)]
        is_there: bool,
    }
    // diesel makes its table when it is asked, without a lock: it must not do so while another process runs them
    let table: QueryResult<Row> = diesel::sql_query(
        "SELECT to_regclass('__diesel_schema_migrations') IS NOT NULL AS is_there",
    )
    .get_result(connection);
    if !table.map_err(DatabaseError::from)?.is_there {
        return Ok(true);
    }
    connection
        .has_pending_migration(MIGRATIONS)
        .map_err(MigrationError::Failed)
}

fn statement_timeout(connection: &mut PgConnection) -> Result<String, DatabaseError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        statement_timeout: String,
    }
    let row: Row = diesel::sql_query("SHOW statement_timeout").get_result(connection)?;
    Ok(row.statement_timeout)
}

fn execute(connection: &mut PgConnection, sql: &str) -> Result<(), DatabaseError> {
    let done: QueryResult<usize> = diesel::sql_query(sql).execute(connection);
    Ok(done.map(drop)?)
}
