//! Ctrl-C and SIGTERM: the first one ends the run in good order, the second one immediately.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::error::Error;

/// Tokens that signals cancel.
#[derive(Debug)]
pub(crate) struct Stop {
    /// Release the messages in flight, then exit.
    pub(crate) graceful: CancellationToken,
    /// Exit now.
    pub(crate) immediate: CancellationToken,
}

impl Stop {
    /// Starts to listen for signals.
    pub(crate) fn listen() -> Result<Self, Error> {
        let listen = |kind| {
            signal(kind)
                .map_err(|error| Error::Failed(format!("could not listen for signals: {error}")))
        };
        let mut interrupt = listen(SignalKind::interrupt())?;
        let mut terminate = listen(SignalKind::terminate())?;
        let stop = Self {
            graceful: CancellationToken::new(),
            immediate: CancellationToken::new(),
        };
        let (graceful, immediate) = (stop.graceful.clone(), stop.immediate.clone());
        tokio::spawn(async move {
            either(&mut interrupt, &mut terminate).await;
            graceful.cancel();
            either(&mut interrupt, &mut terminate).await;
            immediate.cancel();
        });
        Ok(stop)
    }
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}
