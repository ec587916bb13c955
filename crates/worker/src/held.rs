//! What this worker holds: each delivery from its receipt to its settlement, with how long it is still ours.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use job_queue::Receipt;
use shared_model::job_store::claims::{Beat, ClaimKey};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Why a handler is to stop before it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The delivery or the claim is another worker's by now, or could not be kept.
    Lost,
    /// A client asked for it.
    Cancelled,
    /// The worker is going down.
    Shutdown,
}

/// All that is held. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Held {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    next: AtomicU64,
    entries: Mutex<HashMap<u64, Arc<Entry>>>,
    /// Keeps an extension that is under way from hiding what was given back meanwhile.
    extension: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Entry {
    receipt: Receipt,
    claim: OnceLock<ClaimKey>,
    progress: Progress,
    stop: CancellationToken,
    reason: OnceLock<Stop>,
    /// Until when the queue hides the delivery from others.
    hidden_until: Mutex<Instant>,
    /// Until when the claim holds, once there is one.
    claimed_until: Mutex<Option<Instant>>,
}

impl Entry {
    fn stop(&self, reason: Stop) {
        // the first reason counts
        let _ = self.reason.set(reason);
        self.stop.cancel();
    }

    fn ours_until(&self) -> Instant {
        let hidden_until = *lock(&self.hidden_until);
        lock(&self.claimed_until).map_or(hidden_until, |claimed_until| {
            claimed_until.min(hidden_until)
        })
    }
}

/// How far a render has come.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicI32,
    /// -1: not known yet.
    total: AtomicI32,
}

impl Progress {
    fn new() -> Self {
        Self {
            done: AtomicI32::new(0),
            total: AtomicI32::new(-1),
        }
    }

    /// Notes how many todos there are.
    pub fn set_total(&self, total: i32) {
        self.total.store(total, Ordering::Relaxed);
    }

    /// Notes how many todos are done.
    pub fn set_done(&self, done: i32) {
        self.done.store(done, Ordering::Relaxed);
    }
}

/// One held delivery. Dropping it ends the holding.
#[derive(Debug)]
pub struct Holding {
    id: u64,
    entry: Arc<Entry>,
    held: Held,
}

impl Drop for Holding {
    fn drop(&mut self) {
        lock(&self.held.inner.entries).remove(&self.id);
    }
}

impl Holding {
    /// Notes the claim that was made for it, to be renewed from now on.
    pub fn set_claim(&self, key: ClaimKey, until: Instant) {
        *lock(&self.entry.claimed_until) = Some(until);
        let _ = self.entry.claim.set(key);
    }

    /// Where its render notes how far it has come.
    pub fn progress(&self) -> &Progress {
        &self.entry.progress
    }

    /// A token that is cancelled when the handler is to stop.
    pub fn stop_token(&self) -> &CancellationToken {
        &self.entry.stop
    }

    /// Waits until the handler is to stop, and says why.
    pub async fn stopped(&self) -> Stop {
        self.entry.stop.cancelled().await;
        self.entry.reason.get().copied().unwrap_or(Stop::Lost)
    }

    /// Something that a render on another thread can share.
    pub fn share(&self) -> SharedHolding {
        SharedHolding(Arc::clone(&self.entry))
    }
}

/// What a render sees of its holding.
#[derive(Debug, Clone)]
pub struct SharedHolding(Arc<Entry>);

impl SharedHolding {
    /// Where the render notes how far it has come.
    pub fn progress(&self) -> &Progress {
        &self.0.progress
    }

    /// Whether the render is to stop.
    pub fn is_stopped(&self) -> bool {
        self.0.stop.is_cancelled()
    }
}

impl Held {
    /// Begins to hold a delivery, which the queue hides until `hidden_until`.
    pub fn hold(&self, receipt: Receipt, hidden_until: Instant) -> Holding {
        let entry = Arc::new(Entry {
            receipt,
            claim: OnceLock::new(),
            progress: Progress::new(),
            stop: CancellationToken::new(),
            reason: OnceLock::new(),
            hidden_until: Mutex::new(hidden_until),
            claimed_until: Mutex::new(None),
        });
        let id = self.inner.next.fetch_add(1, Ordering::Relaxed);
        lock(&self.inner.entries).insert(id, Arc::clone(&entry));
        Holding {
            id,
            entry,
            held: self.clone(),
        }
    }

    /// How many deliveries are held.
    pub fn len(&self) -> usize {
        lock(&self.inner.entries).len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Taken while deliveries are extended, and while any are given back: an extension that arrived after its delivery
    /// was given back would hide it again.
    pub async fn extension_gate(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.inner.extension.lock().await
    }

    /// Stops every handler.
    pub fn stop_all(&self, reason: Stop) {
        for entry in self.entries() {
            entry.stop(reason);
        }
    }

    /// Stops the handlers of what will not be ours in `margin` from now, so that they end before another worker begins.
    pub fn stop_overdue(&self, margin: Duration) {
        let soon = Instant::now() + margin;
        for entry in self
            .entries()
            .iter()
            .filter(|entry| entry.ours_until() <= soon)
        {
            entry.stop(Stop::Lost);
        }
    }

    pub(crate) fn receipts(&self) -> Vec<(HeldRef, Receipt)> {
        self.entries()
            .into_iter()
            .map(|entry| (HeldRef(Arc::clone(&entry)), entry.receipt.clone()))
            .collect()
    }

    pub(crate) fn beats(&self) -> Vec<(HeldRef, Beat)> {
        let beat = |entry: Arc<Entry>| {
            let key = *entry.claim.get()?;
            let total = entry.progress.total.load(Ordering::Relaxed);
            let done = entry.progress.done.load(Ordering::Relaxed);
            Some((
                HeldRef(entry),
                Beat {
                    key,
                    done,
                    total: (total >= 0).then_some(total),
                },
            ))
        };
        self.entries().into_iter().filter_map(beat).collect()
    }

    fn entries(&self) -> Vec<Arc<Entry>> {
        lock(&self.inner.entries).values().cloned().collect()
    }
}

/// One held delivery, as a heartbeat sees it.
#[derive(Debug)]
pub(crate) struct HeldRef(Arc<Entry>);

impl HeldRef {
    pub(crate) fn stop(&self, reason: Stop) {
        self.0.stop(reason);
    }

    pub(crate) fn hidden_until(&self, until: Instant) {
        *lock(&self.0.hidden_until) = until;
    }

    pub(crate) fn claimed_until(&self, until: Instant) {
        *lock(&self.0.claimed_until) = Some(until);
    }
}

/// A panic while the lock was held leaves plain values behind, none half-written.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
