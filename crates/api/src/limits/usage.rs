//! Limits on what is stored. The database is measured every few seconds, so a request costs nothing, and a limit can be
//! exceeded by what is stored between two measurements.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::reached::LimitReached;

/// Amounts of what is stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Jobs that have not ended.
    pub outstanding_jobs: u64,
    /// Todos.
    pub todos: u64,
    /// Feeds.
    pub feeds: u64,
    /// Bytes of the tables and their indexes.
    pub bytes: u64,
}

/// What may be stored, and what is.
#[derive(Debug)]
pub struct Usage {
    max: Amounts,
    measured: Mutex<Amounts>,
}

impl Usage {
    /// Returns limits for a database that has not been measured.
    pub fn new(max: Amounts) -> Self {
        Self {
            max,
            measured: Mutex::default(),
        }
    }

    /// Returns the maximum amounts.
    pub fn max(&self) -> Amounts {
        self.max
    }

    /// Replaces the measured amounts.
    pub fn set(&self, measured: Amounts) {
        *self.lock() = measured;
    }

    /// Checks that another job may be stored.
    ///
    /// # Errors
    /// Returns an error if too many jobs have not ended, or too much is stored.
    pub fn check_job(&self) -> Result<(), LimitReached> {
        let max = self.max.outstanding_jobs;
        self.check(|now| now.outstanding_jobs < max, LimitReached::Jobs(max))
    }

    /// Checks that another todo may be stored.
    ///
    /// # Errors
    /// Returns an error if there are too many todos, or too much is stored.
    pub fn check_todo(&self) -> Result<(), LimitReached> {
        let max = self.max.todos;
        self.check(|now| now.todos < max, LimitReached::Todos(max))
    }

    /// Checks that another feed may be stored.
    ///
    /// # Errors
    /// Returns an error if there are too many feeds, or too much is stored.
    pub fn check_feed(&self) -> Result<(), LimitReached> {
        let max = self.max.feeds;
        self.check(|now| now.feeds < max, LimitReached::Feeds(max))
    }

    fn check(
        &self,
        has_room: impl FnOnce(Amounts) -> bool,
        otherwise: LimitReached,
    ) -> Result<(), LimitReached> {
        let now = *self.lock();
        if now.bytes >= self.max.bytes {
            return Err(LimitReached::StoredBytes);
        }
        if has_room(now) {
            Ok(())
        } else {
            Err(otherwise)
        }
    }

    /// A panic while the lock was held can't leave the amounts in an invalid state.
    fn lock(&self) -> MutexGuard<'_, Amounts> {
        self.measured.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
