//! Counts what exists at the same time, up to a maximum for all clients and a part of it for each.

use std::num::NonZeroUsize;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::client::ClientKey;
use super::shares::{Percent, Share, Shares};

/// A fixed number of slots.
#[derive(Debug)]
pub struct Slots {
    free: Arc<Semaphore>,
    /// `None` if one client may have all slots.
    shares: Option<Arc<Shares>>,
}

/// One slot. Dropping it frees it.
#[derive(Debug)]
pub struct Slot {
    _permit: OwnedSemaphorePermit,
    _share: Option<Share>,
}

/// Why there is no slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoSlot {
    /// The client has its share of them.
    ForClient,
    /// All are taken.
    ForAnyone,
}

impl Slots {
    /// Returns `max` free slots, of which one client may have `share`.
    pub fn new(max: NonZeroUsize, share: Percent) -> Self {
        let permits = max.get().min(Semaphore::MAX_PERMITS);
        Self {
            free: Arc::new(Semaphore::new(permits)),
            shares: (share != Percent::ALL).then(|| Shares::new(share.of(max))),
        }
    }

    /// Takes a slot for `client`. Without a client, it is limited only by the number of slots.
    ///
    /// # Errors
    /// Returns an error if all slots are taken, or if the client has its share of them.
    pub fn take(&self, client: Option<&ClientKey>) -> Result<Slot, NoSlot> {
        let share = match self.shares.as_ref().zip(client) {
            Some((shares, client)) => Some(shares.take(client).ok_or(NoSlot::ForClient)?),
            None => None,
        };
        let permit = Arc::clone(&self.free).try_acquire_owned().ok();
        Ok(Slot {
            _permit: permit.ok_or(NoSlot::ForAnyone)?,
            _share: share,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(max: usize, share: u8) -> Slots {
        Slots::new(NonZeroUsize::new(max).unwrap(), Percent(share))
    }

    #[test]
    fn a_slot_is_free_again_when_it_is_dropped() {
        let slots = slots(2, 100);
        let one = slots.take(None).unwrap();
        let other = slots.take(None).unwrap();
        assert_eq!(slots.take(None).unwrap_err(), NoSlot::ForAnyone);
        drop(one);
        assert!(slots.take(None).is_ok());
        drop(other);
    }

    #[test]
    fn one_client_leaves_slots_for_others() {
        let slots = slots(4, 50);
        let [greedy, other] = [1, 2].map(|last| ClientKey::at([192, 0, 2, last].into()));
        let taken = [(); 2].map(|()| slots.take(Some(&greedy)).unwrap());
        assert_eq!(slots.take(Some(&greedy)).unwrap_err(), NoSlot::ForClient);
        let of_other = slots.take(Some(&other)).unwrap();
        let local = slots.take(None).unwrap();
        // a share that could not be used is returned
        assert_eq!(slots.take(Some(&other)).unwrap_err(), NoSlot::ForAnyone);
        drop((taken, local));
        assert!(slots.take(Some(&other)).is_ok());
        drop(of_other);
    }

    #[test]
    fn with_a_share_of_all_one_client_may_have_every_slot() {
        let slots = slots(2, 100);
        let client = ClientKey::at([192, 0, 2, 1].into());
        let taken = [(); 2].map(|()| slots.take(Some(&client)));
        assert!(taken.iter().all(Result::is_ok));
    }
}
