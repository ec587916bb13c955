//! An API or a worker as a process of its own, with its own way to the database and to SQS.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use local_services::child_guard::{ChildGuard, StopPolicy};
use local_services::testing::{TIMEOUT, within};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::sqs_proxy::SqsProxy;
use crate::tcp_proxy::TcpProxy;

/// Lines of the log that a failed test shows.
const SHOWN: usize = 25;

/// Which half of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Takes requests, and publishes jobs.
    Api,
    /// Takes jobs.
    Worker,
}

impl Role {
    /// The subcommand of our own binary that is this process.
    pub fn subcommand(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Worker => "worker",
        }
    }
}

/// A running process. Killed when dropped; does not outlive us, however we end.
#[derive(Debug)]
pub struct Process {
    role: Role,
    child: Mutex<ChildGuard>,
    log: Arc<Mutex<Vec<String>>>,
    /// Its way to the database.
    pub database: TcpProxy,
    /// Its way to SQS.
    pub sqs: Option<SqsProxy>,
}

impl Process {
    /// Starts `executable` with nothing but these settings in its environment.
    ///
    /// # Errors
    /// When no process can be started.
    pub fn start(
        executable: &Path,
        role: Role,
        settings: &[(String, String)],
        database: TcpProxy,
        sqs: Option<SqsProxy>,
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
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in BufReader::new(reader).lines().map_while(Result::ok) {
                lock(&lines).push(line);
            }
        });
        Ok(Self {
            role,
            child: Mutex::new(child),
            log,
            database,
            sqs,
        })
    }

    /// Which half it is.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Its way to SQS.
    ///
    /// # Errors
    /// When its queue is another one.
    pub fn sqs(&self) -> anyhow::Result<&SqsProxy> {
        self.sqs.as_ref().context("this process has no SQS queue")
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        lock(&self.child).pid()
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        Ok(lock(&self.child).signal(signal)?)
    }

    /// Kills it, and waits until it is gone.
    ///
    /// # Errors
    /// When the system refuses.
    pub async fn kill(&self) -> anyhow::Result<()> {
        self.signal(Signal::SIGKILL)?;
        self.wait(TIMEOUT).await.map(drop)
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// When the system can't tell.
    pub fn ended(&self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(lock(&self.child).try_wait()?)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn wait(&self, bound: Duration) -> anyhow::Result<ExitStatus> {
        within(bound, "the process ends", async || self.ended()).await
    }

    /// Lets everything through to the database and to SQS.
    pub fn heal(&self) {
        self.database.heal();
        if let Some(sqs) = &self.sqs {
            sqs.heal();
        }
    }

    /// The lines of its log that have this text.
    pub fn logged(&self, text: &str) -> Vec<String> {
        let log = lock(&self.log);
        log.iter()
            .filter(|line| line.contains(text))
            .cloned()
            .collect()
    }

    /// Waits for a line of its log.
    ///
    /// # Errors
    /// When there is none in time.
    pub async fn wait_for_log(&self, text: &str) -> anyhow::Result<Value> {
        let line = within(TIMEOUT, &format!("the log has {text:?}"), async || {
            if let Some(line) = self.logged(text).pop() {
                return Ok(Some(line));
            }
            if let Some(status) = self.ended()? {
                bail!("the process ended with {status} and never said {text:?}");
            }
            Ok(None)
        })
        .await?;
        Ok(serde_json::from_str(&line)?)
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn url(&self) -> anyhow::Result<String> {
        let line = self.wait_for_log(r#""listening""#).await?;
        let address: SocketAddr = line
            .get("http.address")
            .and_then(Value::as_str)
            .with_context(|| format!("{line} has no address"))?
            .parse()?;
        Ok(format!("http://{address}"))
    }

    /// The sum of a counter's values over all labels; 0 when it was never counted.
    ///
    /// # Errors
    /// When the process does not answer.
    pub async fn counter(&self, name: &str) -> anyhow::Result<u64> {
        let metrics = reqwest::get(format!("{}/metrics", self.url().await?))
            .await?
            .text()
            .await?;
        let value = |line: &str| -> Option<u64> {
            let rest = line.strip_prefix(name)?;
            let is_it = rest.starts_with([' ', '{']);
            is_it.then(|| rest.rsplit(' ').next()?.parse().ok())?
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
