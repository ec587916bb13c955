//! Where the rates of clients are stored.

use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::{HashMapStateStore, ShrinkableKeyedStateStore};

use super::client::ClientKey;

/// How many clients are counted separately: about ten megabytes of memory.
const MAX_CLIENTS: usize = 100_000;

/// A map of clients that does not grow without limit. Further addresses are counted together, as one client.
#[derive(Debug, Default)]
pub(super) struct RateStore(HashMapStateStore<ClientKey>);

impl StateStore for RateStore {
    type Key = ClientKey;

    fn measure_and_replace<T, F, E>(&self, client: &ClientKey, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let is_surplus = matches!(client, ClientKey::Network(_)) && {
            let known = self.0.lock();
            known.len() >= MAX_CLIENTS && !known.contains_key(client)
        };
        let client = if is_surplus {
            &ClientKey::OtherNetworks
        } else {
            client
        };
        self.0.measure_and_replace(client, measure)
    }
}

impl ShrinkableKeyedStateStore<ClientKey> for RateStore {
    fn retain_recent(&self, drop_below: Nanos) {
        self.0.retain_recent(drop_below);
    }

    fn shrink_to_fit(&self) {
        ShrinkableKeyedStateStore::shrink_to_fit(&self.0);
    }

    fn len(&self) -> usize {
        ShrinkableKeyedStateStore::len(&self.0)
    }

    fn is_empty(&self) -> bool {
        ShrinkableKeyedStateStore::is_empty(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn addresses_beyond_the_maximum_are_counted_as_one_client() {
        let store = RateStore::default();
        let count = |client: &ClientKey| {
            let counted = store.measure_and_replace(client, |before| {
                Ok::<_, ()>((before.is_some(), Nanos::from(1)))
            });
            counted.unwrap()
        };
        let address = |number| ClientKey::at(Ipv4Addr::from_bits(number).into());
        let maximum = u32::try_from(MAX_CLIENTS).unwrap();
        for number in 0..maximum {
            assert!(!count(&address(number)));
        }
        assert!(!count(&address(maximum)), "the first of the others");
        for number in [maximum + 1, maximum + 2, 0] {
            assert!(count(&address(number)));
        }
        assert_eq!(store.len(), MAX_CLIENTS + 1);
        // nobody can choose the name of a token
        assert!(!count(&ClientKey::Token("laptop".into())));
    }
}
