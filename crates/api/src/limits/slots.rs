//! Counts what exists at the same time, up to a maximum.

use std::num::NonZeroUsize;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A fixed number of slots.
#[derive(Debug)]
pub struct Slots(Arc<Semaphore>);

/// One slot. Dropping it frees it.
#[derive(Debug)]
pub struct Slot {
    _permit: OwnedSemaphorePermit,
}

impl Slots {
    /// Returns `max` free slots.
    pub fn new(max: NonZeroUsize) -> Self {
        let max = max.get().min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Semaphore::new(max)))
    }

    /// Takes a slot. Returns `None` if all are taken.
    pub fn take(&self) -> Option<Slot> {
        let permit = Arc::clone(&self.0).try_acquire_owned().ok()?;
        Some(Slot { _permit: permit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_free_again_when_it_is_dropped() {
        let slots = Slots::new(NonZeroUsize::new(2).unwrap());
        let one = slots.take().unwrap();
        let other = slots.take().unwrap();
        assert!(slots.take().is_none());
        drop(one);
        assert!(slots.take().is_some());
        drop(other);
    }
}
