//! A private PostgreSQL: found, initialised, started, stopped.
//!
//! It listens on 127.0.0.1 only and asks for a random password (scram). As root, which PostgreSQL
//! refuses, it runs as an unprivileged user.

use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::child_guard::{ChildGuard, StopPolicy};
use crate::error::{Error, io_error};
use crate::ports::free_port;
use crate::waiting::wait_until;

mod account;
mod home;
mod initdb;
mod installation;
mod lock;
mod server;

pub use installation::Installation;

use home::Home;

/// The superuser and the database.
const NAME: &str = "taskoverflow";

/// A shutdown that waits for no client but writes what it has (PostgreSQL's "fast").
const FAST: Signal = Signal::SIGINT;
/// A shutdown that writes nothing; the next start recovers (PostgreSQL's "immediate").
const IMMEDIATE: Signal = Signal::SIGQUIT;
/// A fast shutdown writes all dirty pages, which a slow disk needs time for.
const SHUTDOWN: Duration = Duration::from_secs(30);
/// How long a start is tried again when its port or its shared memory is still taken.
const START: Duration = Duration::from_secs(10);

/// For a cluster nobody will miss: nothing waits for the disk, and many tests connect at once.
const EPHEMERAL: [(&str, &str); 5] = [
    ("fsync", "off"),
    ("synchronous_commit", "off"),
    ("full_page_writes", "off"),
    ("autovacuum", "off"),
    ("max_connections", "200"),
];

/// A PostgreSQL of our own; dropping it stops it.
#[derive(Debug)]
pub struct Cluster {
    // Before `home`: the server stops before its folder goes or is free for others.
    server: Option<ChildGuard>,
    home: Home,
    installation: Installation,
    policy: StopPolicy,
    options: Vec<String>,
    password: String,
    port: u16,
}

impl Cluster {
    /// Starts the cluster kept under `data_dir`, which is created at the first start. `options` are
    /// server settings (`postgres -c name=value`).
    ///
    /// # Errors
    ///
    /// When PostgreSQL is not installed, another process uses `data_dir`, or the server does not start.
    pub fn start(data_dir: &Path, options: &[(&str, &str)]) -> Result<Self, Error> {
        let home = Home::kept(data_dir)?;
        let installation = match home.major()? {
            Some(major) => Installation::find_major(major, &home.data())?,
            None => Installation::find()?,
        };
        let policy = StopPolicy {
            signal: FAST,
            grace: SHUTDOWN,
            remove: None,
        };
        Self::open(home, installation, policy, options)
    }

    /// Starts a cluster in a temporary folder, fast and without a care for the disk. It goes away with
    /// this process, however that ends.
    ///
    /// # Errors
    ///
    /// When PostgreSQL is not installed, or the server does not start.
    pub fn ephemeral() -> Result<Self, Error> {
        let home = Home::temporary()?;
        let policy = StopPolicy {
            signal: IMMEDIATE,
            grace: SHUTDOWN,
            remove: Some(home.dir().to_owned()),
        };
        Self::open(home, Installation::find()?, policy, &EPHEMERAL)
    }

    fn open(
        home: Home,
        installation: Installation,
        policy: StopPolicy,
        options: &[(&str, &str)],
    ) -> Result<Self, Error> {
        initdb::ensure(&installation, &home)?;
        let mut cluster = Self {
            server: None,
            password: home.password()?,
            port: 0,
            options: options
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
            home,
            installation,
            policy,
        };
        let preferred = cluster.home.last_port();
        cluster
            .launch(|| free_port(preferred).map_err(io_error("find a free port on 127.0.0.1")))?;
        cluster.home.remember_port(cluster.port)?;
        Ok(cluster)
    }

    /// Starts the server, again as long as it fails for a reason that may pass.
    fn launch(&mut self, choose_port: impl Fn() -> Result<u16, Error>) -> Result<(), Error> {
        let started = wait_until(START, || {
            self.port = choose_port()?;
            server::start(
                &self.installation,
                &self.home,
                &self.policy,
                &self.options,
                self.port,
            )
        })?;
        match started {
            Some(server) => self.server = Some(server),
            None => return Err(server::failure(&self.home)),
        }
        Ok(())
    }

    /// Where clients connect: `postgres://taskoverflow:<password>@127.0.0.1:<port>/taskoverflow`.
    pub fn url(&self) -> String {
        self.url_of(NAME)
    }

    /// The same for another database of the cluster.
    pub fn url_of(&self, database: &str) -> String {
        let Self { password, port, .. } = self;
        format!("postgres://{NAME}:{password}@127.0.0.1:{port}/{database}")
    }

    /// The port on 127.0.0.1; the same after [`Cluster::restart`].
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server's process id; `None` while it is stopped.
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(ChildGuard::pid)
    }

    /// How the server ended, if it did so by itself.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.server.as_mut()?.try_wait().ok().flatten()
    }

    /// Runs one SQL statement as superuser, with `psql`, and gives its rows, one a line, their columns
    /// separated by `|`.
    ///
    /// # Errors
    ///
    /// When `psql` is missing or PostgreSQL rejects the statement; the message is PostgreSQL's.
    pub fn execute(&self, database: &str, sql: &str) -> Result<String, Error> {
        let output = Command::new(self.installation.program("psql")?)
            .args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only"])
            .args(["--host=127.0.0.1", "--username", NAME, "--dbname", database])
            .arg(format!("--port={}", self.port))
            .args(["--command", sql])
            .env("PGPASSWORD", &self.password)
            .output()
            .map_err(io_error("run psql"))?;
        if !output.status.success() {
            let reason = String::from_utf8_lossy(&output.stderr);
            return Err(Error::Failed(format!("{}: {sql}", reason.trim_end())));
        }
        Ok(String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned())
    }

    /// Stops the server in good order. Open connections are cut.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn stop(&mut self) -> Result<(), Error> {
        self.stop_with(FAST)
    }

    /// Stops the server as a crash would; it recovers at the next start.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn stop_immediately(&mut self) -> Result<(), Error> {
        self.stop_with(IMMEDIATE)
    }

    fn stop_with(&mut self, signal: Signal) -> Result<(), Error> {
        if let Some(mut server) = self.server.take() {
            server
                .stop_with(signal)
                .map_err(io_error("stop PostgreSQL"))?;
        }
        Ok(())
    }

    /// Starts a stopped server again, on its old port.
    ///
    /// # Errors
    ///
    /// When the server does not start.
    pub fn start_again(&mut self) -> Result<(), Error> {
        let port = self.port;
        self.launch(|| Ok(port))
    }

    /// Stops the server in good order and starts it again, on its old port.
    ///
    /// # Errors
    ///
    /// When the server does not start.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.stop()?;
        self.start_again()
    }
}
