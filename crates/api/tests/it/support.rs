//! A server with its own database for each test, and a client.

pub(crate) mod feeds;
pub(crate) mod jobs;
pub(crate) mod process;
pub(crate) mod publisher;
mod raw;
pub(crate) mod receiver;
pub(crate) mod tokens;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use api::config::{Cli, Config};
use api::server::Server;
use chrono::{DateTime, Utc};
use clap::Parser;
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, RunQueryDsl};
use job_queue::Publisher;
pub(crate) use local_services::testing::login;
use local_services::testing::{TestDatabases, eventually};
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::Value;
use shared_model::database::{DatabaseError, Pool, Secret};
use shared_model::migrations;
use shared_model::roles::{Process, Role};
use tokio_util::sync::CancellationToken;

use publisher::TestPublisher;

static DATABASES: TestDatabases = TestDatabases::new(|url| {
    let role = Role {
        process: Process::Api,
        name: API_ROLE.parse().unwrap(),
        password: Some(Secret::from(API_ROLE.to_owned())),
    };
    migrations::run_for(&mut PgConnection::establish(url).unwrap(), &[role]).unwrap();
});

/// The role of the API in every migrated database, and its password.
pub(crate) const API_ROLE: &str = "api_of_the_tests";

/// Creates a migrated database for one test and returns its URL, with the login of its owner.
pub(crate) fn database() -> String {
    DATABASES.create()
}

/// Returns the settings of a server on a free port, with `flags` added. Its queue is an SQS queue, and it needs no tokens,
/// unless the flags say otherwise.
pub(crate) fn config(database_url: &str, flags: &[&str]) -> Config {
    let common = [
        "taskoverflow-api",
        "--bind-addr=127.0.0.1:0",
        "--database-url",
        database_url,
    ];
    let defaults = ["--queue-url=sqs://test", "--auth=off"];
    let is_default = |default: &&&str| {
        let (name, _) = default.split_once('=').unwrap();
        !flags.iter().any(|flag| flag.starts_with(name))
    };
    let defaults = defaults.iter().filter(is_default);
    Cli::try_parse_from(common.iter().chain(defaults).chain(flags))
        .unwrap()
        .config
}

pub(crate) fn pool(config: &Config) -> Pool {
    Pool::new(&config.database, "api-test", Duration::from_secs(10))
}

/// Returns the response to an operator's action without its `at`, and its `at`.
pub(crate) fn split_at(mut response: Value) -> (Value, Value) {
    let at = response.as_object_mut().unwrap().remove("at");
    (response, at.expect("the response says when"))
}

/// Returns a time of a response.
pub(crate) fn time(at: &Value) -> DateTime<Utc> {
    at.as_str().unwrap().parse().unwrap()
}

/// Runs SQL directly in the database.
pub(crate) async fn execute(pool: &Pool, sql: impl Into<String>) {
    let sql = sql.into();
    pool.run::<_, DatabaseError, _>(move |connection| Ok(connection.batch_execute(&sql)?))
        .await
        .unwrap();
}

/// An exclusive lock on the `todos` table.
pub(crate) struct Locked {
    release: std::sync::mpsc::Sender<()>,
    holder: tokio::task::JoinHandle<Result<(), DatabaseError>>,
}

pub(crate) async fn lock_todos(service: &Service) -> Locked {
    let (release, released) = std::sync::mpsc::channel();
    let (locked, is_locked) = tokio::sync::oneshot::channel();
    let pool = service.pool.clone();
    let holder = tokio::spawn(async move {
        pool.run_long(move |connection| {
            connection.batch_execute("BEGIN; LOCK TABLE todos")?;
            let _ = locked.send(());
            let _ = released.recv();
            Ok(connection.batch_execute("COMMIT")?)
        })
        .await
    });
    is_locked.await.unwrap();
    Locked { release, holder }
}

impl Locked {
    pub(crate) async fn release(self) {
        drop(self.release);
        self.holder.await.unwrap().unwrap();
    }
}

/// A running server. Stopped when dropped.
pub(crate) struct Service {
    /// Such as `http://127.0.0.1:41234`.
    pub(crate) url: String,
    pub(crate) database_url: String,
    pub(crate) pool: Pool,
    pub(crate) publisher: Arc<TestPublisher>,
    client: Client,
    shutdown: CancellationToken,
    thread: JoinHandle<anyhow::Result<()>>,
}

impl Service {
    /// Starts a server and waits until it is ready.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts a server with `flags` added, and waits until it is ready. It has only the privileges of an API; the test has
    /// those of the owner.
    pub(crate) async fn start_with(flags: &[&str]) -> Self {
        let owner = database();
        let limited = login(&owner, API_ROLE, API_ROLE);
        let service = Self::launch_beside(&config(&limited, flags), pool(&config(&owner, &[])));
        service.wait_until_ready().await;
        service
    }

