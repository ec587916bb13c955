//! Limits on what is stored. The database is measured in the background, so a request only compares numbers. What this
//! process has stored since then is added to what was measured.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::reached::LimitReached;

/// How old the last measurement may be. Once it is older, nothing is created.
pub const MAX_AGE: Duration = Duration::from_mins(2);

/// How much may be stored.
#[derive(Debug, Clone, Copy)]
pub struct MaxAmounts {
    /// Jobs that have not ended.
    pub outstanding_jobs: u64,
    /// Jobs that have not ended and were requested with the same token.
    pub jobs_per_token: u64,
    /// Todos.
    pub todos: u64,
    /// Feeds.
    pub feeds: u64,
    /// Bytes of the tables and their indexes.
    pub bytes: u64,
}

/// Amounts of what is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Jobs that have not ended.
    pub outstanding_jobs: u64,
    /// Those of them that were requested with each token, by its name.
    pub jobs_by_token: HashMap<Arc<str>, u64>,
    /// Todos.
    pub todos: u64,
    /// Feeds.
    pub feeds: u64,
    /// Bytes of the tables and their indexes.
    pub bytes: u64,
}

impl Amounts {
    fn jobs_of(&self, token: &str) -> u64 {
        self.jobs_by_token.get(token).copied().unwrap_or(0)
    }
}

/// What may be stored, and what is.
#[derive(Debug)]
pub struct Usage {
    max: MaxAmounts,
    stored: Mutex<Stored>,
}

/// What is known about the amounts.
#[derive(Debug, Default)]
struct Stored {
    measured: Amounts,
    /// What this process has stored since that measurement began.
    added: Amounts,
    /// What this process has stored since the measurement began that is running now.
    added_meanwhile: Amounts,
    /// When that measurement began or, until one succeeds, when the first one began.
    as_of: Option<Instant>,
}

impl Stored {
    fn amount(&self, of: impl Fn(&Amounts) -> u64) -> u64 {
        of(&self.measured).saturating_add(of(&self.added))
    }

    fn add(&mut self, add: impl Fn(&mut Amounts)) {
        add(&mut self.added);
        add(&mut self.added_meanwhile);
    }

    /// Returns whether half of the room that was measured is used up.
    fn is_half_full(&self, max: u64, of: impl Fn(&Amounts) -> u64) -> bool {
        let room = max.saturating_sub(of(&self.measured));
        of(&self.added).saturating_mul(2) >= room
    }
}

impl Usage {
    /// Returns limits for a database that has not been measured.
    pub fn new(max: MaxAmounts) -> Self {
        Self {
            max,
            stored: Mutex::default(),
        }
    }

    /// Returns the maximum amounts.
    pub fn max(&self) -> MaxAmounts {
        self.max
    }

    /// Begins a measurement. Until one succeeds, the last one counts, for at most [`MAX_AGE`].
    pub fn begin_measurement(&self) -> Instant {
        let now = Instant::now();
        let mut stored = self.lock();
        stored.as_of.get_or_insert(now);
        stored.added_meanwhile = Amounts::default();
        now
    }

    /// Replaces the amounts with those of the measurement that began at `begun`, the last one that did.
    pub fn set(&self, begun: Instant, measured: Amounts) {
        let mut stored = self.lock();
        stored.as_of = Some(begun);
        stored.measured = measured;
        stored.added = std::mem::take(&mut stored.added_meanwhile);
    }

    /// Returns whether a limit may be reached soon, or is reached, so that it is time for another measurement.
    pub fn is_filling_up(&self) -> bool {
        let (max, stored) = (self.max, self.lock());
        let mut tokens = stored.added.jobs_by_token.keys();
        stored.is_half_full(max.outstanding_jobs, |now| now.outstanding_jobs)
            || stored.is_half_full(max.todos, |now| now.todos)
            || stored.is_half_full(max.feeds, |now| now.feeds)
            || tokens.any(|token| stored.is_half_full(max.jobs_per_token, |now| now.jobs_of(token)))
    }

    /// Checks that another job may be stored, for a request with this token.
    ///
    /// # Errors
    /// Returns an error if too many jobs have not ended, or too much is stored.
    pub fn check_job(&self, token: Option<&str>) -> Result<(), LimitReached> {
        let max = self.max.outstanding_jobs;
        let stored = self.check_storage()?;
        if stored.amount(|now| now.outstanding_jobs) >= max {
            return Err(LimitReached::Jobs(max));
        }
        let max = self.max.jobs_per_token;
        let of_token = token.map(|token| stored.amount(|now| now.jobs_of(token)));
        if of_token.is_some_and(|jobs| jobs >= max) {
            return Err(LimitReached::JobsOfToken(max));
        }
        Ok(())
    }

    /// Counts a new job, which was requested with this token.
    pub fn add_job(&self, token: Option<&Arc<str>>) {
        self.lock().add(|added| {
            added.outstanding_jobs += 1;
            if let Some(token) = token {
                *added.jobs_by_token.entry(Arc::clone(token)).or_default() += 1;
            }
        });
    }

    /// Checks that another todo may be stored.
    ///
    /// # Errors
    /// Returns an error if there are too many todos, or too much is stored.
    pub fn check_todo(&self) -> Result<(), LimitReached> {
        let max = self.max.todos;
        if self.check_storage()?.amount(|now| now.todos) >= max {
            return Err(LimitReached::Todos(max));
        }
        Ok(())
    }

