//! Remembers which secrets were valid a moment ago, so that a busy client costs no query per request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::grants::Grant;
use super::scope::Scope;
use super::secret::SecretHash;

/// How long a secret counts as valid without another look at the database. A token that is revoked stops within this
/// time; docs/security.md and the documentation of the command promise that.
pub const MAX_AGE: Duration = Duration::from_secs(5);
/// How long the secret of an operator counts as valid while the database does not answer: long enough to see in the metrics
/// what is wrong. docs/security.md promises that it is no longer.
const MAX_AGE_IN_OUTAGE: Duration = Duration::from_mins(5);
/// How many secrets are remembered: a megabyte of memory.
const MAX_ENTRIES: usize = 10_000;

/// The secrets that were valid a moment ago. Invalid ones are not remembered, so that nobody can fill it with guesses.
#[derive(Debug, Default)]
pub struct GrantCache(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    entries: HashMap<SecretHash, Entry>,
    /// How often a secret was forgotten because it had ended.
    ended: u64,
}

/// When the database was asked about a secret.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    at: Instant,
    ended: u64,
}

#[derive(Debug)]
struct Entry {
    grant: Arc<Grant>,
    until: Instant,
    /// The same as `until`, unless it is the secret of an operator.
    until_in_outage: Instant,
}

impl Entry {
    fn new(grant: &Arc<Grant>, asked: Instant) -> Self {
        let at_most = |age: Duration| grant.valid_for.map_or(age, |left| left.min(age));
        let age_in_outage = if grant.scope == Scope::Operator {
            MAX_AGE_IN_OUTAGE
        } else {
            MAX_AGE
        };
        Self {
            grant: Arc::clone(grant),
            until: asked + at_most(MAX_AGE),
            until_in_outage: asked + at_most(age_in_outage),
        }
    }
}

impl GrantCache {
    /// Returns the grant of a secret that was valid a moment ago.
    pub fn find(&self, hash: &SecretHash) -> Option<Arc<Grant>> {
        self.find_valid(hash, |entry| entry.until)
    }

    /// Returns the grant of a secret of an operator that was valid some minutes ago. Use it only if the database can't say
    /// whether it still is.
    pub fn find_in_outage(&self, hash: &SecretHash) -> Option<Arc<Grant>> {
        self.find_valid(hash, |entry| entry.until_in_outage)
    }

    fn find_valid(
        &self,
        hash: &SecretHash,
        until: impl FnOnce(&Entry) -> Instant,
    ) -> Option<Arc<Grant>> {
        let now = Instant::now();
        self.with(|known| {
            let entry = known.entries.get(hash)?;
            (now < until(entry)).then(|| Arc::clone(&entry.grant))
        })
    }

    /// Call this before you ask the database about a secret that [`remember`](Self::remember) is then told about.
    pub fn ask(&self) -> Asked {
        let at = Instant::now();
        self.with(|Known { ended, .. }| Asked { at, ended: *ended })
    }

    /// Remembers what the database knows about a secret: its grant, or that it is not valid. Does not remember a grant if a
    /// session has ended since the database was asked, because it may be the one.
    pub fn remember(&self, hash: SecretHash, found: Option<&Arc<Grant>>, asked: Asked) {
        self.with(|Known { entries, ended }| {
            let Some(grant) = found else {
                entries.remove(&hash);
                return;
            };
            if entries.len() >= MAX_ENTRIES {
                entries.retain(|_, entry| asked.at < entry.until_in_outage);
            }
            if entries.len() < MAX_ENTRIES && *ended == asked.ended {
                entries.insert(hash, Entry::new(grant, asked.at));
            }
        });
    }

    /// Forgets a secret that has ended.
    pub fn end(&self, hash: &SecretHash) {
        self.with(|Known { entries, ended }| {
            entries.remove(hash);
            *ended += 1;
        });
    }

    fn with<T>(&self, access: impl FnOnce(&mut Known) -> T) -> T {
        access(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::super::secret::NewSecret;
    use super::*;

    fn hash() -> SecretHash {
        NewSecret::token().unwrap().hash
    }

    fn grant(valid_for: Option<Duration>) -> Arc<Grant> {
        with_scope(Scope::Full, valid_for)
    }

    fn with_scope(scope: Scope, valid_for: Option<Duration>) -> Arc<Grant> {
        Arc::new(Grant {
            token_name: "laptop".into(),
            scope,
            valid_for,
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_secret_is_remembered_for_five_seconds_and_never_beyond_its_expiry() {
        let cache = GrantCache::default();
        let second = Duration::from_secs(1);
        let (lasting, ending) = (hash(), hash());
        cache.remember(lasting, Some(&grant(None)), cache.ask());
        let ends_soon = grant(Some(2 * second));
        cache.remember(ending, Some(&ends_soon), cache.ask());
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
            cache.remember(hash(), Some(&grant(None)), cache.ask());
        }
        assert_eq!(cache.with(|known| known.entries.len()), MAX_ENTRIES);
        tokio::time::advance(MAX_AGE).await;
        let new = hash();
        cache.remember(new, Some(&grant(None)), cache.ask());
        assert!(cache.find(&new).is_some());
        assert_eq!(cache.with(|known| known.entries.len()), 1);
    }

    #[test]
    fn a_secret_can_be_forgotten() {
        let cache = GrantCache::default();
        let hash = hash();
        cache.remember(hash, Some(&grant(None)), cache.ask());
        cache.end(&hash);
        assert!(cache.find(&hash).is_none());
    }

    #[test]
    fn an_answer_from_before_the_end_of_a_session_is_not_remembered() {
        let cache = GrantCache::default();
        let hash = hash();
        let before = cache.ask();
        cache.end(&hash);
        cache.remember(hash, Some(&grant(None)), before);
        assert!(cache.find(&hash).is_none());
        cache.remember(hash, Some(&grant(None)), cache.ask());
        assert!(cache.find(&hash).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn without_the_database_only_an_operator_is_remembered_for_five_minutes() {
        let cache = GrantCache::default();
        let minute = Duration::from_mins(1);
        let operator = |valid_for| with_scope(Scope::Operator, valid_for);
        let [lasting, ending, revoked, full] = [(); 4].map(|()| hash());
        for (hash, grant) in [
            (lasting, operator(None)),
            (ending, operator(Some(2 * minute))),
            (revoked, operator(None)),
            (full, grant(None)),
        ] {
            cache.remember(hash, Some(&grant), cache.ask());
            assert!(cache.find_in_outage(&hash).is_some());
        }
        cache.remember(revoked, None, cache.ask());
        tokio::time::advance(minute).await;
        assert!(cache.find(&lasting).is_none());
        let is_known = |hash| cache.find_in_outage(&hash).is_some();
        assert_eq!([lasting, ending].map(is_known), [true, true]);
        assert_eq!([revoked, full].map(is_known), [false, false]);
        tokio::time::advance(minute).await;
        assert_eq!([lasting, ending].map(is_known), [true, false]);
        tokio::time::advance(3 * minute).await;
        assert!(!is_known(lasting));
    }
}
