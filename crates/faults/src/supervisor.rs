//! Starts a process again each time that it ends, as every orchestrator does.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
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

/// How often it is looked whether the process still runs.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// A process that is always there, but for the moments between two lives.
#[derive(Debug)]
pub struct Supervised {
    role: Role,
    life: watch::Receiver<Option<Arc<Process>>>,
    lives: Arc<AtomicUsize>,
    stopping: CancellationToken,
    task: AbortOnDropHandle<anyhow::Result<()>>,
}

impl Supervised {
    /// Starts a process and keeps it going.
    pub fn start(system: System, role: Role, settings: Vec<(&'static str, String)>) -> Self {
        let (sender, life) = watch::channel(None);
        let lives = Arc::new(AtomicUsize::new(0));
        let stopping = CancellationToken::new();
        let task = supervise(
            system,
            role,
            settings,
            sender,
            Arc::clone(&lives),
            stopping.clone(),
        );
        Self {
            role,
            life,
            lives,
            stopping,
            task: AbortOnDropHandle::new(tokio::spawn(task)),
        }
    }

    /// Which half of the service it is.
    pub fn role(&self) -> Role {
        self.role
    }

    /// How often it was started.
    pub fn lives(&self) -> usize {
        self.lives.load(Ordering::Relaxed)
    }

    /// The process of now; waits for the next one when there is none.
    ///
    /// # Errors
    /// When none can be started.
    pub async fn process(&self) -> anyhow::Result<Arc<Process>> {
        let mut life = self.life.clone();
        let alive = tokio::time::timeout(TIMEOUT, life.wait_for(Option::is_some)).await;
        let process = alive.context("the process is not started again")??;
        process.clone().context("no process")
    }

    /// A client of the process of now.
    ///
    /// # Errors
    /// When it is no API, or one that does not listen.
    pub async fn client(&self, system: &System) -> anyhow::Result<Client> {
        system.client(self.process().await?.as_ref()).await
    }

    /// Tells the process to stop, and starts no other. It has to end in good order.
    ///
    /// # Errors
    /// When it ends otherwise, or not in time.
    pub async fn stop(self, bound: Duration) -> anyhow::Result<()> {
        let process = self.process().await?;
        self.stopping.cancel();
        // one that was started a moment ago would not yet hear the signal
        process.url().await?;
        process.signal(Signal::SIGTERM)?;
        let status = process.wait(bound).await?;
        anyhow::ensure!(
            status.success(),
            "the {} ended with {status}",
            self.role.subcommand()
        );
        self.task.await?
    }
}

/// A death that nobody outside dealt: poison did. It is a fault like any other.
fn own_death(status: ExitStatus) -> Option<&'static str> {
    if status.signal() == Some(Signal::SIGABRT as i32) {
        return Some("died of poison");
    }
    let failed = status.code().is_some_and(|code| code != 0);
    failed.then_some("gave itself up")
}

async fn supervise(
    system: System,
    role: Role,
    settings: Vec<(&'static str, String)>,
    life: watch::Sender<Option<Arc<Process>>>,
    lives: Arc<AtomicUsize>,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let settings: Vec<(&str, &str)> = settings
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    while !stopping.is_cancelled() {
        let process = Arc::new(system.start(role, &settings).await?);
        lives.fetch_add(1, Ordering::Relaxed);
        life.send_replace(Some(Arc::clone(&process)));
        let status = loop {
            match process.ended()? {
                Some(status) => break status,
                None => tokio::time::sleep(LOOK_INTERVAL).await,
            }
        };
        if let Some(kind) = own_death(status) {
            system.history.injected(kind, SystemTime::now());
        }
        life.send_replace(None);
    }
    Ok(())
}
