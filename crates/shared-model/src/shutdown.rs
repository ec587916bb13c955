//! Stopping a process: the first SIGTERM or SIGINT drains it, the second hurries it.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The two steps of stopping a process. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    /// Start nothing new, and finish what is running.
    pub drain: CancellationToken,
    /// Finish nothing more: release what is unfinished and end.
    pub hurry: CancellationToken,
}

impl Shutdown {
    /// Cancels [`drain`](Self::drain) on the first SIGTERM or SIGINT and [`hurry`](Self::hurry) on the second. Call it
    /// within a tokio runtime.
    ///
    /// # Errors
    /// Returns an error if no signal handler can be installed.
    pub fn on_signals() -> io::Result<Self> {
        let mut requests = StopRequests::listen()?;
        let shutdown = Self::default();
        let Self { drain, hurry } = shutdown.clone();
        tokio::spawn(async move {
            requests.next().await;
            drain.cancel();
            requests.next().await;
            hurry.cancel();
        });
        Ok(shutdown)
    }
}

/// The requests to stop this process: SIGTERM, and SIGINT, which Ctrl-C sends.
#[derive(Debug)]
pub struct StopRequests {
    terminate: Signal,
    interrupt: Signal,
}

impl StopRequests {
    /// Installs the signal handlers. From now on neither signal ends the process. Call it within a tokio runtime.
    ///
    /// # Errors
    /// Returns an error if no signal handler can be installed.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next request. Two signals of the same kind that arrive together may count as one.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
