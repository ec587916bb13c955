//! Starting a process: it waits for the database, and runs or awaits the migrations.

use std::time::Duration;

use crate::database::{DatabaseConfig, DatabaseError, Pool, explain_tls};
use crate::migrations::{self, MigrationError};

const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// What a process does about migrations that have not run yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Migrations {
    /// It runs them.
    Run,
    /// It waits until another process has run them.
    Await,
}

/// Why a process can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartupError {
    /// The database refuses a setting, so waiting would not help.
    #[error("{setting}: {reason}")]
    RefusedSetting {
        /// The environment variable.
        setting: &'static str,
        /// The database's message.
        reason: String,
    },
    /// A migration failed.
    #[error(transparent)]
    Migration(#[from] MigrationError),
}

/// Waits until the database accepts connections and its schema is up to date. Returns when queries can be made.
///
/// # Errors
/// Returns an error if the database refuses the settings, or if a migration fails.
pub async fn prepare_database(
    pool: &Pool,
    config: &DatabaseConfig,
    migrations: Migrations,
) -> Result<(), StartupError> {
    let mut logged = false;
    loop {
        wait_until_reachable(pool, config).await?;
        match is_schema_ready(pool, migrations).await {
            Ok(true) => return Ok(()),
            Ok(false) if logged => {}
            Ok(false) => {
                log::info!("waiting for another process to migrate the database");
                logged = true;
            }
            Err(MigrationError::Database(error @ DatabaseError::Unavailable(_))) => {
                log::warn!(error:%; "lost the connection to the database; waiting for it");
            }
            Err(error) if migrations == Migrations::Await => {
                log::warn!(error:%; "can't look at the migrations; trying again");
            }
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

async fn is_schema_ready(pool: &Pool, migrations: Migrations) -> Result<bool, MigrationError> {
    match migrations {
        Migrations::Run => {
            pool.run_long(|connection| {
                migrations::run(connection)?;
                Ok(!migrations::are_pending(connection)?)
            })
            .await
        }
        Migrations::Await => {
            pool.run(|connection| Ok(!migrations::are_pending(connection)?))
                .await
        }
    }
}

async fn wait_until_reachable(pool: &Pool, config: &DatabaseConfig) -> Result<(), StartupError> {
    let mut logged = false;
    loop {
        let pool = pool.clone();
        let attempt = tokio::task::spawn_blocking(move || {
            pool.connect().map(drop).map_err(|error| error.to_string())
        });
        let error = match attempt.await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error,
            Err(error) => error.to_string(),
        };
        if is_refusal(&error) {
            return Err(StartupError::RefusedSetting {
                setting: config.location_setting(),
                reason: explain_tls(error.trim_end()),
            });
        }
        if !logged {
            log::warn!(error; "can't reach the database yet; waiting for it");
            logged = true;
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

/// Whether the error is about the settings, so that waiting would not help. libpq returns no error code for a failed
/// connection, so this looks for the server's English messages.
fn is_refusal(error: &str) -> bool {
    [
        "password authentication failed",
        "does not exist",
        "no pg_hba.conf entry",
        "invalid connection option",
        "invalid URI query parameter",
        "invalid sslmode value",
        "SSL support is not compiled in",
        "invalid port number",
    ]
    .iter()
    .any(|message| error.contains(message))
}