    /// Counts a new todo.
    pub fn add_todo(&self) {
        self.lock().add(|added| added.todos += 1);
    }

    /// Checks that another feed may be stored.
    ///
    /// # Errors
    /// Returns an error if there are too many feeds, or too much is stored.
    pub fn check_feed(&self) -> Result<(), LimitReached> {
        let max = self.max.feeds;
        if self.check_storage()?.amount(|now| now.feeds) >= max {
            return Err(LimitReached::Feeds(max));
        }
        Ok(())
    }

    /// Counts a new feed.
    pub fn add_feed(&self) {
        self.lock().add(|added| added.feeds += 1);
    }

    fn check_storage(&self) -> Result<MutexGuard<'_, Stored>, LimitReached> {
        let stored = self.lock();
        if stored.as_of.is_some_and(|begun| begun.elapsed() > MAX_AGE) {
            return Err(LimitReached::NotMeasured);
        }
        if stored.measured.bytes >= self.max.bytes {
            return Err(LimitReached::StoredBytes);
        }
        Ok(stored)
    }

    /// A panic while the lock was held can't leave the amounts in an invalid state.
    fn lock(&self) -> MutexGuard<'_, Stored> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: MaxAmounts = MaxAmounts {
        outstanding_jobs: 10,
        jobs_per_token: 4,
        todos: 10,
        feeds: 10,
        bytes: 100,
    };

    fn measure(usage: &Usage, outstanding_jobs: u64) {
        let begun = usage.begin_measurement();
        let measured = Amounts {
            outstanding_jobs,
            ..Amounts::default()
        };
        usage.set(begun, measured);
    }

    #[tokio::test]
    async fn what_is_stored_between_two_measurements_counts() {
        let usage = Usage::new(MAX);
        measure(&usage, 8);
        for _ in 0..2 {
            assert_eq!(usage.check_job(None), Ok(()));
            usage.add_job(None);
        }
        assert_eq!(usage.check_job(None), Err(LimitReached::Jobs(10)));
        // the measurement has found them, and that some have ended
        measure(&usage, 9);
        assert_eq!(usage.check_job(None), Ok(()));
        for _ in 0..10 {
            assert_eq!((usage.check_todo(), usage.check_feed()), (Ok(()), Ok(())));
            usage.add_todo();
            usage.add_feed();
        }
        assert_eq!(usage.check_todo(), Err(LimitReached::Todos(10)));
        assert_eq!(usage.check_feed(), Err(LimitReached::Feeds(10)));
    }

    #[tokio::test]
    async fn what_is_stored_during_a_measurement_counts_in_addition_to_its_result() {
        let usage = Usage::new(MAX);
        usage.add_job(None);
        let begun = usage.begin_measurement();
        usage.add_job(None);
        let measured = Amounts {
            outstanding_jobs: 9,
            ..Amounts::default()
        };
        usage.set(begun, measured);
        assert_eq!(usage.check_job(None), Err(LimitReached::Jobs(10)));
    }

    #[tokio::test]
    async fn a_token_at_its_limit_does_not_hold_up_others() {
        let usage = Usage::new(MAX);
        let (one, other): (Arc<str>, Arc<str>) = ("one".into(), "other".into());
        let begun = usage.begin_measurement();
        let measured = Amounts {
            outstanding_jobs: 3,
            jobs_by_token: HashMap::from([(Arc::clone(&one), 3)]),
            ..Amounts::default()
        };
        usage.set(begun, measured);
        assert_eq!(usage.check_job(Some(&one)), Ok(()));
        usage.add_job(Some(&one));
        assert_eq!(
            usage.check_job(Some(&one)),
            Err(LimitReached::JobsOfToken(4))
        );
        assert_eq!(usage.check_job(Some(&other)), Ok(()));
        assert_eq!(usage.check_job(None), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_created_while_the_last_measurement_is_too_old() {
        let usage = Usage::new(MAX);
        tokio::time::advance(2 * MAX_AGE).await;
        assert_eq!(usage.check_job(None), Ok(()), "the process is starting");
        usage.begin_measurement();
        tokio::time::advance(MAX_AGE).await;
        usage.begin_measurement();
        assert_eq!(usage.check_job(None), Ok(()));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(usage.check_job(None), Err(LimitReached::NotMeasured));
        assert_eq!(usage.check_todo(), Err(LimitReached::NotMeasured));
        assert_eq!(usage.check_feed(), Err(LimitReached::NotMeasured));
        measure(&usage, 0);
        assert_eq!(usage.check_job(None), Ok(()));
    }

    #[tokio::test]
    async fn another_measurement_is_due_when_half_of_the_room_is_used_up() {
        let token: Arc<str> = "token".into();
        for (measured, without, with) in [(0, 5, 2), (8, 1, 1), (10, 0, 0)] {
            for (token, added) in [(None, without), (Some(&token), with)] {
                let usage = Usage::new(MAX);
                measure(&usage, measured);
                for _ in 0..added {
                    assert!(!usage.is_filling_up(), "{measured} {token:?}");
                    usage.add_job(token);
                }
                assert!(usage.is_filling_up(), "{measured} {token:?}");
            }
        }
    }
}
