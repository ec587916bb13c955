//! The deliveries that this worker knows of.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::subscription::{BatchOutcome, Receipt};

/// The deliveries that this worker has received and not settled, each with the end of its visibility timeout.
///
/// The server may know of more: if a connection breaks, it may still read a call from it and deliver messages or extend a
/// delivery, and its answer reaches nobody.
#[derive(Debug, Default)]
pub(super) struct InFlight(Mutex<HashMap<Receipt, Instant>>);

impl InFlight {
    /// Adds deliveries that were just received, or lets their visibility timeout end later.
    pub(super) fn hold(&self, receipts: impl IntoIterator<Item = Receipt>, until: Instant) {
        let held = receipts.into_iter().map(|receipt| (receipt, until));
        self.lock().extend(held);
    }

    /// Forgets a delivery that was settled or lost. One that could not be settled is kept until its visibility timeout ends.
    pub(super) fn end(&self, receipt: &Receipt, outcome: &BatchOutcome) {
        if !matches!(outcome, BatchOutcome::Failed(_)) {
            self.lock().remove(receipt);
        }
    }

    /// Returns the deliveries whose visibility timeout ends after `now`, and forgets the others.
    pub(super) fn held(&self, now: Instant) -> Vec<Receipt> {
        let mut deliveries = self.lock();
        deliveries.retain(|_, until| *until > now);
        deliveries.keys().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Receipt, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
