//! Databases, and the todos and jobs in them.

use std::io::Read;
use std::time::Duration;

use clap::Parser;
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, RunQueryDsl};
use flate2::read::GzDecoder;
pub(crate) use local_services::testing::login;
use local_services::testing::{TestDatabases, eventually};
use shared_model::database::{DatabaseConfig, DatabaseError, Pool, Secret};
use shared_model::job::{CalendarRequest, Job, JobId};
use shared_model::job_store::claims::ClaimOptions;
use shared_model::job_store::requests::{self, NewJob, Sender};
use shared_model::roles::{Process, Role};
use shared_model::trace::TraceContext;
use shared_model::{migrations, results};

static DATABASES: TestDatabases = TestDatabases::new(|url| {
    let role = Role {
        process: Process::Worker,
        name: WORKER_ROLE.parse().unwrap(),
        password: Some(Secret::from(WORKER_ROLE.to_owned())),
    };
    migrations::run_for(&mut PgConnection::establish(url).unwrap(), &[role]).unwrap();
});

/// The role of the workers in every database, and its password.
const WORKER_ROLE: &str = "worker_of_the_tests";

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    database: DatabaseConfig,
}

/// A database that no other test uses. A worker has only the privileges of a worker in it; the test has those of the
/// owner.
pub(crate) struct Database {
    /// With the login of the worker.
    pub(crate) url: String,
    /// With the login of the worker.
    pub(crate) config: DatabaseConfig,
    /// With the login of the owner.
    pub(crate) owner: String,
    /// With the login of the owner.
    pub(crate) pool: Pool,
}

fn config(url: &str) -> DatabaseConfig {
    Cli::parse_from(["test", "--database-url", url]).database
}

/// A lease that no test outlasts.
pub(crate) const CLAIM: ClaimOptions = ClaimOptions {
    lease: Duration::from_secs(30),
    max_attempts: 5,
    worker_id: None,
};

impl Database {
    pub(crate) fn new() -> Self {
        let owner = DATABASES.create();
        let url = login(&owner, WORKER_ROLE, WORKER_ROLE);
        Self {
            config: config(&url),
            url,
            pool: Pool::new(&config(&owner), "worker-test", Duration::from_secs(20)),
            owner,
        }
    }

    /// Returns the connections of a worker in this process.
    pub(crate) fn of_worker(&self) -> worker::database::Database {
        worker::database::Database::new(&self.config, CLAIM)
    }

    /// Opens a session of its own, and begins a transaction in it.
    pub(crate) fn begin(&self, sql: &str) -> OpenTransaction {
        let mut connection = PgConnection::establish(&self.owner).unwrap();
        connection.batch_execute(&format!("BEGIN; {sql}")).unwrap();
        OpenTransaction(connection)
    }

    pub(crate) async fn execute(&self, sql: &str) {
        let sql = sql.to_owned();
        self.pool
            .run::<_, DatabaseError, _>(move |connection| {
                Ok(diesel::sql_query(sql).execute(connection).map(drop)?)
            })
            .await
            .unwrap();
    }

    /// Stores `count` todos. Every tenth has no deadline, and every second is completed.
    pub(crate) async fn add_todos(&self, count: usize) {
        self.execute(&format!(
            "INSERT INTO todos (title, description, completed, deadline_at)
             SELECT 'todo ' || n, 'what there is to do about ' || n, n % 2 = 0,
                    CASE WHEN n % 10 > 0 THEN timestamp '2026-03-01' + n * interval '1 minute' END
             FROM generate_series(1, {count}) AS n"
        ))
        .await;
    }

    /// Makes every render wait until the returned lock is dropped.
    pub(crate) fn lock_todos(&self) -> OpenTransaction {
        self.begin("LOCK TABLE todos IN ACCESS EXCLUSIVE MODE")
    }

    /// Locks the row of a job until the returned lock is dropped.
    pub(crate) fn lock_job(&self, id: JobId) -> OpenTransaction {
        self.begin(&format!(
            "SELECT FROM calendar_jobs WHERE id = '{id}' FOR UPDATE"
        ))
    }

