//! One look for jobs: what it searches for, and what later looks learn from it.

use std::time::Duration;

use diesel::PgConnection;
use shared_model::database::DatabaseError;
use shared_model::job::JobId;
use shared_model::job_store::claims::{self, Claim, ClaimOptions, EndedJob};
use tokio::time::Instant;
use uuid::Uuid;

use super::scan::{Pace, Scan};

/// How often a worker looks for jobs without being notified, in case a notification was lost, and how often it looks for
/// jobs whose backoff or claim has ended.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What the last look for jobs has left.
#[derive(Debug)]
pub(super) struct Look {
    scan: Scan,
    /// The searches for jobs whose backoff or claim has ended.
    due: Pace,
    /// A claim that jobs may have although the answer to its statement was lost, and until when they have it at least.
    pub(super) unanswered: Option<(Uuid, Instant)>,
    /// When the last search found fewer jobs than it was allowed to claim. Until a notification, another would find nothing.
    pub(super) exhausted_at: Option<Instant>,
}

/// What one look for jobs searches for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Search {
    options: ClaimOptions,
    /// The claim that the found jobs get.
    claim: Uuid,
    limit: i64,
    /// Whether to search for jobs whose backoff or claim has ended.
    is_for_due: bool,
    /// The job after which to search for jobs in PENDING, and whether that means all of them.
    after: JobId,
    is_full: bool,
}

/// What one look for jobs found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) claims: Vec<Claim>,
    pub(super) ended: Vec<EndedJob>,
    /// How many of the claims are on jobs whose backoff or claim had ended, and how long the search for those took.
    due: i64,
    due_took: Duration,
    /// How long the search for jobs in PENDING took.
    pending_took: Duration,
}

impl Search {
    /// Claims the jobs.
    pub(super) fn run(self, connection: &mut PgConnection) -> Result<Found, DatabaseError> {
        let Self {
            options,
            claim,
            limit,
            ..
        } = self;
        let mut found = Found::default();
        if self.is_for_due {
            let began = std::time::Instant::now();
            found.ended = claims::end_unclaimable(connection, options.max_attempts, None)?;
            found.claims = claims::claim_due(connection, options, claim, limit)?;
            found.due = i64::try_from(found.claims.len()).unwrap_or(limit);
            found.due_took = began.elapsed();
        }
        let missing = limit - found.due;
        if missing > 0 {
            let began = std::time::Instant::now();
            let pending = claims::claim_pending(connection, options, claim, self.after, missing)?;
            found.claims.extend(pending);
            found.pending_took = began.elapsed();
        }
        Ok(found)
    }
}

impl Look {
    pub(super) fn new() -> Self {
        Self {
            scan: Scan::new(),
            due: Pace::new(),
            unanswered: None,
            exhausted_at: None,
        }
    }

    /// Decides what to search for, and until when the claims last at least. Whether the search claims jobs is unknown until
    /// [`searched`](Self::searched) is called.
    pub(super) fn begin(&mut self, options: ClaimOptions, limit: i64) -> (Search, Instant) {
        // Claims last at least for the lease, counted from before the statement.
        let until = Instant::now() + options.lease;
        let (after, is_full) = self.scan.start();
        let search = Search {
            options,
            claim: Uuid::now_v7(),
            limit,
            is_for_due: self.due.is_time(),
            after,
            is_full,
        };
        self.unanswered = Some((search.claim, until));
        self.exhausted_at = None;
        (search, until)
    }

    /// Records what a search found.
    pub(super) fn searched(&mut self, search: Search, found: &Found) {
        self.unanswered = None;
        let count = i64::try_from(found.claims.len()).unwrap_or(search.limit);
        self.exhausted_at = (count < search.limit).then(Instant::now);
        if search.is_for_due {
            let may_be_more = found.due >= search.limit;
            let interval = if may_be_more {
                Duration::ZERO
            } else {
                LOOK_INTERVAL
            };
            self.due.searched(found.due_took, interval);
        }
        if search.is_full {
            self.scan.searched_in_full(found.pending_took);
        }
        if let Some(newest) = found.claims.iter().map(|claim| claim.created_at).max() {
            self.scan.claimed(newest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: ClaimOptions = ClaimOptions {
        lease: Duration::from_mins(1),
        max_attempts: 3,
        worker_id: None,
    };

    /// Makes a look that finds `due` of at most ten jobs whose backoff or claim had ended.
    fn search_for_due(look: &mut Look, due: i64, due_took: Duration) {
        let (search, _) = look.begin(OPTIONS, 10);
        assert!(search.is_for_due);
        let found = Found {
            due,
            due_took,
            ..Found::default()
        };
        look.searched(search, &found);
    }

    fn is_next_for_due(look: &mut Look) -> bool {
        look.begin(OPTIONS, 10).0.is_for_due
    }

    #[tokio::test(start_paused = true)]
    async fn jobs_that_are_due_again_are_searched_for_once_a_second_and_less_often_if_that_is_slow()
    {
        for (took_millis, rest_millis) in [(1, 1000), (500, 5000)] {
            let mut look = Look::new();
            search_for_due(&mut look, 3, Duration::from_millis(took_millis));
            tokio::time::advance(Duration::from_millis(rest_millis - 1)).await;
            assert!(!is_next_for_due(&mut look));
            tokio::time::advance(Duration::from_millis(1)).await;
            assert!(is_next_for_due(&mut look));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_quick_search_that_found_as_many_as_it_could_is_repeated_immediately() {
        let mut look = Look::new();
        search_for_due(&mut look, 10, Duration::from_millis(1));
        assert!(is_next_for_due(&mut look));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_search_for_due_jobs_does_not_keep_those_in_pending_waiting() {
        let mut look = Look::new();
        search_for_due(&mut look, 10, Duration::from_millis(300));
        assert!(!is_next_for_due(&mut look));
        tokio::time::advance(Duration::from_secs(3)).await;
        assert!(is_next_for_due(&mut look));
    }
}
