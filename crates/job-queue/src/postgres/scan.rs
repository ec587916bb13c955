//! How often to search for jobs, and from which job on.
//!
//! A claim leaves a dead entry at the left edge of the index, which later searches skip over, until a vacuum removes it.
//! While some session holds a snapshot open, for example a backup, no vacuum can, and there may be millions. Then the search
//! for jobs in PENDING begins shortly before the time at which the newest claimed job was accepted, and only now and then at
//! the left edge, so that a job is found too whose id is older, because the clock of its API is slow. The search for jobs
//! that are due again can't begin elsewhere, so it is made less often.

use std::time::Duration;

use chrono::{DateTime, Utc};
use shared_model::job::JobId;
use tokio::time::Instant;
use uuid::{Builder, Uuid};

/// A search that takes longer than this is not repeated immediately.
const SLOW: Duration = Duration::from_millis(10);
/// Slow searches take at most one part in this many of the time.
const SLOW_SHARE: u32 = 10;
/// But no search is put off for longer than this: it may have been slow because the database stood still.
const MAX_REST: Duration = Duration::from_secs(10);
/// How much older than the newest claimed job a job may be and still be found by a short search: jobs are not committed in
/// the order of their ids.
const OVERLAP_MILLIS: u64 = 1000;

/// When a search may be repeated.
#[derive(Debug)]
pub(super) struct Pace {
    next: Instant,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            next: Instant::now(),
        }
    }

    pub(super) fn is_time(&self) -> bool {
        Instant::now() >= self.next
    }

    /// Records a search, how long it took, and after which time there is a reason for another.
    pub(super) fn searched(&mut self, took: Duration, interval: Duration) {
        let rest = if took > SLOW {
            (took * SLOW_SHARE).min(MAX_REST)
        } else {
            Duration::ZERO
        };
        self.next = Instant::now() + rest.max(interval);
    }
}

/// Decides where searches for jobs in PENDING begin.
#[derive(Debug)]
pub(super) struct Scan {
    /// When the newest claimed job was accepted, by the clock of the database: that of one API may be fast, and then other
    /// APIs' jobs would seem old.
    newest_claimed: DateTime<Utc>,
    full_searches: Pace,
}

impl Scan {
    pub(super) fn new() -> Self {
        Self {
            newest_claimed: DateTime::UNIX_EPOCH,
            full_searches: Pace::new(),
        }
    }

    /// Returns the job after which to search, and whether that is a full search.
    pub(super) fn start(&self) -> (JobId, bool) {
        if self.full_searches.is_time() {
            (JobId(Uuid::nil()), true)
        } else {
            (shortly_before(self.newest_claimed), false)
        }
    }

    /// Records a full search, and how long it took.
    pub(super) fn searched_in_full(&mut self, took: Duration) {
        self.full_searches.searched(took, Duration::ZERO);
    }

    /// Records that a job was claimed that was accepted at this time.
    pub(super) fn claimed(&mut self, created_at: DateTime<Utc>) {
        self.newest_claimed = self.newest_claimed.max(created_at);
    }
}

/// Returns the smallest id of a job that was accepted at most the overlap before `created_at`.
fn shortly_before(created_at: DateTime<Utc>) -> JobId {
    let millis = u64::try_from(created_at.timestamp_millis()).unwrap_or(0);
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
        let (seconds, nanos) = newest.0.get_timestamp().unwrap().to_unix();
        let created_at = DateTime::from_timestamp(seconds.cast_signed(), nanos);
        scan.claimed(created_at.unwrap());
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
        scan.claimed(DateTime::UNIX_EPOCH);
        scan.searched_in_full(Duration::from_millis(1));
        assert!(scan.start().1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_search_is_repeated_after_its_interval_or_if_it_was_slow_after_ten_times_as_long() {
        let interval = Duration::from_secs(1);
        let millis = [
            (0, 1000),
            (10, 1000),
            (99, 1000),
            (500, 5000),
            (60_000, 10_000),
        ];
        for (took_millis, rest_millis) in millis {
            let mut pace = Pace::new();
            assert!(pace.is_time());
            pace.searched(Duration::from_millis(took_millis), interval);
            tokio::time::advance(Duration::from_millis(rest_millis - 1)).await;
            assert!(!pace.is_time(), "{took_millis} ms");
            tokio::time::advance(Duration::from_millis(1)).await;
            assert!(pace.is_time(), "{took_millis} ms");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_quick_search_without_an_interval_is_repeated_immediately() {
        let mut pace = Pace::new();
        pace.searched(SLOW, Duration::ZERO);
        assert!(pace.is_time());
    }
}
