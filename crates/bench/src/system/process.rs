//! A process that is measured.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::bail;
use local_services::child_guard::{ChildGuard, StopPolicy};
use nix::sys::signal::Signal;

use crate::http::Connection;

/// How long a process may take to become ready, or to stop.
const PATIENCE: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(20);

/// A process. Dropping it stops it.
#[derive(Debug)]
pub struct Process {
    child: ChildGuard,
    /// Where it listens.
    pub address: SocketAddr,
}

/// Returns an address on 127.0.0.1 with a port that is free.
///
/// # Errors
/// Returns an error if no port is free.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    let port = local_services::free_port(None)?;
    Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

impl Process {
    /// Starts a program with only these settings in its environment. It has to listen on `address`.
    ///
    /// # Errors
    /// Returns an error if no process can be started.
    pub fn start(
        program: &Path,
        arguments: &[&str],
        settings: &[(String, String)],
        address: SocketAddr,
    ) -> anyhow::Result<Self> {
        let policy = StopPolicy {
            signal: Signal::SIGTERM,
            grace: PATIENCE,
            remove: None,
        };
        let mut command = policy.command(program);
        command
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(settings.iter().map(|(name, value)| (name, value)));
        Ok(Self {
            child: policy.spawn(command)?,
            address,
        })
    }

    /// Returns its process id.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Waits until it answers `GET path` with 200.
    ///
    /// # Errors
    /// Returns an error if it takes longer than a minute.
    pub async fn wait_until_ready(&self, path: &str) -> anyhow::Result<()> {
        let start = Instant::now();
        while !self.answers(path).await {
            if start.elapsed() > PATIENCE {
                bail!("{}{path} is not ready after {PATIENCE:?}", self.address);
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    async fn answers(&self, path: &str) -> bool {
        let Ok(mut connection) = Connection::open(self.address).await else {
            return false;
        };
        connection
            .get(path)
            .await
            .is_ok_and(|response| response.status == 200)
    }

    /// Stops it and waits until it has ended.
    ///
    /// # Errors
    /// Returns an error if it cannot be stopped.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        tokio::task::spawn_blocking(move || self.child.stop()).await??;
        Ok(())
    }
}
