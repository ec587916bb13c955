//! The deliveries that this worker knows of.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::{Duration, Instant};

use crate::subscription::{BatchOutcome, Receipt};

/// The deliveries that this worker has received and not settled, each with the time at which the call began that gave it to
/// the worker or extended it last.
///
/// The server may know of more: if a connection breaks, it may still read a call from it and deliver messages or extend a
/// delivery, and its answer reaches nobody.
#[derive(Debug, Default)]
pub(super) struct InFlight(Mutex<HashMap<Receipt, Instant>>);

impl InFlight {
    /// Adds deliveries, or lets their visibility timeout end later.
    pub(super) fn hold(&self, receipts: impl IntoIterator<Item = Receipt>, began: Instant) {
        let held = receipts.into_iter().map(|receipt| (receipt, began));
        self.lock().extend(held);
    }

    /// Forgets a delivery that a call which began at `began` has settled or found lost, unless it was received again
    /// meanwhile. One that could not be settled is kept until its visibility timeout ends.
    pub(super) fn end(&self, receipt: &Receipt, outcome: &BatchOutcome, began: Instant) {
        let mut deliveries = self.lock();
        let is_older = deliveries.get(receipt).is_some_and(|held| *held <= began);
        if is_older && !matches!(outcome, BatchOutcome::Failed(_)) {
            deliveries.remove(receipt);
        }
    }

    /// Returns the deliveries of which `visibility` has not ended, and forgets the others.
    pub(super) fn held(&self, visibility: Duration) -> Vec<Receipt> {
        let mut deliveries = self.lock();
        deliveries.retain(|_, held| held.elapsed() < visibility);
        deliveries.keys().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Receipt, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VISIBILITY: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_delivery_is_known_until_it_is_settled_or_its_visibility_timeout_ends() {
        let in_flight = InFlight::default();
        let [settled, unsettled] = ["1-0", "2-0"].map(Receipt::new);
        in_flight.hold([settled.clone(), unsettled.clone()], Instant::now());
        assert_eq!(in_flight.held(VISIBILITY).len(), 2);
        let began = Instant::now();
        in_flight.end(&settled, &BatchOutcome::Done, began);
        in_flight.end(&unsettled, &BatchOutcome::Failed(String::new()), began);
        assert_eq!(in_flight.held(VISIBILITY), [unsettled]);
        tokio::time::advance(VISIBILITY).await;
        assert!(in_flight.held(VISIBILITY).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_answer_to_a_release_does_not_hide_that_the_message_came_again() {
        let in_flight = InFlight::default();
        let receipt = Receipt::new("1-0");
        in_flight.hold([receipt.clone()], Instant::now());
        let released = Instant::now();
        tokio::time::advance(Duration::from_secs(1)).await;
        in_flight.hold([receipt.clone()], Instant::now());
        in_flight.end(&receipt, &BatchOutcome::Done, released);
        assert_eq!(in_flight.held(VISIBILITY), [receipt]);
    }
}
