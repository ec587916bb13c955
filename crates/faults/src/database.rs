//! The database of a run, reached without passing through a fault proxy.

use std::num::NonZeroU32;
use std::time::Duration;

use clap::Parser;
use diesel::deserialize::QueryableByName;
use diesel::sql_types::{BigInt, Nullable};
use diesel::{Connection, PgConnection, RunQueryDsl};
use local_services::testing::{TIMEOUT, within};
use shared_model::database::{DatabaseConfig, Pool};
use shared_model::job::{Job, JobId, JobStatus};
use shared_model::job_store::requests;
use shared_model::migrations;

use crate::poison::Poison;

mod audit;
mod session;

pub use audit::{JobChange, ResultChange};
pub use session::Session;

/// Enough for the queries of a run, and few compared with the connections of the processes.
const CONNECTIONS: NonZeroU32 = NonZeroU32::new(4).unwrap();

/// Migrates an empty database and starts its audit log.
///
/// # Errors
/// Returns an error if the database cannot be reached, or if a statement fails.
pub fn prepare(url: &str) -> anyhow::Result<()> {
    let mut connection = PgConnection::establish(url)?;
    migrations::run(&mut connection)?;
    audit::start(&mut connection)
}

/// Access to a prepared database.
#[derive(Debug, Clone)]
pub struct Database {
    url: String,
    pool: Pool,
}

#[derive(Debug, Parser)]
struct Settings {
    #[command(flatten)]
    database: DatabaseConfig,
}

impl Database {
    /// Returns access to the database at `url`.
    ///
    /// # Errors
    /// Returns an error if the URL is invalid.
    pub fn new(url: String) -> anyhow::Result<Self> {
        let settings = Settings::try_parse_from(["faults", "--database-url", &url])?;
        let config = DatabaseConfig {
            database_pool: CONNECTIONS,
            ..settings.database
        };
        let pool = Pool::new(&config, "faults", Duration::from_mins(1));
        Ok(Self { url, pool })
    }

    /// Returns the URL of the database behind a proxy on `port`.
    ///
    /// # Errors
    /// Returns an error if the URL of the database has no port.
    pub fn url_through(&self, port: u16) -> anyhow::Result<String> {
        Ok(self
            .url
            .replacen(&format!(":{}/", self.port()?), &format!(":{port}/"), 1))
    }

    /// Returns the port of the server.
    ///
    /// # Errors
    /// Returns an error if the URL of the database has no port.
    pub fn port(&self) -> anyhow::Result<u16> {
        let address = self.url.rsplit('@').next().unwrap_or_default();
        let port = address.split(['/', ':']).nth(1).unwrap_or_default();
        Ok(port.parse()?)
    }

    /// Runs queries.
    ///
    /// # Errors
    /// Returns an error if they fail.
    pub async fn run<T: Send + 'static>(
        &self,
        queries: impl FnOnce(&mut PgConnection) -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        self.pool.run(queries).await
    }

    /// Runs a statement and returns the number of affected rows.
    ///
    /// # Errors
    /// Returns an error if it fails.
    pub async fn execute(&self, sql: impl Into<String>) -> anyhow::Result<usize> {
        let sql = sql.into();
        self.run(move |connection| Ok(diesel::sql_query(sql).execute(connection)?))
            .await
    }

    /// Returns the number that a query selects.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub async fn number(&self, sql: impl Into<String>) -> anyhow::Result<i64> {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = Nullable<BigInt>)]
            number: Option<i64>,
        }
        let sql = format!("SELECT ({})::bigint AS number", sql.into());
        let row: Row = self
            .run(move |connection| Ok(diesel::sql_query(sql).get_result(connection)?))
            .await?;
        Ok(row.number.unwrap_or_default())
    }

    /// Stores `count` todos. Every second one is completed; every tenth has no deadline.
    ///
    /// # Errors
    /// Returns an error if the statement fails.
    pub async fn add_todos(&self, count: usize) -> anyhow::Result<()> {
        let sql = format!(
            "INSERT INTO todos (title, description, completed, deadline_at)
             SELECT 'todo ' || n, 'what there is to do; about ' || n, n % 2 = 0,
                    CASE WHEN n % 10 > 0 THEN timestamp '2026-03-01' + n * interval '1 minute' END
             FROM generate_series(1, {count}) AS n"
        );
        self.execute(sql).await.map(drop)
    }

    /// Stores an open todo that breaks the render of every calendar that contains it. Its deadline is `days_ago` days
    /// before now.
    ///
    /// # Errors
    /// Returns an error if the statement fails.
    pub async fn poison(&self, poison: Poison, days_ago: u32) -> anyhow::Result<()> {
        let title = poison.title();
        let sql = format!(
            "INSERT INTO todos (title, completed, deadline_at)
             VALUES ('{title}', false, (now() AT TIME ZONE 'utc') - interval '{days_ago} days')"
        );
        self.execute(sql).await.map(drop)
    }

    /// Makes every todo with that poison harmless.
    ///
    /// # Errors
    /// Returns an error if the statement fails.
    pub async fn cure(&self, poison: Poison) -> anyhow::Result<()> {
        let title = poison.title();
        let sql = format!("UPDATE todos SET title = 'cured' WHERE title = '{title}'");
        self.execute(sql).await.map(drop)
    }

    /// Returns a job.
    ///
    /// # Errors
    /// Returns an error if the job does not exist, or if the query fails.
    pub async fn job(&self, id: JobId) -> anyhow::Result<Job> {
        let job = self
            .run(move |connection| Ok(requests::find(connection, id)?))
            .await?;
        job.ok_or_else(|| anyhow::anyhow!("there is no job {id}"))
    }

    /// Polls a job until `holds` returns true, and returns it. `what` describes the state: "taken over".
    ///
    /// # Errors
    /// Returns an error if the job does not get to that state in time.
    pub async fn wait_for(
        &self,
        id: JobId,
        what: &str,
        holds: impl Fn(&Job) -> bool,
    ) -> anyhow::Result<Job> {
        within(TIMEOUT, &format!("{id} is {what}"), async || {
            Ok(Some(self.job(id).await?).filter(|job| holds(job)))
        })
        .await
    }

    /// Polls a job until it has a status, and returns it.
    ///
    /// # Errors
    /// Returns an error if the job does not get the status in time.
    pub async fn wait_for_status(&self, id: JobId, status: JobStatus) -> anyhow::Result<Job> {
        self.wait_for(id, status.name(), |job| job.status == status)
            .await
    }

    /// Polls a job until it has ended, and returns it.
    ///
    /// # Errors
    /// Returns an error if the job does not end in time.
    pub async fn wait_until_ended(&self, id: JobId) -> anyhow::Result<Job> {
        self.wait_for(id, "ended", |job| job.status.is_terminal())
            .await
    }

    /// Returns the number of jobs that have not ended.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub async fn open_jobs(&self) -> anyhow::Result<i64> {
        // The partial index of the open jobs has this condition.
        let open =
            "SELECT count(*) FROM calendar_jobs WHERE status IN ('PENDING', 'STARTED', 'RETRY')";
        self.number(open).await
    }
}
