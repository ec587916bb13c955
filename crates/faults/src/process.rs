//! An API or a worker process, with its own proxies to the database and to the queue.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use local_services::child_guard::{ChildGuard, StopPolicy};
use local_services::testing::{TIMEOUT, within};
use nix::sys::signal::Signal;
use serde_json::Value;
use tcp_proxy::BrokerProxy;

use crate::postgres_proxy::PostgresProxy;
use crate::sqs_proxy::SqsProxy;

/// How many lines of the log are kept: all of a test, and few enough for the memory of a long soak.
const KEPT: usize = 20_000;
/// How many lines of the log a failed test prints.
const SHOWN: usize = 25;

/// The kind of process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Accepts jobs and publishes them.
    Api,
    /// Runs jobs.
    Worker,
}

impl Role {
    /// Returns the subcommand of this program that runs this kind of process.
    pub fn subcommand(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Worker => "worker",
        }
    }
}

/// A running process. It is killed when dropped, and when this process ends, however it ends.
#[derive(Debug)]
pub struct Process {
    role: Role,
    child: Mutex<ChildGuard>,
    log: Arc<Mutex<VecDeque<String>>>,
    url: OnceLock<String>,
    /// The proxy in front of the database.
    pub database: PostgresProxy,
    /// The proxy in front of SQS, if the queue is an SQS queue.
    pub sqs: Option<SqsProxy>,
    /// The proxy in front of the broker, if the queue is one of a broker.
    pub broker: Option<BrokerProxy>,
}

/// The proxies of a process.
#[derive(Debug)]
pub struct Proxies {
    /// The one in front of the database.
    pub database: PostgresProxy,
    /// The one in front of SQS, if the queue is an SQS queue.
    pub sqs: Option<SqsProxy>,
    /// The one in front of the broker, if the queue is one of a broker.
    pub broker: Option<BrokerProxy>,
}

