//! The API and a worker, as processes with a database of their own.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use local_services::child_guard::{ChildGuard, StopPolicy};
use local_services::testing::{empty_database, eventually};
use nix::sys::signal::Signal;
use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::{needed, target};

/// A running API and worker. Dropping it stops them.
pub(crate) struct Service {
    /// For example `http://localhost:41234`.
    pub(crate) url: String,
    port: u16,
    database: String,
    api_flags: Vec<&'static str>,
    worker_flags: Vec<&'static str>,
    api: Option<ChildGuard>,
    worker: Option<ChildGuard>,
    client: Client,
    /// What [`call`](Self::call) sends, if the API needs tokens.
    token: Option<String>,
}

impl Service {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[], &[]).await
    }

    pub(crate) async fn start_with(
        api_flags: &[&'static str],
        worker_flags: &[&'static str],
    ) -> Self {
        let port = local_services::free_port(None).unwrap();
        let mut service = Self {
            // service workers need a secure context, which localhost is
            url: format!("http://localhost:{port}"),
            port,
            database: empty_database(),
            api_flags: api_flags.to_vec(),
            worker_flags: worker_flags.to_vec(),
            api: None,
            worker: None,
            client: Client::new(),
            token: None,
        };
        service.start_api().await;
        service.start_worker();
        service
    }

    /// Starts a service whose clients need tokens.
    pub(crate) async fn start_with_tokens() -> Self {
        let mut service = Self::start_with(&["--auth=tokens"], &[]).await;
        service.token = Some(service.new_token("tests"));
        service
    }

    /// Creates a token and returns it.
    pub(crate) fn new_token(&self, name: &str) -> String {
        self.tokens(&["create", name]).trim().to_owned()
    }

    /// Creates a token for the calls of operators and returns it.
    pub(crate) fn new_operator_token(&self, name: &str) -> String {
        self.tokens(&["create", "--operator", name])
            .trim()
            .to_owned()
    }

    /// Revokes a token.
    pub(crate) fn revoke(&self, name: &str) {
        self.tokens(&["revoke", name]);
    }

    fn tokens(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(program("taskoverflow-api"));
        command
            .args(["tokens", "--database-url", &self.database])
            .args(arguments);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Starts the API, always at the same address, and waits until it is ready.
    pub(crate) async fn start_api(&mut self) {
        let address = format!("--bind-addr=127.0.0.1:{}", self.port);
        self.api = Some(self.spawn("api", &address, &self.api_flags));
        let ready = format!("{}/readyz", self.url);
        eventually("the API is ready", async || {
            let response = self.client.get(&ready).send().await;
            response.is_ok_and(|response| response.status() == 200)
        })
        .await;
    }

    pub(crate) fn start_worker(&mut self) {
        self.worker = Some(self.spawn("worker", "--admin-addr=127.0.0.1:0", &self.worker_flags));
    }

    /// Replaces the worker by one with other flags.
    pub(crate) fn restart_worker(&mut self, flags: &[&'static str]) {
        self.stop_worker();
        self.worker_flags = flags.to_vec();
        self.start_worker();
    }

    /// Kills the API, in the middle of whatever it does.
    pub(crate) fn stop_api(&mut self) {
        let mut api = self.api.take().unwrap();
        api.stop_with(Signal::SIGKILL).unwrap();
    }

    /// Stops the worker, so that jobs stay queued.
    pub(crate) fn stop_worker(&mut self) {
        self.worker = None;
    }

    fn spawn(&self, role: &str, address: &str, flags: &[&str]) -> ChildGuard {
        let policy = StopPolicy {
            signal: Signal::SIGKILL,
            grace: Duration::from_secs(5),
            remove: None,
        };
        let mut command: Command = policy.command(program("taskoverflow"));
        command
            .args([role, address, "--queue-url=postgres:"])
            .args(["--database-url", &self.database])
            .args(flags)
            .env("RUST_LOG", "error")
            .stdout(Stdio::null());
        policy.spawn(command).unwrap()
    }

    /// Sends a request to the API without the page.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self
            .client
            .request(method, format!("{}/api/v1/{path}", self.url));
        if let Some(body) = body {
            request = request.json(&body);
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.unwrap();
        assert!(response.status().is_success(), "{response:?}");
        let bytes = response.bytes().await.unwrap();
        serde_json::from_slice(&bytes).unwrap_or(Value::Null)
    }

    /// Adds a todo, and returns its id.
    pub(crate) async fn add(&self, todo: Value) -> i64 {
        self.call("POST", "todos", Some(todo)).await["id"]
            .as_i64()
            .unwrap()
    }

    /// Adds todos with these titles, the newest last.
    pub(crate) async fn add_titles(&self, titles: &[&str]) {
        for title in titles {
            self.add(json!({ "title": title })).await;
        }
    }

    /// Returns all todos, newest first.
    pub(crate) async fn todos(&self) -> Vec<Value> {
        let todos = self.call("GET", "todos", None).await;
        todos.as_array().unwrap().clone()
    }

    /// Returns the titles of all todos, newest first.
    pub(crate) async fn titles(&self) -> Vec<String> {
        let todos = self.todos().await;
        let titles = todos.iter().map(|todo| todo["title"].as_str().unwrap());
        titles.map(ToOwned::to_owned).collect()
    }

    /// Adds this many todos, `Todo 0` first, and returns their titles.
    pub(crate) async fn add_numbered(&self, count: usize) -> Vec<String> {
        let titles: Vec<String> = (0..count).map(|number| format!("Todo {number}")).collect();
        for title in &titles {
            self.add(json!({ "title": title })).await;
        }
        titles
    }

    /// Waits until the todos have these titles, newest first.
    pub(crate) async fn until_titles(&self, titles: &[&str]) {
        let what = format!("the server has the titles {titles:?}");
        eventually(&what, async || self.titles().await == titles).await;
    }

    /// Waits until as many todos as this are completed, and returns all todos, newest first.
    pub(crate) async fn until_completed(&self, count: usize) -> Vec<Value> {
        let mut todos = Vec::new();
        eventually(&format!("{count} todos are completed"), async || {
            todos = self.todos().await;
            let completed = todos.iter().filter(|todo| todo["completed"] == true);
            completed.count() == count
        })
        .await;
        todos
    }
}

/// Returns the path of one of our programs.
fn program(name: &str) -> PathBuf {
    let debug = std::env::current_exe().unwrap();
    let debug = debug.ancestors().nth(2).unwrap();
    debug.strip_prefix(target()).unwrap();
    needed(debug.join(name), &format!("run cargo build -p {name}"))
}
