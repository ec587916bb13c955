//! Local servers of the queues that are not SQS, from programs that are installed. Nothing is downloaded.
//!
//! - `redis`: Redis, or Valkey
//! - `activemq`: ActiveMQ Classic
//! - `rabbitmq`: RabbitMQ, with its port mapper

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::OnceLock;
use std::time::Duration;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::child_guard::{ChildGuard, StopPolicy};
use crate::error::{Error, explain, io_error};
use crate::ports::free_port;
use crate::waiting::wait_until;

mod activemq;
mod rabbitmq;
mod redis;

/// How many times a start is attempted: another process may take the free port before the server does.
const ATTEMPTS: usize = 5;
/// How long the server of an owner that was killed may take to stop.
const LEFTOVER: Duration = Duration::from_secs(20);
/// How many lines of the log an error shows.
const SHOWN: usize = 20;

/// The kinds of servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokerKind {
    /// Redis 6.2 or newer, or Valkey.
    Redis,
    /// ActiveMQ Classic 5, with STOMP.
    ActiveMq,
    /// RabbitMQ 3.8 or newer.
    RabbitMq,
}

impl BrokerKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Redis, Self::ActiveMq, Self::RabbitMq];

    /// Returns the name of the server, which is also part of the names of its folders.
    pub fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::ActiveMq => "activemq",
            Self::RabbitMq => "rabbitmq",
        }
    }

    /// The port that servers of this kind usually listen on.
    fn usual_port(self) -> u16 {
        match self {
            Self::Redis => 6379,
            Self::ActiveMq => 61613,
            Self::RabbitMq => 5672,
        }
    }

    /// How long a server may take to stop after SIGTERM.
    fn grace(self) -> Duration {
        match self {
            Self::Redis => redis::GRACE,
            Self::ActiveMq => activemq::GRACE,
            Self::RabbitMq => rabbitmq::GRACE,
        }
    }

    /// Starts the server and waits until it answers. Returns its processes, the server itself first, or nothing if it
    /// ended before that.
    fn launch(self, setup: &Setup, port: u16) -> Result<Option<Vec<ChildGuard>>, Error> {
        match self {
            Self::Redis => redis::launch(setup, port),
            Self::ActiveMq => activemq::launch(setup, port),
            Self::RabbitMq => rabbitmq::launch(setup, port),
        }
    }

    fn create(self, port: u16, queue: &str) -> Result<(), Error> {
        match self {
            Self::Redis => redis::create(port, queue),
            // It creates a queue when a message is sent to it.
            Self::ActiveMq => Ok(()),
            Self::RabbitMq => rabbitmq::create(port, queue),
        }
    }
}

/// What a server needs for its start.
#[derive(Debug)]
struct Setup {
    /// The folder for its data.
    dir: PathBuf,
    /// Its output. While the server or its owner runs, this file is locked.
    log: File,
    /// Whether the data outlives this process.
    is_kept: bool,
    /// The queues that must exist.
    queues: Vec<String>,
    /// The server's own settings, which replace the usual ones.
    settings: Vec<(String, String)>,
    policy: StopPolicy,
}

impl Setup {
    /// Returns the output for another process of the server.
    fn output(&self) -> Result<File, Error> {
        self.log.try_clone().map_err(io_error("share the log"))
    }
}

/// A queue server on 127.0.0.1. Dropping it stops it.
#[derive(Debug)]
pub struct LocalBroker {
    kind: BrokerKind,
    port: u16,
    // Declared before the folder, because the server writes to it until it is dropped. The server itself comes first.
    processes: Vec<ChildGuard>,
    setup: Setup,
    _folder: Option<TempDir>,
}

impl LocalBroker {
    /// Starts a server that keeps its data in `dir`, on the usual port if that is free, and creates these queues unless
    /// they exist.
    ///
    /// # Errors
    ///
    /// Returns an error if the server is not installed, if another process uses `dir`, or if the server does not start.
    pub fn start(kind: BrokerKind, dir: &Path, queues: &[&str]) -> Result<Self, Error> {
        let dir = fs::create_dir_all(dir)
            .and_then(|()| dir.canonicalize())
            .map_err(io_error(format!("create {}", dir.display())))?;
        Self::open(kind, dir, None, queues, &[])
    }

