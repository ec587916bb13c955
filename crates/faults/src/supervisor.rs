//! Restarts a process whenever it ends, as an orchestrator does.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use local_services::testing::TIMEOUT;
use nix::sys::signal::Signal;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::client::Client;
use crate::process::{Process, Role};
use crate::system::System;

/// How often the supervisor checks whether the process still runs.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A process that is restarted whenever it ends.
#[derive(Debug)]
pub struct Supervised {
    role: Role,
    current: watch::Receiver<Option<Arc<Process>>>,
    stopping: CancellationToken,
    task: AbortOnDropHandle<anyhow::Result<()>>,
}

impl Supervised {
    /// Starts a process and its supervision.
    pub fn start(system: System, role: Role, settings: Vec<(&'static str, String)>) -> Self {
        let (sender, current) = watch::channel(None);
        let stopping = CancellationToken::new();
        let task = supervise(system, role, settings, sender, stopping.clone());
        Self {
            role,
            current,
            stopping,
            task: AbortOnDropHandle::new(tokio::spawn(task)),
        }
    }

    /// Returns the current process. If it has ended, this waits for the next one.
    ///
    /// # Errors
    /// Returns an error if no process is started.
    pub async fn process(&self) -> anyhow::Result<Arc<Process>> {
        let mut current = self.current.clone();
        let started = tokio::time::timeout(TIMEOUT, current.wait_for(Option::is_some)).await;
        let process = started.context("the process was not restarted")??;
        process.clone().context("no process")
    }

    /// Creates a client of the current process.
    ///
    /// # Errors
    /// Returns an error if the process is not an API, or does not listen.
    pub async fn client(&self, system: &System) -> anyhow::Result<Client> {
        system.client(self.process().await?.as_ref()).await
    }

    /// Sends SIGTERM to the process, and does not restart it.
    ///
    /// # Errors
    /// Returns an error if the process does not exit with 0 within `timeout`.
    pub async fn stop(self, timeout: Duration) -> anyhow::Result<()> {
        let process = self.process().await?;
        self.stopping.cancel();
        // A process that has just been started does not handle the signal yet.
        process.url().await?;
        process.signal(Signal::SIGTERM)?;
        let status = process.wait(timeout).await?;
        anyhow::ensure!(
            status.success(),
            "the {} ended with {status}",
            self.role.subcommand()
        );
        self.task.await?
    }
}

/// Returns the kind of fault if the process ended because of poison. The soak records it like an injected fault.
fn fault_of(status: ExitStatus) -> Option<&'static str> {
    if status.signal() == Some(Signal::SIGABRT as i32) {
        return Some("worker died of poison");
    }
    let failed = status.code().is_some_and(|code| code != 0);
    failed.then_some("process exited with an error")
}

async fn supervise(
    system: System,
    role: Role,
    settings: Vec<(&'static str, String)>,
    current: watch::Sender<Option<Arc<Process>>>,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let settings: Vec<(&str, &str)> = settings
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    while !stopping.is_cancelled() {
        let process = Arc::new(system.start(role, &settings).await?);
        current.send_replace(Some(Arc::clone(&process)));
        let status = loop {
            match process.ended()? {
                Some(status) => break status,
                None => tokio::time::sleep(POLL_INTERVAL).await,
            }
        };
        if let Some(kind) = fault_of(status) {
            system.history.record_fault(kind, SystemTime::now());
        }
        current.send_replace(None);
    }
    Ok(())
}
