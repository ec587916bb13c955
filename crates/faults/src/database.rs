//! The run's database: what the service keeps in it, and a log of every change to a job that no process can avoid.

use std::num::NonZeroU32;
use std::time::Duration;

use clap::Parser;
use diesel::deserialize::QueryableByName;
use diesel::sql_types::{BigInt, Double, Integer, Nullable, Text};
use diesel::{Connection, PgConnection, RunQueryDsl};
use local_services::testing::{TIMEOUT, within};
use shared_model::database::{DatabaseConfig, Pool};
use shared_model::job::{Job, JobId, JobStatus};
use shared_model::job_store::requests;
use shared_model::migrations;
use uuid::Uuid;

use crate::poison::Poison;

/// Enough for what a run looks at, and little beside what the processes take.
const CONNECTIONS: NonZeroU32 = NonZeroU32::new(4).unwrap();

/// Writes down every change of a job that a client can see, and every result that is stored, in the order in which they
/// happened to it.
const AUDIT: &str = "
    CREATE TABLE audit_jobs (
        seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(),
        job_id uuid NOT NULL, status text, version bigint, generation integer, attempt integer);
    CREATE TABLE audit_results (
        seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(),
        job_id uuid NOT NULL, operation text NOT NULL, sha256 bytea);
    CREATE FUNCTION audit_job() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'INSERT' OR (NEW.status, NEW.version, NEW.generation, NEW.attempt)
                               IS DISTINCT FROM (OLD.status, OLD.version, OLD.generation, OLD.attempt) THEN
            INSERT INTO audit_jobs (job_id, status, version, generation, attempt)
            VALUES (NEW.id, NEW.status, NEW.version, NEW.generation, NEW.attempt);
        END IF;
        RETURN NULL;
    END $$;
    CREATE FUNCTION audit_result() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' THEN
            INSERT INTO audit_results (job_id, operation, sha256) VALUES (OLD.job_id, TG_OP, OLD.sha256);
        ELSE
            INSERT INTO audit_results (job_id, operation, sha256) VALUES (NEW.job_id, TG_OP, NEW.sha256);
        END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER audit AFTER INSERT OR UPDATE ON calendar_jobs FOR EACH ROW EXECUTE FUNCTION audit_job();
    CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON calendar_results FOR EACH ROW EXECUTE FUNCTION audit_result();
";

/// Brings an empty database up to date and begins to watch it.
///
/// # Errors
/// When it does not answer or refuses.
pub fn prepare(url: &str) -> anyhow::Result<()> {
    let mut connection = PgConnection::establish(url)?;
    migrations::run(&mut connection)?;
    diesel::connection::SimpleConnection::batch_execute(&mut connection, AUDIT)?;
    Ok(())
}

/// The way to a prepared database, past every fault.
#[derive(Debug, Clone)]
pub struct Database {
    url: String,
    pool: Pool,
}

/// A change of a job.
#[derive(Debug, Clone, QueryableByName)]
pub struct JobChange {
    /// The job.
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    pub job_id: Uuid,
    /// Where it then stood.
    #[diesel(sql_type = Text)]
    pub status: JobStatus,
    /// Its version then.
    #[diesel(sql_type = BigInt)]
    pub version: i64,
    /// Its generation then.
    #[diesel(sql_type = Integer)]
    pub generation: i32,
    /// Its attempt then.
    #[diesel(sql_type = Integer)]
    pub attempt: i32,
    /// When, in seconds since 1970.
    #[diesel(sql_type = Double)]
    pub at: f64,
}

/// A change of a result.
#[derive(Debug, Clone, QueryableByName)]
pub struct ResultChange {
    /// The job.
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    pub job_id: Uuid,
    /// INSERT, UPDATE or DELETE.
    #[diesel(sql_type = Text)]
    pub operation: String,
}

#[derive(Debug, Parser)]
struct Settings {
    #[command(flatten)]
    database: DatabaseConfig,
}

impl Database {
    /// The database at `url`.
    ///
    /// # Errors
    /// When that is no URL of a database.
    pub fn new(url: String) -> anyhow::Result<Self> {
        let settings = Settings::try_parse_from(["faults", "--database-url", &url])?;
        let config = DatabaseConfig {
            database_pool: CONNECTIONS,
            ..settings.database
        };
        let pool = Pool::new(&config, "faults", Duration::from_mins(1));
        Ok(Self { url, pool })
    }

    /// Its URL, with a proxy's port in place of its own.
    ///
    /// # Errors
    /// When its own can't be found.
    pub fn url_through(&self, port: u16) -> anyhow::Result<String> {
        Ok(self
            .url
            .replacen(&format!(":{}/", self.port()?), &format!(":{port}/"), 1))
    }

