//! What each operation does, in the database and in the model.

mod recovery;
mod requests;
mod worker;

use std::time::Duration;

use job_model::row::Row;
use proptest::test_runner::TestCaseError;
use shared_model::job::JobId;

use super::operation::Operation;
use super::world::World;
use crate::support::OPTIONS;

/// How long a retried job or a postponed message waits, if it waits.
const PAUSE: Duration = Duration::from_hours(1);

type Compared = Result<(), TestCaseError>;

fn max_attempts() -> u8 {
    u8::try_from(OPTIONS.max_attempts).unwrap()
}

impl World {
    /// Applies an operation to both sides, and compares the answers.
    pub(super) fn apply(&mut self, operation: &Operation) -> Compared {
        match operation {
            Operation::Accept { job, sender } => self.accept(*job, *sender),
            Operation::AcceptWithKey { job, key } => self.accept_with_key(*job, *key)?,
            Operation::Cancel { job } => self.cancel(*job)?,
            Operation::Take { limit } => self.take(*limit)?,
            Operation::MarkSent { messages } => self.mark_sent(messages),
            Operation::Release { messages } => self.release(messages),
            Operation::Postpone { messages, pause } => self.postpone(messages, *pause)?,
            Operation::ClaimPending { limit } => self.claim_pending(*limit)?,
            Operation::ClaimDue { limit } => self.claim_due(*limit)?,
            Operation::ClaimDelivered { messages } => self.claim_delivered(messages)?,
            Operation::FindClaimed(held) => self.find_claimed(*held)?,
            Operation::Renew { claims, done } => self.renew(claims, *done)?,
            Operation::Complete { claims } => self.complete(claims)?,
            Operation::Retry { claim, pause } => self.retry(*claim, *pause)?,
            Operation::Fail(held) => self.fail(*held)?,
            Operation::Revoke(held) => self.revoke(*held)?,
            Operation::Unclaim { claims } => self.unclaim(claims),
            Operation::EndUnclaimable { jobs } => self.end_unclaimable(jobs.as_deref())?,
            Operation::GiveUp { job, is_old } => self.give_up(*job, *is_old)?,
            Operation::Redrive { jobs } => self.redrive(jobs.as_deref())?,
            Operation::RepublishLost => self.republish_lost()?,
            Operation::FailOverdue => self.fail_overdue()?,
            Operation::LeaseEnds { .. }
            | Operation::PauseEnds { .. }
            | Operation::SendLeaseEnds { .. }
            | Operation::BecomesOverdue { .. }
            | Operation::EvidenceAppears { .. } => self.pass_time(operation),
        }
        Ok(())
    }

    fn count(&self, matches: impl Fn(&Row) -> bool) -> usize {
        self.rows
            .iter()
            .flatten()
            .filter(|row| matches(row))
            .count()
    }

    fn ids_of(&self, jobs: Option<&[usize]>) -> Option<Vec<JobId>> {
        jobs.map(|jobs| jobs.iter().map(|job| self.ids[*job]).collect())
    }
}
