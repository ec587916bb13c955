//! The migrations, which are embedded in the programs.

use diesel::deserialize::QueryableByName;
use diesel::migration::MigrationSource;
use diesel::pg::{Pg, PgConnection};
use diesel::sql_types::{Bool, Text};
use diesel::{QueryResult, RunQueryDsl};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::database::DatabaseError;
use crate::roles::{self, Role, RoleError};

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
    /// The user of this connection may not run migrations.
    #[error(
        "the database's tables are missing or of an older version, and this user may not change them: run \
         `taskoverflow-api migrate` with the login of their owner ({0})"
    )]
    NotAllowed(String),
    /// The tables were made by migrations that have been rewritten since.
    #[error(
        "this database was made by an earlier preview version of TaskOverflow, whose tables can't be updated. Save what you \
         want to keep, such as the todos with `pg_dump --data-only --table=todos`, then drop the database and create it again"
    )]
    EarlierPreview,
    /// A role can't be prepared.
    #[error(transparent)]
    Role(#[from] RoleError),
}

/// Runs the migrations that have not run yet. If several processes call this, they take turns.
///
/// # Errors
/// Returns an error if a migration fails or the database does not answer.
pub fn run(connection: &mut PgConnection) -> Result<(), MigrationError> {
    run_for(connection, &[])
}

/// Does what [`run`] does, and makes the roles of the other processes, with the privileges that they need.
///
/// # Errors
/// Returns an error if a migration fails, a role can't be made, or the database does not answer.
pub fn run_for(connection: &mut PgConnection, roles: &[Role]) -> Result<(), MigrationError> {
    // a migration, or waiting for another process to run it, may take longer than a query of the service is allowed to
    let timeouts = timeouts(connection)?;
    execute(connection, "SET statement_timeout = 0")?;
    execute(connection, "SET lock_timeout = 0")?;
    execute(
        connection,
        &format!("SELECT pg_advisory_lock({ADVISORY_LOCK})"),
    )?;
    let outcome = run_pending(connection)
        .and_then(|()| roles::prepare(connection, roles).map_err(MigrationError::from));
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

fn run_pending(connection: &mut PgConnection) -> Result<(), MigrationError> {
    are_pending(connection)?;
    let outcome = connection.run_pending_migrations(MIGRATIONS).map(drop);
    outcome.map_err(|error| {
        let reason = error.to_string();
        // SQLSTATE 42501, for which diesel has no kind
        if reason.contains("permission denied") || reason.contains("must be owner") {
            MigrationError::NotAllowed(reason)
        } else {
            MigrationError::Failed(error)
        }
    })
}

/// Returns whether a migration that this release needs has not run yet. Changes nothing, so that it needs no more than the
/// right to read.
///
/// # Errors
/// Returns an error if the database does not answer, or if it was made by an earlier preview version.
pub fn are_pending(connection: &mut PgConnection) -> Result<bool, MigrationError> {
    #[derive(QueryableByName)]
    struct Table {
        #[diesel(sql_type = Bool)]
        exists: bool,
    }
    #[derive(QueryableByName)]
    struct Applied {
        #[diesel(sql_type = Text)]
        version: String,
    }
    // Diesel's own check creates its table if the table is missing. That would collide with another process that runs the
    // migrations.
    let table: QueryResult<Table> =
        diesel::sql_query("SELECT to_regclass('__diesel_schema_migrations') IS NOT NULL AS exists")
            .get_result(connection);
    if !table.map_err(DatabaseError::from)?.exists {
        return Ok(true);
    }
    let applied: QueryResult<Vec<Applied>> =
        diesel::sql_query("SELECT version::text FROM __diesel_schema_migrations").load(connection);
    let applied = applied.map_err(DatabaseError::from)?;
    let needed = MigrationSource::<Pg>::migrations(&MIGRATIONS).map_err(MigrationError::Failed)?;
    let needed: Vec<_> = needed
        .iter()
        .map(|migration| migration.name().version().to_string())
        .collect();
    let are_pending = needed
        .iter()
        .any(|version| applied.iter().all(|one| one.version != *version));
    // A newer release has run all of ours and more. Only a migration that was rewritten, which gives it a new version, leaves
    // one that we do not know while ours has not run.
    if are_pending && applied.iter().any(|one| !needed.contains(&one.version)) {
        return Err(MigrationError::EarlierPreview);
    }
    Ok(are_pending)
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
