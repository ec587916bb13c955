//! A check that many clients ask for, and that is run for all of them at most once in a while.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// A check, and its last result. However many ask for it, only one check runs at a time.
#[derive(Debug)]
pub struct SharedCheck<T> {
    max_age: Duration,
    last: Arc<Mutex<Option<(Instant, T)>>>,
}

impl<T: Clone + Send + 'static> SharedCheck<T> {
    /// Returns a check whose result is remembered for `max_age`.
    pub fn new(max_age: Duration) -> Self {
        Self {
            max_age,
            last: Arc::default(),
        }
    }

    /// Returns the last result if it is not too old, otherwise that of `check`. Returns `None` if `check` panics.
    pub async fn result(&self, check: impl Future<Output = T> + Send + 'static) -> Option<T> {
        let mut last = Arc::clone(&self.last).lock_owned().await;
        if let Some((at, result)) = &*last
            && at.elapsed() <= self.max_age
        {
            return Some(result.clone());
        }
        // a task, which goes on if its client does not wait for it, so that the next client does not start another check
        let checking = tokio::spawn(async move {
            let result = check.await;
            *last = Some((Instant::now(), result.clone()));
            result
        });
        checking.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;

    const MAX_AGE: Duration = Duration::from_secs(1);
    /// How long a check takes.
    const CHECK: Duration = Duration::from_secs(3);

    /// A check whose result is how often it has begun.
    struct Counted {
        check: SharedCheck<usize>,
        begun: Arc<AtomicUsize>,
    }

    impl Default for Counted {
        fn default() -> Self {
            Self {
                check: SharedCheck::new(MAX_AGE),
                begun: Arc::default(),
            }
        }
    }

    impl Counted {
        async fn result(&self) -> Option<usize> {
            let begun = Arc::clone(&self.begun);
            let check = async move {
                let number = begun.fetch_add(1, Ordering::Relaxed) + 1;
                tokio::time::sleep(CHECK).await;
                number
            };
            self.check.result(check).await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn everyone_who_asks_within_a_second_shares_one_check() {
        let counted = Counted::default();
        let results = join_all((0..500).map(|_| counted.result())).await;
        assert!(results.iter().all(|result| *result == Some(1)));
        tokio::time::advance(MAX_AGE).await;
        assert_eq!(counted.result().await, Some(1));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(counted.result().await, Some(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_its_client_does_not_wait_for_serves_the_next() {
        let counted = Counted::default();
        for _ in 0..10 {
            let impatient = tokio::time::timeout(CHECK / 100, counted.result());
            assert!(impatient.await.is_err());
        }
        assert_eq!(counted.result().await, Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_panics_is_tried_again() {
        let check = SharedCheck::new(MAX_AGE);
        assert_eq!(check.result(async { panic!("on purpose") }).await, None);
        assert_eq!(check.result(async { 7 }).await, Some(7));
    }
}