    /// Starts a server, which may not be ready yet.
    pub(crate) fn launch(config: &Config) -> Self {
        Self::launch_beside(config, pool(config))
    }

    /// Starts a server, which may not be ready yet, beside the connections of the test.
    pub(crate) fn launch_beside(config: &Config, pool: Pool) -> Self {
        let server = Server::bind(config).unwrap();
        let url = format!("http://{}", server.address());
        let publisher = Arc::new(TestPublisher::default());
        let shutdown = CancellationToken::new();
        let thread = {
            let (publisher, shutdown) = (Arc::clone(&publisher), shutdown.clone());
            std::thread::spawn(move || {
                let publisher = async { Some(publisher as Arc<dyn Publisher>) };
                actix_web::rt::System::new().block_on(server.run(publisher, shutdown))
            })
        };
        Self {
            url,
            database_url: config
                .database
                .database_url
                .as_ref()
                .unwrap()
                .expose()
                .to_owned(),
            pool,
            publisher,
            client: Client::new(),
            shutdown,
            thread,
        }
    }

    pub(crate) async fn wait_until_ready(&self) {
        eventually("the server is ready", async || {
            self.get("/readyz").await.status == StatusCode::OK
        })
        .await;
    }

    /// Begins the shutdown, like a signal.
    pub(crate) fn stop(&self) {
        self.shutdown.cancel();
    }

    /// Waits until the server has ended, and returns how.
    pub(crate) async fn ended(&mut self) -> anyhow::Result<()> {
        eventually("the server has ended", async || self.has_ended()).await;
        let thread = std::thread::spawn(|| Ok(()));
        std::mem::replace(&mut self.thread, thread).join().unwrap()
    }

    /// Returns whether the server has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Returns a request to `path`, which may also be a complete URL.
    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}{path}", self.url)
        };
        self.client.request(method, url)
    }

    pub(crate) async fn get(&self, path: &str) -> ApiResponse {
        send(self.request("GET", path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> ApiResponse {
        send(self.request("POST", path).json(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> ApiResponse {
        send(self.request("PUT", path).json(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> ApiResponse {
        send(self.request("DELETE", path)).await
    }

    /// Waits until this number of statements wait for a lock.
    pub(crate) async fn wait_until_blocked(&self, statements: i64) {
        // the measurement of what is stored may wait, too
        let blocked =
            "pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
             AND query NOT LIKE '%pg_total_relation_size%'";
        eventually("statements wait for a lock", async || {
            self.count(blocked).await == statements
        })
        .await;
    }

    /// Returns the number of rows in `table`.
    pub(crate) async fn count(&self, table: &'static str) -> i64 {
        #[derive(diesel::QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            rows: i64,
        }
        let query = move |connection: &mut PgConnection| -> Result<i64, DatabaseError> {
            let sql = format!("SELECT count(*) AS rows FROM {table}");
            Ok(diesel::sql_query(sql).get_result::<Row>(connection)?.rows)
        };
        self.pool.run(query).await.unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// Sends a request. Returns the response with its body, unless that is a stream of events, which may never end.
pub(crate) async fn send_for_status(request: RequestBuilder) -> ApiResponse {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let is_stream = headers
        .get("content-type")
        .is_some_and(|kind| kind == "text/event-stream");
    let bytes = if is_stream {
        Vec::new()
    } else {
        response.bytes().await.unwrap().to_vec()
    };
    ApiResponse {
        status,
        headers,
        bytes,
    }
}

/// A response, read completely.
#[derive(Debug)]
pub(crate) struct ApiResponse {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) async fn send(request: RequestBuilder) -> ApiResponse {
    let response = request.send().await.unwrap();
    ApiResponse {
        status: response.status(),
        headers: response.headers().clone(),
        bytes: response.bytes().await.unwrap().to_vec(),
    }
}

impl ApiResponse {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Returns the problem without its trace, in which all problems differ.
    pub(crate) fn problem(&self) -> Value {
        let mut problem = self.json();
        let trace_id = problem.as_object_mut().unwrap().remove("trace_id");
        assert!(trace_id.is_some(), "{self:?}");
        problem
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Checks that this is a problem with this status and this `error` member.
    #[track_caller]
    pub(crate) fn assert_problem(&self, status: u16, error: &str) {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json")
        );
        let problem = self.json();
        assert_eq!(problem["error"], error);
        assert_eq!(problem["type"], "about:blank");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["title"], self.status.canonical_reason().unwrap());
        assert!(
            problem["detail"]
                .as_str()
                .is_some_and(|detail| !detail.is_empty())
        );
        assert!(self.header("x-request-id").is_some());
    }
}
