//! What must hold before the next poll: the database answers, abandoned renders end, and processing is not paused.

use std::time::Duration;

use shared_model::backoff::Backoff;
use shared_model::database::DatabaseError;
use tokio::time::Instant;

use super::Consumer;

impl Consumer {
    /// Returns whether too many abandoned renders do not end.
    ///
    /// If the database stalls, every running render is abandoned at about the same time. None of them can end before
    /// the database answers again, so this waits until it does, and for a while longer.
    pub(super) async fn is_stuck(&self) -> bool {
        let grace = 2 * self.options.visibility;
        let mut answered_at = None;
        while self.handler.abandoned.count() >= self.options.max_abandoned {
            let Some(answer) = self.ping().await else {
                return false;
            };
            if answer.is_ok() {
                let answered_at = *answered_at.get_or_insert_with(Instant::now);
                if answered_at.elapsed() >= grace {
                    return true;
                }
            }
            if !self.pause(grace / 30).await {
                return false;
            }
        }
        false
    }

    /// Waits until the database answers, if a query failed: each delivery that can't be handled brings its message
    /// nearer to the dead-letter queue. Returns `false` if the worker is shutting down.
    pub(super) async fn wait_for_database(&self) -> bool {
        let mut failures = 0;
        while self.health.is_database_in_doubt() {
            match self.ping().await {
                None => return false,
                Some(Ok(())) => self.health.database_answered(),
                Some(Err(error)) => {
                    failures += 1;
                    log::warn!(error:%; "the database does not answer; polling is paused");
                    if !self.pause(Backoff::CALL.after(failures)).await {
                        return false;
                    }
                }
            }
        }
        true
    }

    /// Waits while processing is paused. Returns `false` if the worker is shutting down.
    pub(super) async fn wait_while_paused(&self) -> bool {
        if !self.pause.is_paused() {
            return true;
        }
        self.handler.evidence.interrupted();
        let ended = self.pause.ended();
        let ended = self.shutdown.drain.run_until_cancelled(ended).await;
        ended.is_some()
    }

    /// Returns whether the database answers, or `None` if the worker is shutting down.
    async fn ping(&self) -> Option<Result<(), DatabaseError>> {
        let answer = self.handler.database.pool.ping();
        self.shutdown.drain.run_until_cancelled(answer).await
    }

    /// Returns `false` if the worker is shutting down.
    pub(super) async fn pause(&self, duration: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(duration) => true,
            () = self.shutdown.drain.cancelled() => false,
        }
    }
}
