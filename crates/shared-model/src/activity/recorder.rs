//! Counts in memory what this process does.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::tally::Tally;

/// Counts what this process has done since its last report. Clones share the counts.
#[derive(Debug, Clone, Default)]
pub struct Activity(Arc<Mutex<Tally>>);

impl Activity {
    /// Jobs were stored.
    pub fn accepted(&self, jobs: usize) {
        self.tally().accepted += jobs as u64;
    }

    /// The queue accepted messages.
    pub fn published(&self, messages: usize) {
        self.tally().published += messages as u64;
    }

    /// An attempt began. `wait` is the time since the job's acceptance, if it is the job's first attempt.
    pub fn started(&self, wait: Option<Duration>) {
        let mut tally = self.tally();
        tally.started += 1;
        if let Some(wait) = wait {
            tally.wait.record(wait);
        }
    }

    /// An attempt ended its job in SUCCESS, after this time.
    pub fn succeeded(&self, run: Duration) {
        let mut tally = self.tally();
        tally.succeeded += 1;
        tally.run.record(run);
    }

    /// An attempt ended its job in FAILURE, after this time.
    pub fn failed(&self, run: Duration) {
        let mut tally = self.tally();
        tally.failed += 1;
        tally.run.record(run);
    }

    /// Jobs ended in FAILURE while no attempt ran: they were overdue, or their attempts were used up.
    pub fn failed_waiting(&self, jobs: usize) {
        self.tally().failed += jobs as u64;
    }

    /// An attempt ended after this time, and another will follow.
    pub fn retried(&self, run: Duration) {
        let mut tally = self.tally();
        tally.retried += 1;
        tally.run.record(run);
    }

    /// Jobs ended in REVOKED.
    pub fn revoked(&self, jobs: usize) {
        self.tally().revoked += jobs as u64;
    }

    /// Returns what was counted, and begins again with nothing.
    pub fn take(&self) -> Tally {
        std::mem::take(&mut *self.tally())
    }

    /// Counts again what [`take`](Self::take) returned, because it could not be reported.
    pub fn put_back(&self, taken: &Tally) {
        self.tally().add(taken);
    }

    /// A panic while the lock was held can't leave these values in an invalid state.
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_reported_is_reported_later() {
        let activity = Activity::default();
        activity.accepted(2);
        activity.started(Some(Duration::from_millis(3)));
        activity.succeeded(Duration::from_millis(30));
        let taken = activity.take();
        assert!(activity.take().is_empty());
        activity.accepted(1);
        activity.put_back(&taken);
        let all = activity.take();
        assert_eq!((all.accepted, all.started, all.succeeded), (3, 1, 1));
        assert_eq!((all.wait.count(), all.run.count()), (1, 1));
    }
}
