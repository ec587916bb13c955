//! What no step may do.

use super::{Action, JOBS, MAX_ATTEMPTS, State};
use crate::row::{Row, Status};

/// A promise that a step can break. Whether every accepted job ends is checked by [`crate::liveness`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Promise {
    /// A job that has ended changes only if an operator redrives it.
    EndsAreFinal,
    /// While a claim is valid, only the worker that holds it decides what becomes of the job.
    ClaimsAreExclusive,
    /// No attempt begins before the pause after the last one is over.
    PausesAreKept,
    /// A job that a worker has claimed fails only after its last attempt.
    AttemptsAreUsed,
    /// The version grows with every change of the status, and never shrinks.
    VersionsGrow,
}

impl State {
    /// The first promise that this step breaks. The numbers of both states must be comparable.
    pub(super) fn broken_by(&self, action: Action, after: &Self) -> Option<Promise> {
        let redriven = matches!(action, Action::Redrive { .. });
        (0..JOBS).find_map(|job| {
            let (before, after) = (self.jobs[job]?, after.jobs[job]?);
            let replaced = before.claim != after.claim || after.status != Status::Started;
            if before.status.is_terminal() && before.status != after.status && !redriven {
                Some(Promise::EndsAreFinal)
            } else if self.is_held(job) && replaced && !self.is_by_holder(job, &before, action) {
                Some(Promise::ClaimsAreExclusive)
            } else if is_pausing(&before) && after.status == Status::Started {
                Some(Promise::PausesAreKept)
            } else if before.status != after.status && is_premature(&before, &after) {
                Some(Promise::AttemptsAreUsed)
            } else if after.version < before.version + u32::from(before.status != after.status) {
                Some(Promise::VersionsGrow)
            } else {
                None
            }
        })
    }

    /// Whether the step is one of the worker that holds a valid claim on the job.
    fn is_by_holder(&self, job: usize, row: &Row, action: Action) -> bool {
        let (Action::Complete {
            worker,
            job: of_job,
        }
        | Action::CompleteAnswerLost {
            worker,
            job: of_job,
        }
        | Action::Fail {
            worker,
            job: of_job,
        }
        | Action::Revoke {
            worker,
            job: of_job,
        }
        | Action::Unclaim {
            worker,
            job: of_job,
        }) = action
        else {
            return false;
        };
        let token = self.workers[worker][job].held().map(|held| held.token);
        of_job == job && token.is_some() && token == row.claim
    }
}

fn is_pausing(row: &Row) -> bool {
    row.status == Status::Retry && !row.retry_due
}

fn is_premature(before: &Row, after: &Row) -> bool {
    let claimed = matches!(before.status, Status::Started | Status::Retry) && before.attempt > 0;
    claimed && after.status == Status::Failure && before.attempt < MAX_ATTEMPTS
}
