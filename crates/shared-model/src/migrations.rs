//! The migrations, which are embedded in the programs.

use diesel::deserialize::QueryableByName;
use diesel::pg::PgConnection;
use diesel::sql_types::{Bool, Text};
use diesel::{QueryResult, RunQueryDsl};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::database::DatabaseError;

/// Every migration, in order.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// The lock that stops API processes that start at the same time from running the same migration. The number is
/// arbitrary, but every release must use the same one.
const ADVISORY_LOCK: i64 = 0x7461_736b_6f76;

/// Why the schema could not be updated or checked.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A migration failed and was rolled back.
    #[error("a migration failed: {0}")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Runs the migrations that have not run yet. If several processes call this, they take turns.
///
/// # Errors
/// Returns an error if a migration fails or the database does not answer.
pub fn run(connection: &mut PgConnection) -> Result<(), MigrationError> {
    // a migration, or waiting for another process to run it, may take longer than a query of the service is allowed to
    let timeouts = timeouts(connection)?;
    execute(connection, "SET statement_timeout = 0")?;
    execute(connection, "SET lock_timeout = 0")?;
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
    // RESET would not restore them: the pool has set the timeouts for this session
    let Timeouts { statement, lock } = timeouts;
    execute(
        connection,
        &format!("SET statement_timeout = '{statement}'"),
    )?;
    execute(connection, &format!("SET lock_timeout = '{lock}'"))?;
    outcome
}

/// Returns whether a migration that this release needs has not run yet.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn are_pending(connection: &mut PgConnection) -> Result<bool, MigrationError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Bool)]
        table_exists: bool,
    }
    // diesel creates its table on first use, without a lock, which would collide with a process that runs the migrations
    let table: QueryResult<Row> = diesel::sql_query(
        "SELECT to_regclass('__diesel_schema_migrations') IS NOT NULL AS table_exists",
    )
    .get_result(connection);
    if !table.map_err(DatabaseError::from)?.table_exists {
        return Ok(true);
    }
    connection
        .has_pending_migration(MIGRATIONS)
        .map_err(|error| match error.downcast::<diesel::result::Error>() {
            Ok(error) => MigrationError::Database(DatabaseError::from(*error)),
            Err(error) => MigrationError::Failed(error),
        })
}

#[derive(QueryableByName)]
struct Timeouts {
    #[diesel(sql_type = Text)]
    statement: String,
    #[diesel(sql_type = Text)]
    lock: String,
}

/// Returns the timeouts of the session.
fn timeouts(connection: &mut PgConnection) -> Result<Timeouts, DatabaseError> {
    Ok(diesel::sql_query(
        "SELECT current_setting('statement_timeout') AS statement, current_setting('lock_timeout') AS lock",
    )
    .get_result(connection)?)
}

fn execute(connection: &mut PgConnection, sql: &str) -> Result<(), DatabaseError> {
    let done: QueryResult<usize> = diesel::sql_query(sql).execute(connection);
    Ok(done.map(drop)?)
}
