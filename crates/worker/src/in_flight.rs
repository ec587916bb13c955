//! The deliveries in flight: received by this worker and not yet settled.
//!
//! For each delivery, this module knows until when the queue hides its message and until when the claim on its job is
//! valid. The [heartbeat](crate::heartbeat) renews both. If it can't, the attempt is stopped before another worker can
//! claim the job.
//!
//! # Layout
//! - `guard`: what a handler and its render hold while a delivery is in flight
//! - `entry`: what is known about one delivery

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use job_queue::Receipt;
use shared_model::job::JobId;
use shared_model::job_store::claims::{ClaimKey, ClaimRenewal};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::time::Instant;

mod entry;
mod guard;

pub(crate) use entry::InFlightEntry;
pub use entry::Progress;
pub use guard::{InFlightGuard, RenderControl};

/// Why a handler has to stop before its attempt is finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// The delivery or the claim belongs to another worker, or could not be renewed.
    Lost,
    /// A client cancelled the job.
    Cancelled,
    /// The worker is shutting down.
    Shutdown,
}

/// All deliveries in flight. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct InFlight {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    next: AtomicU64,
    entries: Mutex<HashMap<u64, Arc<InFlightEntry>>>,
    /// Locked for writing by extensions, and for reading by releases.
    extending: RwLock<()>,
}

impl InFlight {
    /// Adds a message, which the queue hides until `hidden_until`.
    pub fn add_message(&self, receipt: Receipt, hidden_until: Instant) -> InFlightGuard {
        self.add(InFlightEntry::new(Some((receipt, hidden_until))))
    }

    /// Adds a claim that the queue delivered, which lasts until `until`.
    pub fn add_claim(&self, key: ClaimKey, until: Instant) -> InFlightGuard {
        let guard = self.add(InFlightEntry::new(None));
        guard.set_claim(key, until);
        guard
    }

    fn add(&self, entry: InFlightEntry) -> InFlightGuard {
        let entry = Arc::new(entry);
        let id = self.inner.next.fetch_add(1, Ordering::Relaxed);
        lock(&self.inner.entries).insert(id, Arc::clone(&entry));
        InFlightGuard::new(id, entry, self.clone())
    }

    /// Waits until no delivery is being released, and keeps others from being released until the guard is dropped: an
    /// extension that reached the queue after a release would hide the message again.
    pub(crate) async fn begin_extending(&self) -> RwLockWriteGuard<'_, ()> {
        self.inner.extending.write().await
    }

    /// Waits until no delivery is being extended, and keeps others from being extended until the guard is dropped. Many
    /// callers can release at the same time.
    pub(crate) async fn begin_releasing(&self) -> RwLockReadGuard<'_, ()> {
        self.inner.extending.read().await
    }

    /// Returns how many deliveries are in flight.
    pub fn count(&self) -> usize {
        lock(&self.inner.entries).len()
    }

    /// Stops every handler.
    pub fn stop_all(&self, reason: StopReason) {
        for entry in self.entries() {
            entry.stop(reason);
        }
    }

    /// Stops the handlers whose delivery or claim ends within `margin`, so that they end before another worker begins.
    pub fn stop_overdue(&self, margin: Duration) {
        let soon = Instant::now() + margin;
        for entry in self
            .entries()
            .iter()
            .filter(|entry| entry.ours_until().is_some_and(|until| until <= soon))
        {
            entry.stop(StopReason::Lost);
        }
    }

    /// Returns every message with its receipt.
    pub(crate) fn receipts(&self) -> Vec<(Arc<InFlightEntry>, Receipt)> {
        self.entries()
            .into_iter()
            .filter_map(|entry| {
                let receipt = entry.receipt()?.clone();
                Some((entry, receipt))
            })
            .collect()
    }

    /// Returns the deliveries whose job this worker has claimed, each with the renewal of its claim.
    pub(crate) fn renewals(&self) -> Vec<(Arc<InFlightEntry>, ClaimRenewal)> {
        self.entries()
            .into_iter()
            .filter_map(|entry| {
                let renewal = entry.renewal()?;
                Some((entry, renewal))
            })
            .collect()
    }

    /// Returns the jobs that are running now and were not running at the last call.
    pub(crate) fn newly_running(&self) -> Vec<JobId> {
        let entries = self.entries();
        entries
            .iter()
            .filter_map(|entry| entry.announce())
            .collect()
    }

    fn remove(&self, id: u64) {
        lock(&self.inner.entries).remove(&id);
    }

    fn entries(&self) -> Vec<Arc<InFlightEntry>> {
        lock(&self.inner.entries).values().cloned().collect()
    }
}

/// Ignores poisoning: every value behind these locks is written in one step, so a panic can't leave it half-written.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
