//! What a handler and its render hold while a delivery is in flight.

use std::sync::Arc;

use shared_model::job_store::claims::ClaimKey;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::entry::{InFlightEntry, Progress};
use super::{InFlight, StopReason};

/// Keeps a delivery in flight. Dropping the guard ends its heartbeat.
#[derive(Debug)]
pub struct InFlightGuard {
    id: u64,
    entry: Arc<InFlightEntry>,
    in_flight: InFlight,
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.in_flight.remove(self.id);
    }
}

impl InFlightGuard {
    pub(super) fn new(id: u64, entry: Arc<InFlightEntry>, in_flight: InFlight) -> Self {
        Self {
            id,
            entry,
            in_flight,
        }
    }

    /// Adds the claim on the delivery's job. The heartbeat renews it from now on.
    pub fn set_claim(&self, key: ClaimKey, until: Instant) {
        self.entry.set_claim(key, until);
    }

    /// Returns whether the queue counts how often it delivers the message. See
    /// [`Subscription::counts_deliveries`](job_queue::Subscription::counts_deliveries).
    pub fn is_counted(&self) -> bool {
        self.entry.is_counted()
    }

    /// Returns a token that is cancelled when the handler has to stop.
    pub fn stop_token(&self) -> &CancellationToken {
        self.entry.stop_token()
    }

    /// Waits until the handler has to stop, and returns the reason.
    pub async fn stopped(&self) -> StopReason {
        self.stop_token().cancelled().await;
        self.entry.stop_reason()
    }

    /// Returns a handle for the render, which runs on another thread.
    pub fn render_control(&self) -> RenderControl {
        RenderControl(Arc::clone(&self.entry))
    }
}

/// Tells a render when to stop, and receives its progress.
#[derive(Debug, Clone)]
pub struct RenderControl(Arc<InFlightEntry>);

impl RenderControl {
    /// Returns the render's progress, for the render to update.
    pub fn progress(&self) -> &Progress {
        self.0.progress()
    }

    /// Returns whether the render has to stop.
    pub fn is_stopped(&self) -> bool {
        self.0.stop_token().is_cancelled()
    }
}
