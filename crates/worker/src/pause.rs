//! Whether an operator has paused processing: the worker then finishes what runs, and receives and claims nothing.
//!
//! As long as the worker has not learned whether that is so, processing counts as paused: an operator may have paused it
//! because the database is slow, and then the worker's first report is slow as well.

use shared_model::processes::Control;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Shows whether processing is paused. Clones show the same.
#[derive(Debug, Clone)]
pub struct Pause(watch::Receiver<Option<Control>>);

impl Pause {
    /// Follows what this process learns when it reports.
    pub fn new(control: watch::Receiver<Option<Control>>) -> Self {
        Self(control)
    }

    /// Never pauses.
    pub fn never() -> Self {
        Self(watch::channel(Some(Control::default())).1)
    }

    /// Returns whether processing is paused, or may be.
    pub fn is_paused(&self) -> bool {
        may_be_paused(*self.0.borrow())
    }

    /// Waits until processing is paused.
    pub async fn begun(&self) {
        self.reached(true).await;
    }

    /// Waits until processing is not paused.
    pub async fn ended(&self) {
        self.reached(false).await;
    }

    /// Polls a queue with `poll`, whose argument is cancelled when processing is paused and when `stop` is.
    pub async fn poll<T>(
        &self,
        stop: &CancellationToken,
        poll: impl AsyncFnOnce(&CancellationToken) -> T,
    ) -> T {
        let stop = stop.child_token();
        let pausing = async {
            self.begun().await;
            stop.cancel();
            std::future::pending().await
        };
        tokio::select! {
            // a pause that has begun already comes first
            biased;
            polled = pausing => polled,
            polled = poll(&stop) => polled,
        }
    }

    async fn reached(&self, paused: bool) {
        let mut control = self.0.clone();
        let reached = control.wait_for(|control| may_be_paused(*control) == paused);
        if reached.await.is_err() {
            // nobody reports any more, so nothing changes
            std::future::pending::<()>().await;
        }
    }
}

/// Returns whether processing is paused, or may be, because the worker has not learned anything yet.
fn may_be_paused(learned: Option<Control>) -> bool {
    learned.is_none_or(|control| control.paused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_pause_ends_a_poll_and_keeps_the_next_from_waiting() {
        let (sender, control) = watch::channel(Some(Control::default()));
        let pause = Pause::new(control);
        let stop = CancellationToken::new();
        let wait = async |stop: &CancellationToken| {
            let was_stopped = stop.is_cancelled();
            stop.cancelled().await;
            was_stopped
        };
        let paused = Control {
            paused: true,
            ..Control::default()
        };
        let (was_stopped, ()) = tokio::join!(pause.poll(&stop, wait), async {
            tokio::task::yield_now().await;
            sender.send_replace(Some(paused));
        });
        assert!(!was_stopped);
        assert!(pause.poll(&stop, wait).await);
        assert!(!stop.is_cancelled());
        sender.send_replace(Some(Control::default()));
        pause.ended().await;
        assert!(!pause.is_paused());
    }

    #[tokio::test]
    async fn processing_counts_as_paused_until_the_worker_learns_that_it_is_not() {
        let (sender, control) = watch::channel(None);
        let pause = Pause::new(control);
        assert!(pause.is_paused());
        sender.send_replace(Some(Control::default()));
        assert!(!pause.is_paused());
    }

    #[tokio::test]
    async fn a_poll_goes_on_when_nobody_reports_any_more() {
        let stop = CancellationToken::new();
        let poll = async |stop: &CancellationToken| {
            tokio::task::yield_now().await;
            stop.is_cancelled()
        };
        assert!(!Pause::never().poll(&stop, poll).await);
    }
}
