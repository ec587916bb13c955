//! Remembers which secrets were valid a moment ago, so that a busy client costs no query per request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::grants::Grant;
use super::secret::SecretHash;

/// How long a secret counts as valid without another look at the database. A token that is revoked stops within this
/// time; docs/security.md and the documentation of the command promise that.
pub const MAX_AGE: Duration = Duration::from_secs(5);
/// How many secrets are remembered: a megabyte of memory.
const MAX_ENTRIES: usize = 10_000;

/// The secrets that were valid a moment ago. Invalid ones are not remembered, so that nobody can fill it with guesses.
#[derive(Debug, Default)]
pub struct GrantCache(Mutex<HashMap<SecretHash, Entry>>);

#[derive(Debug)]
struct Entry {
    grant: Arc<Grant>,
    until: Instant,
}

impl GrantCache {
    /// Returns the grant of a secret that was valid a moment ago.
    pub fn find(&self, hash: &SecretHash) -> Option<Arc<Grant>> {
        let now = Instant::now();
        self.with(|entries| {
            let entry = entries.get(hash).filter(|entry| now < entry.until)?;
            Some(Arc::clone(&entry.grant))
        })
    }

    /// Remembers a grant that was requested from the database at `asked`.
    pub fn insert(&self, hash: SecretHash, grant: Arc<Grant>, asked: Instant) {
        let until = asked + grant.valid_for.map_or(MAX_AGE, |left| left.min(MAX_AGE));
        self.with(|entries| {
            if entries.len() >= MAX_ENTRIES {
                entries.retain(|_, entry| asked < entry.until);
            }
            if entries.len() < MAX_ENTRIES {
                entries.insert(hash, Entry { grant, until });
            }
        });
    }

    /// Forgets a secret.
    pub fn remove(&self, hash: &SecretHash) {
        self.with(|entries| entries.remove(hash));
    }

    fn with<T>(&self, access: impl FnOnce(&mut HashMap<SecretHash, Entry>) -> T) -> T {
        access(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::super::scope::Scope;
    use super::super::secret::NewSecret;
    use super::*;

    fn hash() -> SecretHash {
        NewSecret::token().unwrap().hash
    }

    fn grant(valid_for: Option<Duration>) -> Arc<Grant> {
        Arc::new(Grant {
            token_name: "laptop".into(),
            scope: Scope::Full,
            valid_for,
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_secret_is_remembered_for_five_seconds_and_never_beyond_its_expiry() {
        let cache = GrantCache::default();
        let second = Duration::from_secs(1);
        let (lasting, ending) = (hash(), hash());
        cache.insert(lasting, grant(None), Instant::now());
        cache.insert(ending, grant(Some(2 * second)), Instant::now());
        assert!(cache.find(&lasting).is_some() && cache.find(&ending).is_some());
        tokio::time::advance(2 * second).await;
        assert!(cache.find(&lasting).is_some() && cache.find(&ending).is_none());
        tokio::time::advance(3 * second).await;
        assert!(cache.find(&lasting).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn the_memory_is_bounded_and_recovers() {
        let cache = GrantCache::default();
        for _ in 0..=MAX_ENTRIES {
            cache.insert(hash(), grant(None), Instant::now());
        }
        assert_eq!(cache.with(|entries| entries.len()), MAX_ENTRIES);
        tokio::time::advance(MAX_AGE).await;
        let new = hash();
        cache.insert(new, grant(None), Instant::now());
        assert!(cache.find(&new).is_some());
        assert_eq!(cache.with(|entries| entries.len()), 1);
    }

    #[test]
    fn a_secret_can_be_forgotten() {
        let cache = GrantCache::default();
        let hash = hash();
        cache.insert(hash, grant(None), Instant::now());
        cache.remove(&hash);
        assert!(cache.find(&hash).is_none());
    }
}
