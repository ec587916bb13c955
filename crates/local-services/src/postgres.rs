//! A private PostgreSQL cluster: finds or downloads the programs, initialises the files, starts and stops the server.
//!
//! The server listens on 127.0.0.1 only and requires a random password (scram). PostgreSQL refuses to run as root, so a
//! process that runs as root starts it as an unprivileged user.

use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::child_guard::{ChildGuard, StopPolicy};
use crate::error::{Error, io_error};
use crate::ports::free_port;
use crate::waiting::wait_until;

mod account;
mod download;
mod home;
mod initdb;
mod installation;
mod lock;
mod server;

use home::Home;
use installation::Installation;

/// The name of the superuser and of the database.
const NAME: &str = "taskoverflow";

/// PostgreSQL's "fast" shutdown: disconnects the clients and writes everything to disk.
const FAST: Signal = Signal::SIGINT;
/// PostgreSQL's "immediate" shutdown: writes nothing, and the next start recovers.
const IMMEDIATE: Signal = Signal::SIGQUIT;
/// How long a shutdown may take. A fast one writes all dirty pages, which takes long on a slow disk.
const SHUTDOWN: Duration = Duration::from_secs(30);
/// How long a start is repeated while its port or its shared memory is still in use.
const START: Duration = Duration::from_secs(10);

/// Settings of a cluster whose data may be lost: it never waits for the disk, and has connections for many tests.
const EPHEMERAL: [(&str, &str); 5] = [
    ("fsync", "off"),
    ("synchronous_commit", "off"),
    ("full_page_writes", "off"),
    ("autovacuum", "off"),
    ("max_connections", "200"),
];

/// A private PostgreSQL cluster. Dropping it stops the server.
#[derive(Debug)]
pub struct Cluster {
    // Declared before `home`, so that the server stops before its folder is removed or unlocked.
    server: Option<ChildGuard>,
    home: Home,
    installation: Installation,
    policy: StopPolicy,
    options: Vec<String>,
    password: String,
    port: u16,
}

impl Cluster {
    /// Starts the cluster stored under `data_dir`. The first start creates it. `options` are server settings
    /// (`postgres -c name=value`).
    ///
    /// # Errors
    ///
    /// Returns an error if PostgreSQL is not installed and cannot be downloaded, if another process uses `data_dir`, or
    /// if the server does not start.
    pub fn start(data_dir: &Path, options: &[(&str, &str)]) -> Result<Self, Error> {
        let home = Home::kept(data_dir)?;
        let installation = match home.major()? {
            Some(major) => Installation::find_major(major, &home.data(), home.account())?,
            None => Installation::find(home.account())?,
        };
        Self::kept(home, installation, options)
    }

    fn kept(
        home: Home,
        installation: Installation,
        options: &[(&str, &str)],
    ) -> Result<Self, Error> {
        let policy = StopPolicy {
            signal: FAST,
            grace: SHUTDOWN,
            remove: None,
        };
        Self::open(home, installation, policy, options)
    }

    /// Starts a cluster that never waits for the disk, in a temporary folder. The server and the folder are removed
    /// when this process ends, however it ends.
    ///
    /// # Errors
    ///
    /// Returns an error if PostgreSQL is not installed and cannot be downloaded, or if the server does not start.
    pub fn ephemeral() -> Result<Self, Error> {
        let home = Home::temporary()?;
        let policy = StopPolicy {
            signal: IMMEDIATE,
            grace: SHUTDOWN,
            remove: Some(home.dir().to_owned()),
        };
        let installation = Installation::find(home.account())?;
        Self::open(home, installation, policy, &EPHEMERAL)
    }

    fn open(
        home: Home,
        installation: Installation,
        policy: StopPolicy,
        options: &[(&str, &str)],
    ) -> Result<Self, Error> {
        initdb::ensure(&installation, &home).map_err(|error| installation.explain(error))?;
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

    /// Starts the server. Repeats the start while it fails for a temporary reason.
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
        });
        let server = started
            .and_then(|server| server.ok_or_else(|| server::failure(&self.home)))
            .map_err(|error| self.installation.explain(error))?;
        self.server = Some(server);
        Ok(())
    }

    /// Returns the URL of the database: `postgres://taskoverflow:<password>@127.0.0.1:<port>/taskoverflow`.
    pub fn url(&self) -> String {
        self.url_of(NAME)
    }

    /// Returns the URL of another database of the cluster.
    pub fn url_of(&self, database: &str) -> String {
        let Self { password, port, .. } = self;
        format!("postgres://{NAME}:{password}@127.0.0.1:{port}/{database}")
    }

    /// Returns the server's port on 127.0.0.1. [`Cluster::restart`] does not change it.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the server's process id, or `None` while it is stopped.
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(ChildGuard::pid)
    }

    /// Returns the exit status of a server that ended without being stopped.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.server.as_mut()?.try_wait().ok().flatten()
    }

    /// Runs one SQL statement as superuser, with `psql`. Returns one line for each row, with `|` between the columns.
    ///
    /// # Errors
    ///
    /// Returns an error if `psql` is missing, or if PostgreSQL rejects the statement; the error contains its message.
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

    /// Shuts the server down cleanly. Open connections are closed.
    ///
    /// # Errors
    ///
    /// Returns an error if the server cannot be signalled or does not end.
    pub fn stop(&mut self) -> Result<(), Error> {
        self.stop_with(FAST)
    }

    /// Stops the server as a crash would. It recovers at the next start.
    ///
    /// # Errors
    ///
    /// Returns an error if the server cannot be signalled or does not end.
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

    /// Starts a stopped server again, on the same port.
    ///
    /// # Errors
    ///
    /// Returns an error if the server does not start.
    pub fn start_again(&mut self) -> Result<(), Error> {
        let port = self.port;
        self.launch(|| Ok(port))
    }

    /// Shuts the server down cleanly and starts it again, on the same port.
    ///
    /// # Errors
    ///
    /// Returns an error if the server does not stop or does not start.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.stop()?;
        self.start_again()
    }
}