impl Process {
    /// Starts `executable` with only these settings in its environment.
    ///
    /// # Errors
    /// Returns an error if the process cannot be started.
    pub fn start(
        executable: &Path,
        role: Role,
        settings: &[(String, String)],
        proxies: Proxies,
    ) -> anyhow::Result<Self> {
        let policy = StopPolicy {
            signal: Signal::SIGKILL,
            grace: Duration::from_secs(5),
            remove: None,
        };
        let (reader, writer) = std::io::pipe()?;
        let mut command = policy.command(executable);
        command
            .arg(role.subcommand())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .stderr(writer);
        let child = policy.spawn(command)?;
        let log = Arc::new(Mutex::new(VecDeque::new()));
        let lines = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in BufReader::new(reader).lines().map_while(Result::ok) {
                let mut lines = lock(&lines);
                if lines.len() == KEPT {
                    lines.pop_front();
                }
                lines.push_back(line);
            }
        });
        Ok(Self {
            role,
            child: Mutex::new(child),
            log,
            url: OnceLock::new(),
            database: proxies.database,
            sqs: proxies.sqs,
            broker: proxies.broker,
        })
    }

    /// Returns the kind of process.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Returns the proxy in front of SQS.
    ///
    /// # Errors
    /// Returns an error if the queue is not an SQS queue.
    pub fn sqs(&self) -> anyhow::Result<&SqsProxy> {
        self.sqs.as_ref().context("this process does not use SQS")
    }

    /// Returns the proxy in front of the broker.
    ///
    /// # Errors
    /// Returns an error if the queue is not one of a broker.
    pub fn broker(&self) -> anyhow::Result<&BrokerProxy> {
        self.broker
            .as_ref()
            .context("this process does not use a broker")
    }

    /// Returns the process id.
    pub fn pid(&self) -> u32 {
        lock(&self.child).pid()
    }

    /// Sends a signal to the process.
    ///
    /// # Errors
    /// Returns an error if the system refuses the signal.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        Ok(lock(&self.child).signal(signal)?)
    }

    /// Kills the process, and waits until it has ended.
    ///
    /// # Errors
    /// Returns an error if the system refuses the signal.
    pub async fn kill(&self) -> anyhow::Result<()> {
        self.signal(Signal::SIGKILL)?;
        self.wait(TIMEOUT).await.map(drop)
    }

    /// Returns the exit status, or `None` while the process runs.
    ///
    /// # Errors
    /// Returns an error if the system cannot report the status.
    pub fn ended(&self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(lock(&self.child).try_wait()?)
    }

    /// Waits until the process has ended, and returns its exit status.
    ///
    /// # Errors
    /// Returns an error if it does not end within `timeout`.
    pub async fn wait(&self, timeout: Duration) -> anyhow::Result<ExitStatus> {
        within(timeout, "the process has ended", async || self.ended()).await
    }

    /// Heals all proxies, so that they forward everything again.
    pub fn heal(&self) {
        self.database.heal();
        if let Some(sqs) = &self.sqs {
            sqs.heal();
        }
        if let Some(broker) = &self.broker {
            broker.heal();
        }
    }

    /// Returns the lines of the log that contain `text`.
    pub fn logged(&self, text: &str) -> Vec<String> {
        let log = lock(&self.log);
        log.iter()
            .filter(|line| line.contains(text))
            .cloned()
            .collect()
    }

    /// Waits for a line of the log that contains `text`, and returns it as JSON.
    ///
    /// # Errors
    /// Returns an error if there is no such line in time, or if the process ends first.
    pub async fn wait_for_log(&self, text: &str) -> anyhow::Result<Value> {
        let line = within(TIMEOUT, &format!("the log contains {text:?}"), async || {
            if let Some(line) = self.logged(text).pop() {
                return Ok(Some(line));
            }
            if let Some(status) = self.ended()? {
                bail!("the process ended with {status} before it logged {text:?}");
            }
            Ok(None)
        })
        .await?;
        Ok(serde_json::from_str(&line)?)
    }

    /// Waits until the process listens, and returns its URL.
    ///
    /// # Errors
    /// Returns an error if it does not listen in time.
    pub async fn url(&self) -> anyhow::Result<String> {
        if let Some(url) = self.url.get() {
            return Ok(url.clone());
        }
        let line = self.wait_for_log(r#""listening""#).await?;
        let address: SocketAddr = line
            .get("http.address")
            .and_then(Value::as_str)
            .with_context(|| format!("{line} has no address"))?
            .parse()?;
        let url = self.url.get_or_init(|| format!("http://{address}"));
        Ok(url.clone())
    }

    /// Returns the value of a counter, summed over all labels. It is 0 if nothing was counted.
    ///
    /// # Errors
    /// Returns an error if the process does not return its metrics.
    pub async fn counter(&self, name: &str) -> anyhow::Result<u64> {
        self.labelled_counter(name, "").await
    }

    /// Returns the value of a counter, summed over the labels that contain `label`, such as `outcome="lost"`. It is 0 if
    /// nothing was counted.
    ///
    /// # Errors
    /// Returns an error if the process does not return its metrics.
    pub async fn labelled_counter(&self, name: &str, label: &str) -> anyhow::Result<u64> {
        let metrics = reqwest::get(format!("{}/metrics", self.url().await?))
            .await?
            .text()
            .await?;
        let value = |line: &str| -> Option<u64> {
            let rest = line.strip_prefix(name)?;
            let is_meant = rest.starts_with([' ', '{']) && rest.contains(label);
            is_meant.then(|| rest.rsplit(' ').next()?.parse().ok())?
        };
        Ok(metrics.lines().filter_map(value).sum())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = lock(&self.log);
            let shown = log.iter().skip(log.len().saturating_sub(SHOWN));
            for line in shown {
                eprintln!("{} {}: {line}", self.role.subcommand(), self.pid());
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
