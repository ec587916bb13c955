//! How much of something each client has.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::client::ClientKey;

/// The part of a maximum that one client may have, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Percent(pub u8);

impl Percent {
    /// A client may have everything.
    pub const ALL: Self = Self(100);

    /// Returns this part of `max`, rounded up.
    pub fn of(self, max: NonZeroUsize) -> usize {
        let percent = usize::from(self.0);
        let (hundreds, rest) = (max.get() / 100, max.get() % 100);
        hundreds * percent + (rest * percent).div_ceil(100)
    }
}

/// Counts what each client has, up to the same maximum for each. A client that has nothing costs no memory.
#[derive(Debug)]
pub struct Shares {
    max: usize,
    taken: Mutex<HashMap<ClientKey, usize>>,
}

/// One of the things that a client has. Dropping it returns it.
#[derive(Debug)]
pub struct Share {
    shares: Arc<Shares>,
    client: ClientKey,
}

impl Shares {
    /// Lets each client have up to `max`.
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            max,
            taken: Mutex::default(),
        })
    }

    /// Takes one more for `client`. Returns `None` if it has the maximum.
    pub fn take(self: &Arc<Self>, client: &ClientKey) -> Option<Share> {
        let mut taken = self.lock();
        let taken = taken.entry(client.clone()).or_default();
        if *taken >= self.max {
            return None;
        }
        *taken += 1;
        Some(Share {
            shares: Arc::clone(self),
            client: client.clone(),
        })
    }

    /// A panic while the lock was held can't leave the counts in an invalid state.
    fn lock(&self) -> MutexGuard<'_, HashMap<ClientKey, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.shares.lock();
        if let Entry::Occupied(mut entry) = taken.entry(self.client.clone()) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(last: u8) -> ClientKey {
        ClientKey::at([192, 0, 2, last].into())
    }

    #[test]
    fn each_client_may_have_its_share_and_is_forgotten_when_it_has_nothing() {
        let shares = Shares::new(2);
        let one = shares.take(&client(1)).unwrap();
        let other = shares.take(&client(1)).unwrap();
        assert!(shares.take(&client(1)).is_none());
        let of_another = shares.take(&client(2));
        assert!(of_another.is_some());
        drop(one);
        let again = shares.take(&client(1)).unwrap();
        drop((other, again, of_another));
        assert!(shares.lock().is_empty());
    }

    #[test]
    fn a_share_is_rounded_up_so_that_everyone_has_at_least_one() {
        let of = |percent, max| Percent(percent).of(NonZeroUsize::new(max).unwrap());
        assert_eq!(of(25, 2000), 500);
        assert_eq!(of(25, 1), 1);
        assert_eq!(of(1, 250), 3);
        assert_eq!(of(99, usize::MAX), usize::MAX / 100 * 99 + 15);
    }
}
