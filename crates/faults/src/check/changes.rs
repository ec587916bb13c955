//! Checks the changes of the jobs, from the database's audit log.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use shared_model::job::JobStatus;

use super::Verdict;
use crate::database::JobChange;
use crate::history::{History, InjectedFault};

pub(super) fn check(
    history: &History,
    changes: &[JobChange],
    recovery: Duration,
    verdict: &mut Verdict,
) {
    let faults = Faults::of(&history.faults());
    for of_job in changes.chunk_by(|before, after| before.job_id == after.job_id) {
        for pair in of_job.windows(2) {
            let [before, after] = pair else { continue };
            check_step(before, after, verdict);
            if before.status == JobStatus::Started {
                let total = Duration::try_from_secs_f64(after.at - before.at).unwrap_or_default();
                verdict.longest_standstill = verdict.longest_standstill.max(total);
                let still = faults.standstill(before.at, after.at);
                verdict.longest_recovery = verdict.longest_recovery.max(still);
                if still > recovery {
                    let id = before.job_id;
                    verdict.add_violation(
                        "G5",
                        format!("{id} made no progress for {still:?} after the last fault was over; the limit is {recovery:?}"),
                    );
                }
            }
        }
    }
}

/// G4: the version grows, and a job that has ended changes only if it is redriven.
fn check_step(before: &JobChange, after: &JobChange, verdict: &mut Verdict) {
    let redriven = before.status == JobStatus::Failure
        && after.status == JobStatus::Pending
        && after.generation > before.generation;
    let went_back = after.version <= before.version
        || after.generation < before.generation
        || (after.attempt < before.attempt && !redriven)
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
        // The sweeper may end a job that never started, or give it a new generation.
        JobStatus::Pending => matches!(
            after,
            JobStatus::Pending | JobStatus::Started | JobStatus::Revoked | JobStatus::Failure
        ),
        JobStatus::Started => after != JobStatus::Pending,
        JobStatus::Retry => after != JobStatus::Pending && after != JobStatus::Success,
        JobStatus::Success | JobStatus::Failure | JobStatus::Revoked => false,
    }
}

/// The times at which each fault began and was healed, in seconds since 1970.
struct Faults(Vec<(f64, f64)>);

impl Faults {
    fn of(faults: &[InjectedFault]) -> Self {
        let seconds = |time: SystemTime| {
            time.duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_secs_f64()
        };
        let spans = faults
            .iter()
            .map(|fault| (seconds(fault.began), seconds(fault.healed)));
        Self(spans.collect())
    }

    /// Returns the time from one change to the next, counted from the end of the last fault in between.
    fn standstill(&self, from: f64, until: f64) -> Duration {
        let within = self
            .0
            .iter()
            .filter(|(began, healed)| *began <= until && *healed >= from);
        let counted_from = within.fold(from, |latest, (_, healed)| latest.max(*healed));
        Duration::try_from_secs_f64(until - counted_from).unwrap_or_default()
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
    fn the_version_must_grow() {
        let started = change(JobStatus::Started, 2, 1);
        assert_eq!(regressions(&started, &change(JobStatus::Success, 2, 1)), 1);
        assert_eq!(regressions(&started, &change(JobStatus::Success, 3, 1)), 0);
    }

    #[test]
    fn a_standstill_is_counted_from_the_end_of_the_last_fault() {
        let faults = Faults(vec![(1.0, 2.0), (3.0, 4.0), (9.0, 10.0)]);
        assert_eq!(faults.standstill(0.0, 6.0), Duration::from_secs(2));
        assert_eq!(faults.standstill(0.0, 3.5), Duration::ZERO);
        assert_eq!(faults.standstill(5.0, 8.0), Duration::from_secs(3));
    }
}