    /// Makes the statement that stores a result wait, if the result has at least this many bytes, until the returned lock
    /// is dropped.
    pub(crate) async fn block_results(&self, min_bytes: i64) -> OpenTransaction {
        let lock = self.begin("SELECT pg_advisory_xact_lock(1)");
        self.execute(
            "CREATE FUNCTION block() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN PERFORM pg_advisory_xact_lock(1); RETURN new; END $$",
        )
        .await;
        self.execute(&format!(
            "CREATE TRIGGER block BEFORE INSERT ON calendar_results FOR EACH ROW
             WHEN (new.byte_length >= {min_bytes}) EXECUTE FUNCTION block()"
        ))
        .await;
        lock
    }

    /// Waits until a statement waits for the lock of [`Self::block_results`].
    pub(crate) async fn wait_until_a_result_is_blocked(&self) {
        self.wait_until_blocked("locktype = 'advisory'").await;
    }

    /// Waits until a statement waits for the lock of [`Self::lock_todos`].
    pub(crate) async fn wait_until_a_read_is_blocked(&self) {
        self.wait_until_blocked("relation = 'todos'::regclass")
            .await;
    }

    async fn wait_until_blocked(&self, lock: &str) {
        #[derive(diesel::QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::Bool)]
            waits: bool,
        }
        let query = format!(
            "SELECT EXISTS (SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database
                 WHERE {lock} AND NOT granted AND datname = current_database()) AS waits"
        );
        eventually("a statement is blocked", async || {
            let query = query.clone();
            let row: Result<Row, DatabaseError> = self
                .pool
                .run(move |connection| Ok(diesel::sql_query(query).get_result(connection)?))
                .await;
            row.unwrap().waits
        })
        .await;
    }

    pub(crate) async fn accept(&self, request: CalendarRequest) -> JobId {
        self.accept_in(None, request).await
    }

    /// Stores a job that belongs to a trace.
    pub(crate) async fn accept_in(
        &self,
        traceparent: Option<TraceContext>,
        request: CalendarRequest,
    ) -> JobId {
        let id = JobId::new();
        let job = NewJob {
            id,
            request,
            expiry_seconds: 3600,
            sender: Sender::Nobody,
            token_name: None,
            traceparent,
            event_destinations: Vec::new(),
        };
        self.pool
            .run(move |connection| requests::insert(connection, &[job]))
            .await
            .unwrap();
        id
    }

    pub(crate) async fn accept_many(&self, count: usize) -> Vec<JobId> {
        let mut ids = Vec::new();
        for _ in 0..count {
            ids.push(self.accept(CalendarRequest::default()).await);
        }
        ids
    }

    pub(crate) async fn find(&self, id: JobId) -> Job {
        let job = self
            .pool
            .run(move |connection| requests::find(connection, id))
            .await;
        job.unwrap().unwrap()
    }

    /// Waits until `wanted` accepts the job.
    pub(crate) async fn wait_for(&self, id: JobId, wanted: impl Fn(&Job) -> bool) -> Job {
        let mut job = self.find(id).await;
        eventually("the job is in the wanted state", async || {
            job = self.find(id).await;
            wanted(&job)
        })
        .await;
        job
    }

    pub(crate) async fn wait_until_ended(&self, id: JobId) -> Job {
        self.wait_for(id, |job| job.status.is_terminal()).await
    }

    /// Returns a finished job's calendar, and asserts that the lint finds nothing in it.
    pub(crate) async fn calendar(&self, id: JobId) -> Option<String> {
        let content = self
            .pool
            .run(move |connection| results::part(connection, id, 0, i32::MAX))
            .await
            .unwrap()?;
        let mut text = String::new();
        GzDecoder::new(content.as_slice())
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(calendar::lint::lint(text.as_bytes()), []);
        Some(text)
    }
}

/// Locks, held by an open transaction. Dropping it closes the connection, which ends the transaction.
pub(crate) struct OpenTransaction(#[expect(dead_code, reason = "holds the locks")] PgConnection);
