//! Databases, jobs, queues and worker processes for the tests.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use clap::Parser;
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, RunQueryDsl};
use flate2::read::GzDecoder;
use local_services::testing::{TIMEOUT, TestDatabases, eventually, eventually_blocking};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use shared_model::database::{DatabaseConfig, DatabaseError, Pool};
use shared_model::job::{CalendarRequest, Job, JobId};
use shared_model::job_store::requests;
use shared_model::{migrations, results};

static DATABASES: TestDatabases = TestDatabases::new(|url| {
    migrations::run(&mut PgConnection::establish(url).unwrap()).unwrap();
});

/// For a worker that another one replaces, or whose message is delivered again, so that the test need not wait long.
pub(crate) const BRIEF: (&str, &str) = ("VISIBILITY_TIMEOUT", "2s");

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    database: DatabaseConfig,
}

/// A database that no other test uses.
pub(crate) struct Database {
    pub(crate) url: String,
    pub(crate) pool: Pool,
}

impl Database {
    pub(crate) fn new() -> Self {
        let url = DATABASES.create();
        let cli = Cli::parse_from(["test", "--database-url", &url]);
        let pool = Pool::new(&cli.database, "worker-test", Duration::from_secs(20));
        Self { url, pool }
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
    pub(crate) fn lock_todos(&self) -> TodosLock {
        let mut connection = PgConnection::establish(&self.url).unwrap();
        connection
            .batch_execute("BEGIN; LOCK TABLE todos IN ACCESS EXCLUSIVE MODE")
            .unwrap();
        TodosLock(connection)
    }

    pub(crate) async fn accept(&self, request: CalendarRequest) -> JobId {
        let id = JobId::new();
        self.pool
            .run::<_, DatabaseError, _>(move |connection| {
                requests::insert(connection, id, &request, 3600)
            })
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

    /// Returns a finished job's calendar, which the lint must find no fault with.
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

/// A lock on the todos, held by an open transaction. Dropping it closes the connection, which ends the transaction.
pub(crate) struct TodosLock(#[expect(dead_code, reason = "holds the lock")] PgConnection);

/// A worker's process. It is killed when dropped.
pub(crate) struct Worker {
    child: Child,
    lines: mpsc::Receiver<String>,
    pub(crate) seen: Vec<String>,
}

impl Worker {
    /// Starts the real binary. `settings` override the defaults, whose visibility timeout is so long that a busy
    /// machine does not lose deliveries.
    pub(crate) fn start(database: &Database, queue_url: &str, settings: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_taskoverflow-worker"))
            .env_clear()
            .envs([
                ("DATABASE_URL", database.url.as_str()),
                ("QUEUE_URL", queue_url),
                ("ADMIN_ADDR", "127.0.0.1:0"),
                ("VISIBILITY_TIMEOUT", "30s"),
                ("RECEIVE_WAIT", "1s"),
                ("LOG_FORMAT", "json"),
            ])
            .envs(settings.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            stderr
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        Self {
            child,
            lines,
            seen: Vec::new(),
        }
    }

    /// Runs one of the binary's commands for operators, and returns what it printed.
    pub(crate) fn operate(database: &Database, arguments: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_taskoverflow-worker"))
            .env_clear()
            .envs([
                ("DATABASE_URL", database.url.as_str()),
                ("QUEUE_URL", "postgres:"),
            ])
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Waits for a line of the log that contains `text`, and returns the line.
    pub(crate) fn wait_for_log(&mut self, text: &str) -> String {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let rest = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(rest) else {
                panic!("no log line has {text:?}; there are {:#?}", self.seen)
            };
            self.seen.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Waits until the admin endpoint is up, and returns its address.
    pub(crate) fn admin_addr(&mut self) -> String {
        let line = self.wait_for_log("listening");
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        line["http.address"].as_str().unwrap().to_owned()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(
            Pid::from_raw(i32::try_from(self.child.id()).unwrap()),
            signal,
        )
        .unwrap();
    }

    /// Waits until the process has ended.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        eventually_blocking("the worker has ended", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        self.seen.extend(self.lines.iter());
        status.unwrap()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