    /// The port that it listens on.
    ///
    /// # Errors
    /// When its URL names none.
    pub fn port(&self) -> anyhow::Result<u16> {
        let place = self.url.rsplit('@').next().unwrap_or_default();
        let port = place.split(['/', ':']).nth(1).unwrap_or_default();
        Ok(port.parse()?)
    }

    /// Runs queries.
    ///
    /// # Errors
    /// When they fail.
    pub async fn run<T: Send + 'static>(
        &self,
        queries: impl FnOnce(&mut PgConnection) -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        self.pool.run(queries).await
    }

    /// Runs a statement.
    ///
    /// # Errors
    /// When it fails.
    pub async fn execute(&self, sql: impl Into<String>) -> anyhow::Result<usize> {
        let sql = sql.into();
        self.run(move |connection| Ok(diesel::sql_query(sql).execute(connection)?))
            .await
    }

    /// The number that a query gives.
    ///
    /// # Errors
    /// When it fails.
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

    /// Stores so many todos: every second is completed, every tenth has no deadline.
    ///
    /// # Errors
    /// When they can't be stored.
    pub async fn add_todos(&self, count: usize) -> anyhow::Result<()> {
        let sql = format!(
            "INSERT INTO todos (title, description, completed, deadline_at)
             SELECT 'todo ' || n, 'what there is to do; about ' || n, n % 2 = 0,
                    CASE WHEN n % 10 > 0 THEN timestamp '2026-03-01' + n * interval '1 minute' END
             FROM generate_series(1, {count}) AS n"
        );
        self.execute(sql).await.map(drop)
    }

    /// Stores a todo that spoils each calendar that it goes into; it is due so many days before now.
    ///
    /// # Errors
    /// When it can't be stored.
    pub async fn poison(&self, poison: Poison, days_ago: u32) -> anyhow::Result<()> {
        let title = poison.title();
        let sql = format!(
            "INSERT INTO todos (title, completed, deadline_at)
             VALUES ('{title}', false, (now() AT TIME ZONE 'utc') - interval '{days_ago} days')"
        );
        self.execute(sql).await.map(drop)
    }

    /// Makes every poisoned todo of that kind harmless.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn cure(&self, poison: Poison) -> anyhow::Result<()> {
        let title = poison.title();
        let sql = format!("UPDATE todos SET title = 'cured' WHERE title = '{title}'");
        self.execute(sql).await.map(drop)
    }

    /// A job as it stands.
    ///
    /// # Errors
    /// When there is none, or the database does not answer.
    pub async fn job(&self, id: JobId) -> anyhow::Result<Job> {
        let job = self
            .run(move |connection| Ok(requests::find(connection, id)?))
            .await?;
        job.ok_or_else(|| anyhow::anyhow!("there is no job {id}"))
    }

    /// Looks at a job until it is as wanted.
    ///
    /// # Errors
    /// When it is not in time.
    pub async fn wait_for(
        &self,
        id: JobId,
        what: &str,
        wanted: impl Fn(&Job) -> bool,
    ) -> anyhow::Result<Job> {
        within(TIMEOUT, &format!("{id} is {what}"), async || {
            Ok(Some(self.job(id).await?).filter(|job| wanted(job)))
        })
        .await
    }

    /// Looks at a job until it has that status.
    ///
    /// # Errors
    /// When it has not in time.
    pub async fn wait_for_status(&self, id: JobId, status: JobStatus) -> anyhow::Result<Job> {
        self.wait_for(id, status.name(), |job| job.status == status)
            .await
    }

    /// Looks at a job until it has ended.
    ///
    /// # Errors
    /// When it has not in time.
    pub async fn wait_until_ended(&self, id: JobId) -> anyhow::Result<Job> {
        self.wait_for(id, "at its end", |job| job.status.is_terminal())
            .await
    }

    /// How many jobs have not ended.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn open_jobs(&self) -> anyhow::Result<i64> {
        self.number("SELECT count(*) FROM calendar_jobs WHERE finished_at IS NULL")
            .await
    }

    /// Every change of every job, each job's in order.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn job_changes(&self) -> anyhow::Result<Vec<JobChange>> {
        self.run(|connection| {
            let query = "SELECT job_id, status, version, generation, attempt, extract(epoch FROM at)::float8 AS at
                         FROM audit_jobs ORDER BY job_id, seq";
            Ok(diesel::sql_query(query).load(connection)?)
        })
        .await
    }

    /// Every change of every result, in order.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn result_changes(&self) -> anyhow::Result<Vec<ResultChange>> {
        self.run(|connection| {
            let query = "SELECT job_id, operation FROM audit_results ORDER BY seq";
            Ok(diesel::sql_query(query).load(connection)?)
        })
        .await
    }
}
