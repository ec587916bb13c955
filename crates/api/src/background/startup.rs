//! What has to be there before a request can be served: the database and its schema.

use std::time::Duration;

use shared_model::database::{DatabaseError, Pool};
use shared_model::migrations::{self, MigrationError};

use crate::config::Config;

const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Waits for the database, and brings its schema up to date or waits for that too.
#[derive(Debug)]
pub struct Preparation {
    pool: Pool,
    migrate: bool,
    /// The variable that says where the database is.
    setting: &'static str,
}

/// A setting that is well-formed and that the database refuses.
#[derive(Debug, thiserror::Error)]
#[error("{setting}: {reason}")]
pub struct RefusedSetting {
    /// The variable.
    pub setting: &'static str,
    /// What the database said.
    pub reason: String,
}

impl Preparation {
    /// As the settings say.
    pub fn new(config: &Config, pool: Pool) -> Self {
        Self {
            pool,
            migrate: config.migrate,
            setting: match config.database.database_url {
                Some(_) => "DATABASE_URL",
                None => "DATABASE_HOST",
            },
        }
    }

    /// Returns when requests can be served.
    ///
    /// # Errors
    /// [`RefusedSetting`] when waiting for the database can't help, [`MigrationError`] when a migration fails.
    pub async fn run(self) -> anyhow::Result<()> {
        let mut told = false;
        loop {
            self.pool
                .wait_until_reachable()
                .await
                .map_err(|reason| RefusedSetting {
                    setting: self.setting,
                    reason,
                })?;
            match self.is_schema_ready().await {
                Ok(true) => return Ok(()),
                Ok(false) if told => {}
                Ok(false) => {
                    log::info!(
                        "waiting for another process to migrate the database (MIGRATE=false)"
                    );
                    told = true;
                }
                Err(MigrationError::Database(error @ DatabaseError::Unavailable(_))) => {
                    log::warn!(error:%; "the database went away; waiting for it");
                }
                Err(error) => return Err(error.into()),
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    async fn is_schema_ready(&self) -> Result<bool, MigrationError> {
        let migrate = self.migrate;
        self.pool
            .run_long(move |connection| {
                if migrate {
                    migrations::run(connection)?;
                }
                Ok(!migrations::are_pending(connection)?)
            })
            .await
    }
}
