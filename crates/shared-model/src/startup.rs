//! Starting a process: it waits for the database, and runs or awaits the migrations.

use std::time::Duration;

use diesel::PgConnection;

use crate::database::{
    ConnectError, DatabaseConfig, DatabaseError, Pool, explain_tls, is_wrong_password,
};
use crate::migrations::{self, MigrationError};
use crate::roles::Role;

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
    /// The queue can't work until an operator corrects something, for each of these reasons.
    #[error("{}", .0.join("; "))]
    UnusableQueue(Vec<String>),
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
    warn_about(config);
    let mut logged = false;
    loop {
        wait_until_reachable(pool, config).await?;
        match is_schema_ready(pool, migrations).await {
            Ok(true) => return Ok(()),
            Ok(false) if logged => {}
            Ok(false) => {
                log::info!(
                    "waiting until the migrations have run: `taskoverflow-api migrate` runs them, and so does an API that \
                     logs in as the tables' owner"
                );
                logged = true;
            }
            Err(MigrationError::Database(error @ DatabaseError::Unavailable(_))) => {
                log::warn!(error:%; "lost the connection to the database; waiting for it");
            }
            // waiting would not help
            Err(error @ MigrationError::EarlierPreview) => return Err(error.into()),
            Err(error) if migrations == Migrations::Await => {
                log::warn!(error:%; "can't look at the migrations; trying again");
            }
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

/// Runs the migrations with the login of the tables' owner, and prepares the roles of the other processes. Waits until the
/// database accepts connections. Calling it again is safe, and so are calls at the same time.
///
/// # Errors
/// Returns an error if the database refuses the settings, or if a migration or a role can't be made.
pub async fn migrate(
    pool: &Pool,
    config: &DatabaseConfig,
    roles: Vec<Role>,
) -> Result<(), StartupError> {
    warn_about(config);
    loop {
        wait_until_reachable(pool, config).await?;
        let roles = roles.clone();
        match pool
            .run_long(move |connection| migrations::run_for(connection, &roles))
            .await
        {
            Err(MigrationError::Database(error @ DatabaseError::Unavailable(_))) => {
                log::warn!(error:%; "lost the connection to the database; waiting for it");
            }
            outcome => return Ok(outcome?),
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

/// Logs a warning if the queries may go over a network without TLS, though the settings do not ask for that.
fn warn_about(config: &DatabaseConfig) {
    if let Some(warning) = config.warning() {
        log::warn!("{warning}");
    }
}

async fn is_schema_ready(pool: &Pool, migrations: Migrations) -> Result<bool, MigrationError> {
    let look = |connection: &mut PgConnection| Ok(!migrations::are_pending(connection)?);
    // A process with a role of its own may look, but not run the migrations.
    let is_ready = pool.run(look).await?;
    if is_ready || migrations == Migrations::Await {
        return Ok(is_ready);
    }
    pool.run_long(move |connection| {
        migrations::run(connection)?;
        look(connection)
    })
    .await
}

async fn wait_until_reachable(pool: &Pool, config: &DatabaseConfig) -> Result<(), StartupError> {
    let mut logged = false;
    loop {
        let pool = pool.clone();
        let attempt = tokio::task::spawn_blocking(move || pool.connect().map(drop));
        let error = match attempt.await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => refusal(config, &error)?,
            Err(error) => error.to_string(),
        };
        if !logged {
            log::warn!(error; "can't reach the database yet; waiting for it");
            logged = true;
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

/// Returns why a connection could not be made, if waiting may help.
///
/// # Errors
/// Returns an error if a setting is refused. A password in a file is not refused for good: the file is read again.
fn refusal(config: &DatabaseConfig, error: &ConnectError) -> Result<String, StartupError> {
    let reason = explain_tls(error.to_string().trim_end());
    let setting = match error {
        ConnectError::PasswordFile { .. } => "DATABASE_PASSWORD_FILE",
        ConnectError::Database(_) if is_wrong_password(&reason) && config.rereads_password() => {
            return Ok(reason);
        }
        ConnectError::Database(_) if is_wrong_password(&reason) || is_refusal(&reason) => {
            config.location_setting()
        }
        ConnectError::Database(_) => return Ok(reason),
    };
    Err(StartupError::RefusedSetting { setting, reason })
}

/// Whether the error is about the settings, so that waiting would not help. libpq returns no error code for a failed
/// connection, so this looks for the server's English messages.
fn is_refusal(error: &str) -> bool {
    [
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
