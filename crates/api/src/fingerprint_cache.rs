//! Recent fingerprints of todos. Computing one reads all todos that a filter selects, so feeds with the same filter share
//! it, and a process computes one at a time.

use std::collections::HashMap;
use std::time::Duration;

use shared_model::todo::TodoFilter;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How old a fingerprint may be. A change may be noticed that much later.
const MAX_AGE: Duration = Duration::from_secs(10);
/// How many filters have a fingerprint here. Clients choose filters, and must not be able to fill the memory.
const MAX_FILTERS: usize = 256;

/// Recent fingerprints, by filter. Whoever computes one holds the lock: many slow computations leave the connections to
/// other requests.
#[derive(Debug, Default)]
pub struct FingerprintCache(Mutex<HashMap<TodoFilter, Fingerprint>>);

#[derive(Debug)]
struct Fingerprint {
    value: String,
    taken_at: Instant,
}

impl FingerprintCache {
    /// Returns the fingerprint of the todos that `filter` selects. Runs `compute` unless that was done within the last ten
    /// seconds.
    ///
    /// # Errors
    /// Returns the error of `compute`.
    pub async fn get<E>(
        &self,
        filter: &TodoFilter,
        compute: impl Future<Output = Result<String, E>>,
    ) -> Result<String, E> {
        let mut known = self.0.lock().await;
        known.retain(|_, fingerprint| fingerprint.taken_at.elapsed() < MAX_AGE);
        if let Some(recent) = known.get(filter) {
            return Ok(recent.value.clone());
        }
        let taken_at = Instant::now();
        let value = compute.await?;
        if known.len() < MAX_FILTERS {
            let value = value.clone();
            known.insert(filter.clone(), Fingerprint { value, taken_at });
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;

    /// Returns the fingerprint of a filter. `computed` counts the computations, each of which takes a second.
    async fn get(cache: &FingerprintCache, window: i32, computed: &AtomicUsize) -> String {
        let filter = TodoFilter {
            window: Some(window),
            ..TodoFilter::default()
        };
        let compute = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let number = computed.fetch_add(1, Ordering::Relaxed) + 1;
            Ok::<_, Infallible>(number.to_string())
        };
        cache.get(&filter, compute).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_fingerprint_is_computed_once_in_ten_seconds_for_any_number_of_callers() {
        let (cache, computed) = (FingerprintCache::default(), AtomicUsize::new(0));
        let callers = (0..100).map(|_| get(&cache, 1, &computed));
        assert!(join_all(callers).await.iter().all(|value| value == "1"));
        tokio::time::advance(Duration::from_millis(8_900)).await;
        assert_eq!(get(&cache, 1, &computed).await, "1");
        tokio::time::advance(Duration::from_millis(100)).await;
        assert_eq!(get(&cache, 1, &computed).await, "2");
    }

    #[tokio::test(start_paused = true)]
    async fn each_filter_has_a_fingerprint_of_its_own() {
        let (cache, computed) = (FingerprintCache::default(), AtomicUsize::new(0));
        assert_eq!(get(&cache, 1, &computed).await, "1");
        assert_eq!(get(&cache, 2, &computed).await, "2");
        assert_eq!(get(&cache, 1, &computed).await, "1");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_or_abandoned_computation_leaves_the_next_caller_to_compute() {
        let (cache, computed) = (FingerprintCache::default(), AtomicUsize::new(0));
        let filter = TodoFilter {
            window: Some(1),
            ..TodoFilter::default()
        };
        let failed = cache.get(&filter, async { Err("no database") }).await;
        assert_eq!(failed, Err("no database"));
        let soon = Duration::from_millis(500);
        let abandoned = tokio::time::timeout(soon, get(&cache, 1, &computed));
        assert!(abandoned.await.is_err());
        assert_eq!(get(&cache, 1, &computed).await, "1");
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_fingerprints_is_limited() {
        let cache = FingerprintCache::default();
        let limit = i32::try_from(MAX_FILTERS).unwrap();
        let get = async |window| {
            let filter = TodoFilter {
                window: Some(window),
                ..TodoFilter::default()
            };
            let compute = async { Ok::<_, Infallible>(window.to_string()) };
            cache.get(&filter, compute).await.unwrap()
        };
        for window in 0..2 * limit {
            assert_eq!(get(window).await, window.to_string());
        }
        assert_eq!(cache.0.lock().await.len(), MAX_FILTERS);
        tokio::time::advance(MAX_AGE).await;
        get(limit).await;
        assert_eq!(cache.0.lock().await.len(), 1);
    }
}
