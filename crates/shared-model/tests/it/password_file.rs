//! A password in a file: it is read for each connection, so a process goes on when the password changes.

use std::fs;
use std::num::NonZeroU32;
use std::path::Path;

use clap::Parser;
use diesel::RunQueryDsl;
use diesel::connection::SimpleConnection;
use local_services::testing::eventually;
use shared_model::database::{DatabaseConfig, DatabaseError, Pool};
use shared_model::startup::{self, Migrations, StartupError};
use tempfile::TempDir;

use crate::support::{STATEMENT_TIMEOUT, connect, database_url, login};

/// A login whose password is in a file.
struct Login {
    owner: String,
    name: &'static str,
    config: DatabaseConfig,
    folder: TempDir,
}

impl Login {
    /// Creates the role, which has the password `first`, but no file yet.
    fn new(name: &'static str) -> Self {
        let owner = database_url();
        connect(&owner)
            .batch_execute(&format!("CREATE ROLE {name} LOGIN PASSWORD 'first'"))
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let url = login(&owner, name, "in-the-url");
        let config = config(&url, &folder.path().join("password"));
        Self {
            owner,
            name,
            config,
            folder,
        }
    }

    fn write(&self, password: &str) {
        fs::write(self.folder.path().join("password"), password).unwrap();
    }

    fn pool(&self) -> Pool {
        Pool::new(&self.config, "password-test", STATEMENT_TIMEOUT)
    }

    /// Changes the password, and ends all sessions.
    fn change_password(&self, password: &str) {
        connect(&self.owner)
            .batch_execute(&format!(
                "ALTER ROLE {name} PASSWORD '{password}';
                 SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE usename = '{name}'",
                name = self.name
            ))
            .unwrap();
    }
}

fn config(url: &str, file: &Path) -> DatabaseConfig {
    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        database: DatabaseConfig,
    }
    let file = file.display().to_string();
    let mut config = Cli::parse_from([
        "test",
        "--database-url",
        url,
        "--database-password-file",
        &file,
    ])
    .database;
    config.database_pool = NonZeroU32::MIN;
    config
}

async fn query(pool: &Pool) -> Result<(), DatabaseError> {
    pool.run(|connection| Ok(diesel::sql_query("SELECT").execute(connection).map(drop)?))
        .await
}

#[tokio::test]
async fn a_pool_goes_on_with_the_new_password_once_the_file_has_it() {
    let login = Login::new("rotated");
    login.write("first\n");
    let pool = login.pool();
    query(&pool).await.unwrap();

    login.change_password("second");
    // the first query may notice only that its session has ended
    let _ = query(&pool).await;
    let refused = query(&pool).await.unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("password authentication failed"),
        "{refused}"
    );
    assert!(!pool.needs_new_process(), "the file is read again");
    login.write("second");
    eventually("the pool has connected", async || {
        query(&pool).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_process_that_starts_waits_until_the_file_has_the_password() {
    let login = Login::new("late");
    login.write("not yet");
    let pool = login.pool();
    let starting = tokio::spawn({
        let (pool, config) = (pool.clone(), login.config.clone());
        async move { startup::prepare_database(&pool, &config, Migrations::Await).await }
    });
    eventually("the login was refused", async || {
        query(&pool)
            .await
            .is_err_and(|error| error.to_string().contains("password authentication failed"))
    })
    .await;
    assert!(!starting.is_finished());
    connect(&login.owner)
        .batch_execute("GRANT SELECT ON __diesel_schema_migrations TO late")
        .unwrap();
    login.write("first");
    starting.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_process_does_not_start_without_the_file() {
    let login = Login::new("without_file");
    let error = startup::prepare_database(&login.pool(), &login.config, Migrations::Await)
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            StartupError::RefusedSetting {
                setting: "DATABASE_PASSWORD_FILE",
                ..
            }
        ),
        "{error}"
    );
}
