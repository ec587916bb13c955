//! Ctrl-C (and SIGTERM): once to end in good order, twice to end at once.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::error::Error;

/// What signals ask for.
#[derive(Debug)]
pub(crate) struct Stop {
    /// Settle what is held, then end.
    pub(crate) gently: CancellationToken,
    /// End now.
    pub(crate) at_once: CancellationToken,
}

impl Stop {
    /// Listens from now on.
    pub(crate) fn listen() -> Result<Self, Error> {
        let listen = |kind| {
            signal(kind).map_err(|error| Error::Failed(format!("could not await signals: {error}")))
        };
        let mut interrupt = listen(SignalKind::interrupt())?;
        let mut terminate = listen(SignalKind::terminate())?;
        let (gently, at_once) = (CancellationToken::new(), CancellationToken::new());
        let (first, second) = (gently.clone(), at_once.clone());
        tokio::spawn(async move {
            either(&mut interrupt, &mut terminate).await;
            first.cancel();
            either(&mut interrupt, &mut terminate).await;
            second.cancel();
        });
        Ok(Self { gently, at_once })
    }
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}
