//! From which job on the next claim searches for jobs in PENDING.
//!
//! A claim leaves a dead entry at the left edge of the index, which later searches skip over, until a vacuum removes it.
//! While some session holds a snapshot open, for example a backup, no vacuum can, and there may be millions. Then the search
//! begins shortly before the newest claimed job, and only now and then at the left edge, so that a job whose id is older
//! is found too: by an API process whose clock is slow, for example.

use std::time::Duration;

use shared_model::job::JobId;
use tokio::time::Instant;
use uuid::{Builder, Uuid};

/// A full search that takes longer than this is not repeated immediately.
const SLOW: Duration = Duration::from_millis(10);
/// Full searches take at most one part in this many of the time.
const FULL_SEARCH_SHARE: u32 = 10;
/// How much older than the newest claimed job a job may be and still be found by a short search: jobs are not committed in
/// the order of their ids.
const OVERLAP_MILLIS: u64 = 1000;

/// Decides where searches begin.
#[derive(Debug)]
pub(super) struct Scan {
    newest_claimed: JobId,
    next_full_search: Instant,
}

impl Scan {
    pub(super) fn new() -> Self {
        Self {
            newest_claimed: JobId(Uuid::nil()),
            next_full_search: Instant::now(),
        }
    }

    /// Returns the job after which to search, and whether that is a full search.
    pub(super) fn start(&self) -> (JobId, bool) {
        if Instant::now() >= self.next_full_search {
            (JobId(Uuid::nil()), true)
        } else {
            (shortly_before(self.newest_claimed), false)
        }
    }

    /// Records a full search, and how long it took.
    pub(super) fn searched_in_full(&mut self, took: Duration) {
        if took > SLOW {
            self.next_full_search = Instant::now() + took * FULL_SEARCH_SHARE;
        }
    }

    /// Records that a job was claimed.
    pub(super) fn claimed(&mut self, id: JobId) {
        self.newest_claimed = self.newest_claimed.max(id);
    }
}

/// Returns an id that is older than `id` by the overlap.
fn shortly_before(id: JobId) -> JobId {
    let Some(timestamp) = id.0.get_timestamp() else {
        return JobId(Uuid::nil());
    };
    let (seconds, nanos) = timestamp.to_unix();
    let millis = seconds * 1000 + u64::from(nanos) / 1_000_000;
    let earlier = millis.saturating_sub(OVERLAP_MILLIS);
    JobId(Builder::from_unix_timestamp_millis(earlier, &[0; 10]).into_uuid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_slow_full_search_is_followed_by_short_ones_for_ten_times_as_long() {
        let mut scan = Scan::new();
        let newest = JobId::new();
        scan.claimed(newest);
        assert_eq!(scan.start(), (JobId(Uuid::nil()), true));
        scan.searched_in_full(Duration::from_millis(200));
        let (after, is_full) = scan.start();
        assert!(!is_full && after > JobId(Uuid::nil()) && after < newest);
        tokio::time::advance(Duration::from_millis(2001)).await;
        assert!(scan.start().1);
    }

    #[tokio::test(start_paused = true)]
    async fn every_search_is_full_while_that_is_quick() {
        let mut scan = Scan::new();
        scan.claimed(JobId::new());
        scan.searched_in_full(Duration::from_millis(1));
        assert!(scan.start().1);
    }
}
