//! What is measured: PostgreSQL with durable settings, the queue, the APIs and the workers.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use local_services::postgres::Cluster;
use tempfile::TempDir;

mod broker;
mod database;
#[cfg(feature = "kafka")]
mod kafka;
mod process;
mod queue;

pub use broker::Broker;
pub use database::{POSTGRES, connect, connect_to, insert_todos};
pub use process::{Process, free_address};
pub use queue::{Queue, SqsQueue};

use crate::http::Connection;
use crate::options::{Setting, SystemOptions};

/// How long the APIs may take to send what they have accepted.
const PATIENCE: Duration = Duration::from_mins(5);
const PAUSE: Duration = Duration::from_millis(100);

/// A running system. Dropping it stops everything.
#[derive(Debug)]
pub struct System {
    // Processes are declared before what they use, so that they stop before it.
    /// The workers.
    pub workers: Vec<Process>,
    /// The APIs.
    pub apis: Vec<Process>,
    executable: PathBuf,
    settings: Vec<(String, String)>,
    options: SystemOptions,
    /// The queue, unless the table of jobs is the queue.
    pub queue: Option<Queue>,
    /// The database server.
    pub cluster: Cluster,
    _data: TempDir,
}

impl System {
    /// Starts PostgreSQL, the queue and the APIs, stores the todos, and waits until the APIs are ready. No worker runs
    /// yet.
    ///
    /// # Errors
    /// Returns an error if anything does not start.
    pub async fn start(executable: &Path, options: &SystemOptions) -> anyhow::Result<Self> {
        let data = tempfile::Builder::new().prefix("bench-").tempdir()?;
        let folder = data.path().to_owned();
        let start = move || Cluster::start(&folder, &POSTGRES);
        let cluster = tokio::task::spawn_blocking(start).await??;
        let mut settings = vec![
            ("DATABASE_URL".to_owned(), cluster.url()),
            ("RUST_LOG".to_owned(), "warn".to_owned()),
        ];
        let queue = Queue::start(executable, options).await?;
        settings.extend(match &queue {
            Some(queue) => queue.settings(),
            None => vec![("QUEUE_URL".to_owned(), "postgres:".to_owned())],
        });
        let mut system = Self {
            workers: Vec::new(),
            apis: Vec::new(),
            executable: executable.to_owned(),
            settings,
            options: options.clone(),
            queue,
            cluster,
            _data: data,
        };
        for _ in 0..options.apis.get() {
            let api = system.process("api", "BIND_ADDR", &options.api).await?;
            system.apis.push(api);
        }
        database::prepare(&system.cluster, options.todos)?;
        Ok(system)
    }

    /// Returns where the APIs listen.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.apis.iter().map(|api| api.address).collect()
    }

    /// Starts the workers and waits until they are ready.
    ///
    /// # Errors
    /// Returns an error if they do not start.
    pub async fn start_workers(&mut self) -> anyhow::Result<()> {
        for _ in 0..self.options.workers.get() {
            let settings = &self.options.worker;
            let worker = self.process("worker", "ADMIN_ADDR", settings).await?;
            self.workers.push(worker);
        }
        Ok(())
    }

    /// Stops the workers and the APIs, and waits until they have ended. PostgreSQL keeps running.
    ///
    /// # Errors
    /// Returns an error if one of them cannot be stopped.
    pub async fn stop_processes(&mut self) -> anyhow::Result<()> {
        for process in self.workers.drain(..).chain(self.apis.drain(..)) {
            process.stop().await?;
        }
        Ok(())
    }

    async fn process(
        &self,
        subcommand: &str,
        address_variable: &str,
        own: &[Setting],
    ) -> anyhow::Result<Process> {
        let mut settings = self.settings.clone();
        settings.extend(
            own.iter()
                .map(|Setting(name, value)| (name.clone(), value.clone())),
        );
        let address = process::free_address()?;
        settings.push((address_variable.to_owned(), address.to_string()));
        let process = Process::start(&self.executable, &[subcommand], &settings, address)?;
        process.wait_until_ready("/readyz").await?;
        Ok(process)
    }

    /// Waits until the queue has got the messages of this many jobs since the system was started.
    ///
    /// # Errors
    /// Returns an error if that takes longer than five minutes.
    pub async fn wait_until_sent(&self, jobs: u64) -> anyhow::Result<()> {
        let start = Instant::now();
        loop {
            let sent = match &self.queue {
                // Nothing is sent.
                None => return Ok(()),
                Some(Queue::Sqs(queue)) => queue.messages().await?,
                Some(_) => sum(&self.apis, "outbox_published_total ").await?,
            };
            if sent >= jobs {
                return Ok(());
            }
            anyhow::ensure!(
                start.elapsed() < PATIENCE,
                "only {sent} of {jobs} messages are in the queue after {PATIENCE:?}"
            );
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Returns how many jobs the workers have completed since they started.
    ///
    /// # Errors
    /// Returns an error if a worker does not return its metrics.
    pub async fn completed(&self) -> anyhow::Result<u64> {
        sum(
            &self.workers,
            "worker_deliveries_total{outcome=\"succeeded\"} ",
        )
        .await
    }
}

/// Returns the sum of a counter over processes. `counter` is what precedes its value.
async fn sum(processes: &[Process], counter: &str) -> anyhow::Result<u64> {
    let mut sum = 0;
    for process in processes {
        let mut connection = Connection::open(process.address).await?;
        let metrics = connection.get("/metrics").await?;
        let metrics = String::from_utf8_lossy(metrics.body).into_owned();
        let value = metrics.lines().find_map(|line| line.strip_prefix(counter));
        sum += value.map_or(Ok(0), str::parse)?;
    }
    Ok(sum)
}
