//! The system under test: a database, a queue, any number of APIs and workers, and the history of the run.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use local_services::sqs::LocalSqs;
use local_services::testing::{TIMEOUT, within};
use queue_tests::{BrokerQueue, Server};
use tcp_proxy::BrokerProxy;

use crate::client::{self, Client};
use crate::database::Database;
use crate::history::History;
use crate::postgres_proxy::PostgresProxy;
use crate::process::{Process, Proxies, Role};
use crate::queue::Queue;
use crate::sqs_proxy::SqsProxy;

/// The visibility timeout, and the lease of a claim. It is short, so that the messages of a dead worker soon reappear.
pub const VISIBILITY: Duration = Duration::from_secs(2);
/// How long a worker waits for a message at an empty queue.
pub const RECEIVE_WAIT: Duration = Duration::from_secs(1);
/// A job must continue within this time after a fault is over (G5): visibility timeout, lease, one poll, and 5 seconds.
pub const RECOVERY: Duration =
    Duration::from_secs(2 * VISIBILITY.as_secs() + RECEIVE_WAIT.as_secs() + 5);

/// The settings of the processes, unless a run overrides them.
const SETTINGS: [(&str, &str); 11] = [
    ("BIND_ADDR", "127.0.0.1:0"),
    ("ADMIN_ADDR", "127.0.0.1:0"),
    ("LOG_FORMAT", "json"),
    ("RUST_LOG", "info"),
    ("DATABASE_POOL", "9"),
    ("WORKER_CONCURRENCY", "4"),
    ("VISIBILITY_TIMEOUT", "2s"),
    ("RECEIVE_WAIT", "1s"),
    ("DRAIN_TIMEOUT", "10s"),
    ("SWEEP_INTERVAL", "500ms"),
    // Panics are injected, so nobody needs their backtraces.
    ("RUST_BACKTRACE", "0"),
];

/// A database, a queue and the history of a run.
#[derive(Debug, Clone)]
pub struct System {
    executable: PathBuf,
    seed: u64,
    http: reqwest::Client,
    /// The database.
    pub database: Database,
    /// The queue.
    pub queue: Queue,
    /// The requests and the injected faults.
    pub history: Arc<History>,
}

impl System {
    /// Creates a system without processes. Each process will run `executable` with a subcommand.
    ///
    /// # Errors
    /// Returns an error if the HTTP client cannot be created.
    pub fn new(
        executable: PathBuf,
        database: Database,
        queue: Queue,
        seed: u64,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            executable,
            seed,
            http: client::connections()?,
            database,
            queue,
            history: Arc::default(),
        })
    }

    /// Starts a process with its own proxies. `settings` override the default ones.
    ///
    /// # Errors
    /// Returns an error if the process cannot be started.
    pub async fn start(&self, role: Role, settings: &[(&str, &str)]) -> anyhow::Result<Process> {
        self.start_armed(role, settings, |_| ()).await
    }

    async fn start_armed(
        &self,
        role: Role,
        settings: &[(&str, &str)],
        arm: impl FnOnce(&Proxies),
    ) -> anyhow::Result<Process> {
        let database = PostgresProxy::start(self.database.port()?).await?;
        let broker = match &self.queue {
            Queue::Broker(queue) => Some(proxy(queue).await?),
            Queue::Postgres | Queue::Sqs(_) => None,
        };
        let queue_url = self
            .queue
            .url_through(broker.as_ref().map(BrokerProxy::port));
        let mut environment: Vec<(String, String)> = SETTINGS
            .iter()
            .chain(&[("QUEUE_URL", queue_url.as_ref())])
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        environment.push((
            "DATABASE_URL".to_owned(),
            self.database.url_through(database.port())?,
        ));
        let sqs = match &self.queue {
            Queue::Postgres | Queue::Broker(_) => None,
            Queue::Sqs(_) => {
                let upstream = LocalSqs::shared();
                let proxy = SqsProxy::start(upstream.endpoint_url(), self.seed).await?;
                let local = upstream.environment();
                environment.extend(local.map(|(name, value)| (name.to_owned(), value)));
                environment.push(("AWS_ENDPOINT_URL_SQS".to_owned(), proxy.url()));
                Some(proxy)
            }
        };
        environment.extend(
            settings
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        let proxies = Proxies {
            database,
            sqs,
            broker,
        };
        arm(&proxies);
        Process::start(&self.executable, role, &environment, proxies)
    }

    /// Starts a worker, and waits until it is registered. Before that, it claims no job, so a fault would show nothing of it.
    ///
    /// # Errors
    /// Returns an error if the process cannot be started or does not register.
    pub async fn start_worker(&self, settings: &[(&str, &str)]) -> anyhow::Result<Process> {
        let worker = self.start(Role::Worker, settings).await?;
        worker.wait_for_log("\"registered\"").await?;
        Ok(worker)
    }

    /// Starts a worker after `arm` has prepared faults in its proxies, so that they are there before its first call. Does not wait.
    ///
    /// # Errors
    /// Returns an error if the process cannot be started.
    pub async fn start_worker_armed(
        &self,
        settings: &[(&str, &str)],
        arm: impl FnOnce(&Proxies),
    ) -> anyhow::Result<Process> {
        self.start_armed(Role::Worker, settings, arm).await
    }

    /// Starts an API, waits until it is ready, and returns it with a client.
    ///
    /// # Errors
    /// Returns an error if the process cannot be started or does not become ready.
    pub async fn start_api(&self, settings: &[(&str, &str)]) -> anyhow::Result<(Process, Client)> {
        let api = self.start(Role::Api, settings).await?;
        let client = self.client(&api).await?;
        api.wait_for_log("\"ready\"").await?;
        Ok((api, client))
    }

    /// Creates a client of an API.
    ///
    /// # Errors
    /// Returns an error if the API does not listen.
    pub async fn client(&self, api: &Process) -> anyhow::Result<Client> {
        let history = Arc::clone(&self.history);
        Ok(Client::new(self.http.clone(), api.url().await?, history))
    }

    /// Repeats [`drain`](Self::drain) until it succeeds.
    pub async fn drain_whole(&self) {
        // The database may still be starting.
        while self.drain().await.is_err() {}
    }

    /// Waits until every job has ended and the queue is empty.
    ///
    /// # Errors
    /// Returns an error if that takes too long, or if the database or the queue cannot be read.
    pub async fn drain(&self) -> anyhow::Result<()> {
        let drained = within(TIMEOUT, "every job has ended", async || {
            anyhow::Ok((self.database.open_jobs().await? == 0).then_some(()))
        });
        if let Err(error) = drained.await {
            let open = self.database.open_jobs().await?;
            anyhow::bail!("{error}; {open} jobs have not ended");
        }
        self.drain_queue().await
    }

    /// Waits until the queue has no messages.
    ///
    /// # Errors
    /// Returns an error if that takes too long, or if the queue cannot be read.
    pub async fn drain_queue(&self) -> anyhow::Result<()> {
        within(TIMEOUT, "the queue is empty", async || {
            let depth = self.queue.depth().await?;
            anyhow::Ok((depth.all() == 0).then_some(()))
        })
        .await
    }
}

async fn proxy(queue: &BrokerQueue) -> anyhow::Result<BrokerProxy> {
    match queue.server() {
        Server::Local(_) => BrokerProxy::start(queue.port()).await,
        Server::Kafka => BrokerProxy::start_for_kafka(queue.port()).await,
    }
}
