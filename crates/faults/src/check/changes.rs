//! Checks the changes of the jobs, from the database's audit log.

use std::time::Duration;

use shared_model::job::JobStatus;

use super::Verdict;
use super::recovery::{Faults, Standing};
use crate::database::JobChange;
use crate::history::History;

pub(super) fn check(
    history: &History,
    changes: &[JobChange],
    recovery: Duration,
    verdict: &mut Verdict,
) {
    let mut faults = Faults::of(&history.faults());
    for of_job in changes.chunk_by(|before, after| before.job_id == after.job_id) {
        for pair in of_job.windows(2) {
            let [before, after] = pair else { continue };
            check_step(before, after, verdict);
            check_progress(before, after, &mut faults, recovery, verdict);
        }
    }
    verdict.faults = faults.recoveries();
}

/// G5: a running job continues soon after a fault is over.
fn check_progress(
    before: &JobChange,
    after: &JobChange,
    faults: &mut Faults,
    recovery: Duration,
    verdict: &mut Verdict,
) {
    let standing = match before.status {
        JobStatus::Started => Standing::Running,
        JobStatus::Pending => Standing::Waiting,
        // The next attempt begins after a pause that grows; the others have ended.
        JobStatus::Retry | JobStatus::Success | JobStatus::Failure | JobStatus::Revoked => return,
    };
    faults.note(standing, before.at, after.at);
    if standing == Standing::Waiting {
        return;
    }
    let still = faults.standstill(before.at, after.at);
    let total = Duration::try_from_secs_f64(after.at - before.at).unwrap_or_default();
    verdict.longest_standstill = verdict.longest_standstill.max(total);
    verdict.longest_recovery = verdict.longest_recovery.max(still);
    if still > recovery {
        let id = before.job_id;
        verdict.add_violation(
            "G5",
            format!("{id} made no progress for {still:?} after the last fault was over; the limit is {recovery:?}"),
        );
    }
}

/// G4: the version grows, a job that has ended changes only if it is redriven, and messages become stale by nothing else.
fn check_step(before: &JobChange, after: &JobChange, verdict: &mut Verdict) {
    let redriven = before.status == JobStatus::Failure
        && after.status == JobStatus::Pending
        && after.generation > before.generation;
    // A worker gives back an attempt that it has not begun.
    let unbegun = before.status == JobStatus::Started
        && after.status == JobStatus::Retry
        && after.attempt == before.attempt - 1;
    let went_back = after.version <= before.version
        || (after.generation != before.generation && !redriven)
        || (after.attempt < before.attempt && !redriven && !unbegun)
        || (before.status.is_terminal() && !redriven)
        || !(redriven || may_follow(before.status, after.status));
    if went_back {
        verdict.regressions += 1;
        verdict.add_violation(
            "G4",
            format!("the state of a job went back: {before:?}, then {after:?}"),
        );
    }
}

fn may_follow(before: JobStatus, after: JobStatus) -> bool {
    match before {
        // The sweeper may end a job that never started.
        JobStatus::Pending => matches!(
            after,
            JobStatus::Started | JobStatus::Revoked | JobStatus::Failure
        ),
        JobStatus::Started => after != JobStatus::Pending,
        JobStatus::Retry => after != JobStatus::Pending && after != JobStatus::Success,
        JobStatus::Success | JobStatus::Failure | JobStatus::Revoked => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(status: JobStatus, version: i64, generation: i32) -> JobChange {
        JobChange {
            job_id: uuid::Uuid::nil(),
            status,
            version,
            generation,
            attempt: 1,
            at: 0.0,
        }
    }

    fn regressions(before: &JobChange, after: &JobChange) -> usize {
        let mut verdict = Verdict::default();
        check_step(before, after, &mut verdict);
        verdict.regressions
    }

    #[test]
    fn a_job_that_has_ended_changes_only_if_it_is_redriven() {
        let failed = change(JobStatus::Failure, 3, 1);
        assert_eq!(regressions(&failed, &change(JobStatus::Started, 4, 1)), 1);
        assert_eq!(regressions(&failed, &change(JobStatus::Pending, 4, 2)), 0);
        let done = change(JobStatus::Success, 3, 1);
        assert_eq!(regressions(&done, &change(JobStatus::Pending, 4, 2)), 1);
        assert_eq!(regressions(&done, &change(JobStatus::Success, 4, 1)), 1);
    }

    #[test]
    fn only_an_operator_may_give_a_job_a_new_generation() {
        let started = change(JobStatus::Started, 2, 1);
        assert_eq!(regressions(&started, &change(JobStatus::Retry, 3, 2)), 1);
        assert_eq!(regressions(&started, &change(JobStatus::Retry, 3, 1)), 0);
    }

    #[test]
    fn the_version_must_grow() {
        let started = change(JobStatus::Started, 2, 1);
        assert_eq!(regressions(&started, &change(JobStatus::Success, 2, 1)), 1);
        assert_eq!(regressions(&started, &change(JobStatus::Success, 3, 1)), 0);
    }
}
