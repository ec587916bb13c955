//! What is known about one delivery in flight.

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use job_queue::Receipt;
use shared_model::job::JobId;
use shared_model::job_store::claims::{ClaimKey, ClaimRenewal};
use shared_model::trace::{self, Trace};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{StopReason, lock};

/// A claim that is younger than this is not renewed. Most jobs end sooner, and a renewal would only lock their rows at the
/// moment of their completion.
const MIN_AGE: Duration = Duration::from_millis(200);

/// One delivery in flight. Its handler, its render and the heartbeat share it.
#[derive(Debug)]
pub(crate) struct InFlightEntry {
    /// `None` if the queue delivered a claim, which has no message.
    receipt: Option<Receipt>,
    trace: Option<Trace>,
    claim: OnceLock<(ClaimKey, Instant)>,
    /// Whether other processes have been notified that the job is running.
    is_announced: AtomicBool,
    progress: Progress,
    stop: CancellationToken,
    stop_reason: OnceLock<StopReason>,
    /// Whether another worker has received the message too.
    is_delivery_lost: AtomicBool,
    /// Until when the queue hides the message from other workers, if the attempt must not outlast that.
    hidden_until: Mutex<Option<Instant>>,
    /// Until when the claim is valid, once there is one.
    claimed_until: Mutex<Option<Instant>>,
}

impl InFlightEntry {
    /// Takes the receipt of a message, and until when the queue hides it if the attempt must not outlast that. The delivery
    /// belongs to the current trace.
    pub(super) fn new(receipt: Option<Receipt>, hidden_until: Option<Instant>) -> Self {
        Self {
            receipt,
            trace: trace::current(),
            claim: OnceLock::new(),
            is_announced: AtomicBool::new(false),
            progress: Progress::new(),
            stop: CancellationToken::new(),
            stop_reason: OnceLock::new(),
            is_delivery_lost: AtomicBool::new(false),
            hidden_until: Mutex::new(hidden_until),
            claimed_until: Mutex::new(None),
        }
    }

    /// Returns the receipt of the message, or `None` if there is no message or another worker has received it too.
    pub(super) fn receipt(&self) -> Option<&Receipt> {
        let is_lost = self.is_delivery_lost.load(Ordering::Relaxed);
        self.receipt.as_ref().filter(|_| !is_lost)
    }

    /// Returns the trace of the job, for the log.
    pub(crate) fn trace(&self) -> Option<Trace> {
        self.trace
    }

    pub(super) fn progress(&self) -> &Progress {
        &self.progress
    }

    pub(super) fn set_claim(&self, key: ClaimKey, until: Instant) {
        self.set_claimed_until(until);
        let _ = self.claim.set((key, Instant::now()));
    }

    /// Returns the renewal of the claim, or `None` if the job has not been claimed, or was claimed just now.
    pub(super) fn renewal(&self) -> Option<ClaimRenewal> {
        let (key, claimed_at) = *self.claim.get()?;
        if claimed_at.elapsed() < MIN_AGE {
            return None;
        }
        Some(ClaimRenewal {
            key,
            done: self.progress.done.load(Ordering::Relaxed),
            total: self.progress.total(),
        })
    }

    /// Returns for how long the job has been claimed, or `None` if it has not been.
    pub(super) fn age(&self) -> Option<Duration> {
        let (_, claimed_at) = self.claim.get()?;
        Some(claimed_at.elapsed())
    }

    /// Returns the job if it has been claimed and this has not been called before.
    pub(super) fn announce(&self) -> Option<JobId> {
        let (key, _) = self.claim.get()?;
        let is_announced = self.is_announced.swap(true, Ordering::Relaxed);
        (!is_announced).then_some(key.id)
    }

    /// Notes that the queue hides the message until then.
    pub(crate) fn set_hidden_until(&self, until: Instant) {
        if let Some(hidden_until) = lock(&self.hidden_until).as_mut() {
            *hidden_until = until;
        }
    }

    /// Notes that another worker has received the message too. Stops the handler if its attempt must not outlast the
    /// delivery. Otherwise, the claim keeps the other worker out.
    pub(crate) fn lose_delivery(&self) {
        self.is_delivery_lost.store(true, Ordering::Relaxed);
        if self.is_counted() {
            self.stop(StopReason::Lost);
        }
    }

    /// Returns whether the queue counts the message's deliveries, so that the attempt must not outlast this one.
    pub(super) fn is_counted(&self) -> bool {
        lock(&self.hidden_until).is_some()
    }

    pub(crate) fn set_claimed_until(&self, until: Instant) {
        *lock(&self.claimed_until) = Some(until);
    }

    /// Returns when the attempt has to end: when the claim ends, or the delivery if the attempt must not outlast it,
    /// whichever is earlier.
    pub(super) fn ours_until(&self) -> Option<Instant> {
        let hidden_until = *lock(&self.hidden_until);
        let claimed_until = *lock(&self.claimed_until);
        hidden_until.into_iter().chain(claimed_until).min()
    }

    /// Stops the handler. If it is stopped more than once, the first reason counts.
    pub(crate) fn stop(&self, reason: StopReason) {
        let _ = self.stop_reason.set(reason);
        self.stop.cancel();
    }

    pub(super) fn stop_token(&self) -> &CancellationToken {
        &self.stop
    }

    pub(super) fn stop_reason(&self) -> StopReason {
        self.stop_reason.get().copied().unwrap_or(StopReason::Lost)
    }
}

/// How many todos a render has written.
#[derive(Debug)]
pub struct Progress {
    done: AtomicI32,
    /// -1 until it is known.
    total: AtomicI32,
}

impl Progress {
    fn new() -> Self {
        Self {
            done: AtomicI32::new(0),
            total: AtomicI32::new(-1),
        }
    }

    /// Sets how many todos there are.
    pub fn set_total(&self, total: i32) {
        self.total.store(total, Ordering::Relaxed);
    }

    /// Sets how many todos are done.
    pub fn set_done(&self, done: i32) {
        self.done.store(done, Ordering::Relaxed);
    }

    fn total(&self) -> Option<i32> {
        let total = self.total.load(Ordering::Relaxed);
        (total >= 0).then_some(total)
    }
}