    /// Returns the server of this test process, in a temporary folder. The first call starts it.
    ///
    /// # Panics
    ///
    /// Panics if the server can't be started. The message says what to do about it.
    #[expect(clippy::panic, reason = "for tests, which can do nothing else")]
    pub fn shared(kind: BrokerKind) -> &'static Self {
        static REDIS: OnceLock<LocalBroker> = OnceLock::new();
        static ACTIVEMQ: OnceLock<LocalBroker> = OnceLock::new();
        static RABBITMQ: OnceLock<LocalBroker> = OnceLock::new();
        let shared = match kind {
            BrokerKind::Redis => &REDIS,
            BrokerKind::ActiveMq => &ACTIVEMQ,
            BrokerKind::RabbitMq => &RABBITMQ,
        };
        shared.get_or_init(|| {
            Self::private(kind, &[]).unwrap_or_else(|error| panic!("{}", explain(&error)))
        })
    }

    /// Starts a server in a temporary folder, for the benchmark, and for a test that stops it or changes its settings.
    /// `settings` are those of the server itself.
    ///
    /// # Errors
    ///
    /// Returns an error if the server is not installed or does not start.
    pub fn private(kind: BrokerKind, settings: &[(&str, &str)]) -> Result<Self, Error> {
        let folder = tempfile::Builder::new()
            .prefix(&format!("{}-", kind.name()))
            .tempdir()
            .map_err(io_error("create a temporary folder"))?;
        Self::open(kind, folder.path().to_owned(), Some(folder), &[], settings)
    }

    fn open(
        kind: BrokerKind,
        dir: PathBuf,
        folder: Option<TempDir>,
        queues: &[&str],
        settings: &[(&str, &str)],
    ) -> Result<Self, Error> {
        let setup = Setup {
            log: locked_log(&dir, kind)?,
            is_kept: folder.is_none(),
            queues: queues.iter().map(ToString::to_string).collect(),
            settings: settings
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect(),
            policy: StopPolicy {
                signal: Signal::SIGTERM,
                grace: kind.grace(),
                remove: folder.as_ref().map(|folder| folder.path().to_owned()),
            },
            dir,
        };
        let mut broker = Self {
            kind,
            port: 0,
            processes: Vec::new(),
            setup,
            _folder: folder,
        };
        // Only the launcher uses the usual port: many test processes may run at the same time.
        let preferred = broker.setup.is_kept.then(|| kind.usual_port());
        for _ in 0..ATTEMPTS {
            let port = free_port(preferred).map_err(io_error("find a free port on 127.0.0.1"))?;
            if broker.try_launch(port)? {
                return Ok(broker);
            }
        }
        Err(broker.failure())
    }

    fn try_launch(&mut self, port: u16) -> Result<bool, Error> {
        self.setup
            .log
            .set_len(0)
            .map_err(io_error(format!("empty the log of {}", self.kind.name())))?;
        let processes = self.kind.launch(&self.setup, port)?;
        let is_running = processes.is_some();
        self.port = port;
        self.processes = processes.unwrap_or_default();
        Ok(is_running)
    }

    /// Returns the server's port on 127.0.0.1, which [`LocalBroker::start_again`] does not change.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the process id of the server, unless it is stopped.
    pub fn pid(&self) -> Option<u32> {
        self.processes.first().map(ChildGuard::pid)
    }

    /// Returns the URL of a queue, with another port of 127.0.0.1 if one is given, for example that of a proxy.
    pub fn url(&self, queue: &str, through: Option<u16>) -> String {
        let port = through.unwrap_or(self.port);
        match self.kind {
            BrokerKind::Redis => format!("redis://127.0.0.1:{port}/{queue}"),
            BrokerKind::ActiveMq => {
                let (user, password) = (activemq::USER, activemq::PASSWORD);
                format!("stomp://{user}:{password}@127.0.0.1:{port}/{queue}")
            }
            BrokerKind::RabbitMq => format!("amqp://127.0.0.1:{port}/{queue}"),
        }
    }

    /// Creates a queue unless it exists.
    ///
    /// # Errors
    ///
    /// Returns an error if the server does not create it.
    pub fn create_queue(&self, queue: &str) -> Result<(), Error> {
        self.kind.create(self.port, queue)
    }

    /// Stops the server: with SIGTERM as usual, or with SIGKILL as a crash would.
    ///
    /// # Errors
    ///
    /// Returns an error if the server can't be signalled or does not end.
    pub fn stop(&mut self, signal: Signal) -> Result<(), Error> {
        for mut process in self.processes.drain(..) {
            process
                .stop_with(signal)
                .map_err(io_error(format!("stop {}", self.kind.name())))?;
        }
        Ok(())
    }

    /// Starts a stopped server again, on the same port and with the same data.
    ///
    /// # Errors
    ///
    /// Returns an error if the server does not start.
    pub fn start_again(&mut self) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            if self.try_launch(self.port)? {
                return Ok(());
            }
        }
        Err(self.failure())
    }

    /// Returns the exit status of a server that ended without being stopped.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.processes.first_mut()?.try_wait().ok().flatten()
    }

    /// Returns the end of the server's log as an error.
    fn failure(&self) -> Error {
        let path = log_path(&self.setup.dir, self.kind);
        let log = fs::read_to_string(&path).unwrap_or_default();
        // Where in Java's code an error was found says nothing to a user.
        let lines: Vec<_> = log
            .lines()
            .filter(|line| !line.starts_with("\tat "))
            .collect();
        let end = lines.get(lines.len().saturating_sub(SHOWN)..);
        Error::Failed(format!(
            "{} did not start; its log {} ends with:\n{}",
            self.kind.name(),
            path.display(),
            end.unwrap_or_default().join("\n")
        ))
    }
}

/// Opens the log and locks it. The server inherits the lock, so that nobody else uses the folder until both the server
/// and its owner have ended.
fn locked_log(dir: &Path, kind: BrokerKind) -> Result<File, Error> {
    let path = log_path(dir, kind);
    // The server and this process append at the end, wherever that is after the log was emptied.
    let log = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(io_error(format!("open {}", path.display())))?;
    let locked = wait_until(LEFTOVER, || match log.try_lock() {
        Ok(()) => Ok(Some(())),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(io_error(format!("lock {}", path.display()))(error)),
    })?;
    if locked.is_some() {
        return Ok(log);
    }
    Err(Error::Failed(format!(
        "{} is in use by another process: stop it, or choose another data folder",
        dir.display()
    )))
}

fn log_path(dir: &Path, kind: BrokerKind) -> PathBuf {
    dir.join(format!("{}.log", kind.name()))
}
