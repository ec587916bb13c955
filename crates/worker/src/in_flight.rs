//! The deliveries in flight: received by this worker and not yet settled.
//!
//! For each delivery, this module knows until when the claim on its job is valid, and on a queue that counts deliveries
//! ([`Subscription::counts_deliveries`](job_queue::Subscription::counts_deliveries)) until when the message is hidden. The
//! [heartbeat](crate::heartbeat) renews both. If it can't, the attempt is stopped before another worker can claim the job.
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
    /// The claim, or the delivery of a queue that counts deliveries, belongs to another worker or could not be renewed.
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
    /// Adds a message. If its attempt has to be stopped before the queue delivers the message again, `hidden_until` is the
    /// time until which the queue hides it.
    pub fn add_message(&self, receipt: Receipt, hidden_until: Option<Instant>) -> InFlightGuard {
        self.add(InFlightEntry::new(Some(receipt), hidden_until))
    }

    /// Adds a claim that the queue delivered, which lasts until `until`.
    pub fn add_claim(&self, key: ClaimKey, until: Instant) -> InFlightGuard {
        let guard = self.add(InFlightEntry::new(None, None));
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

    /// Returns how long the oldest running attempt has taken so far, or `None` if no attempt is running.
    pub(crate) fn longest_attempt(&self) -> Option<Duration> {
        self.entries().iter().filter_map(|entry| entry.age()).max()
    }

    /// Stops every handler.
    pub fn stop_all(&self, reason: StopReason) {
        for entry in self.entries() {
            entry.stop(reason);
        }
    }

    /// Stops the handlers whose attempts have to end within `margin`, so that they end before another worker begins.
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

    /// Returns every message that no other worker has received meanwhile, with its receipt.
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

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn is_stopped(guard: &InFlightGuard) -> bool {
        guard.stop_token().is_cancelled()
    }

    #[test]
    fn an_attempt_outlasts_its_delivery_only_if_the_queue_does_not_count_deliveries() {
        let in_flight = InFlight::default();
        let soon = Instant::now() + HOUR;
        let counted = in_flight.add_message(Receipt::new("1"), Some(soon));
        let protected = in_flight.add_message(Receipt::new("2"), None);
        let lost = in_flight.add_message(Receipt::new("3"), Some(soon + HOUR));
        for (entry, receipt) in in_flight.receipts() {
            // As if the last was extended, and no other.
            if receipt == Receipt::new("3") {
                entry.set_hidden_until(soon + HOUR * 2);
            }
        }
        in_flight.stop_overdue(HOUR * 2);
        assert!(is_stopped(&counted) && !is_stopped(&protected) && !is_stopped(&lost));
        for (entry, _) in in_flight.receipts() {
            entry.lose_delivery();
        }
        assert!(is_stopped(&lost) && !is_stopped(&protected));
        assert!(in_flight.receipts().is_empty());
    }

    #[test]
    fn an_attempt_never_outlasts_its_claim() {
        let in_flight = InFlight::default();
        let guard = in_flight.add_message(Receipt::new("1"), None);
        let (id, claim) = (JobId::new(), Uuid::now_v7());
        guard.set_claim(ClaimKey { id, claim }, Instant::now() + HOUR);
        in_flight.stop_overdue(HOUR / 2);
        assert!(!is_stopped(&guard));
        in_flight.stop_overdue(HOUR);
        assert!(is_stopped(&guard));
    }
}
