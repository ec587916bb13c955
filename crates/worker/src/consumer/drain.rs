//! How a consumer stops.

use std::time::Duration;

use tokio_util::task::AbortOnDropHandle;

use super::Consumer;
use crate::in_flight::StopReason;

/// A second signal must end the worker within this time.
const HURRY_LIMIT: Duration = Duration::from_secs(2);
/// How long stopped handlers have to record the end of their attempts. After that, the process ends anyway.
pub const STOP_GRACE: Duration = Duration::from_secs(1);
/// After a second signal, how long the queue has to answer the last deletes and releases.
const SETTLE_GRACE: Duration = Duration::from_millis(500);
/// How long the queue has to take leave of this worker. After that, the process ends anyway.
pub(crate) const CLOSE_GRACE: Duration = Duration::from_secs(1);

const _: () = assert!(
    STOP_GRACE.as_millis() + SETTLE_GRACE.as_millis() < HURRY_LIMIT.as_millis(),
    "a second signal must leave time for the process to end"
);

impl Consumer {
    /// Waits for the drain to begin and for `DRAIN_TIMEOUT`, and then stops what still runs.
    pub(super) fn stop_after_drain_timeout(&self) -> AbortOnDropHandle<()> {
        let (in_flight, drain) = (self.in_flight.clone(), self.shutdown.drain.clone());
        let drain_timeout = self.options.drain_timeout;
        AbortOnDropHandle::new(tokio::spawn(async move {
            drain.cancelled().await;
            tokio::time::sleep(drain_timeout).await;
            log::warn!("DRAIN_TIMEOUT has passed; releasing the jobs that still run");
            in_flight.stop_all(StopReason::Shutdown);
        }))
    }

    /// Lets running jobs finish, releases those that do not finish in time, and waits until everything is settled.
    pub(super) async fn drain(self, out_of_time: AbortOnDropHandle<()>) {
        self.tasks.close();
        let running = self.options.concurrency - self.slots.available_permits();
        log::info!("worker.deliveries" = running; "draining");
        tokio::select! {
            () = self.tasks.wait() => {}
            _ = out_of_time => {}
            () = self.shutdown.hurry.cancelled() => log::warn!("second signal; releasing the jobs that still run"),
        }
        self.in_flight.stop_all(StopReason::Shutdown);
        // each handler now records the end of its attempt, and then waits for the queue
        let patient = self.options.stop_grace + self.options.visibility / 2;
        let hurried = async {
            self.shutdown.hurry.cancelled().await;
            tokio::time::sleep(self.options.stop_grace + SETTLE_GRACE).await;
        };
        tokio::select! {
            () = self.tasks.wait() => {}
            () = tokio::time::sleep(patient) => log::error!("some jobs did not stop in time; their leases will expire"),
            () = hurried => log::warn!("some jobs were not stopped or settled in time; their leases will expire"),
        }
        self.heartbeat.abort();
        self.close().await;
        // the last notifications of this process
        self.handler
            .database
            .notifier
            .flush(&self.handler.database.pool)
            .await;
    }

    /// Leaves the queue, unless the worker is in a hurry.
    async fn close(&self) {
        let closed = tokio::time::timeout(CLOSE_GRACE, self.subscription.close());
        if let Some(Err(_elapsed)) = self.shutdown.hurry.run_until_cancelled(closed).await {
            log::debug!("the queue did not let this worker leave in time");
        }
    }
}
