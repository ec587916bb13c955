//! A job's row, and every write to it: what `shared_model::job_store` does in SQL, as functions.
//!
//! Instead of times, a row has flags that say whether a moment has passed. Whoever uses a row decides when it does.

mod outbox;

pub use outbox::Outbox;

use crate::rules::{Flaw, Rules};

/// Names a claim. Each claim has a token of its own.
pub type Token = u8;

/// Where a job stands: the statuses of `shared_model::job::JobStatus`. The model repeats them because it shares no code
/// with what is compared with it, and depends on no database client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    /// Accepted, and no worker has begun it.
    Pending,
    /// Claimed by a worker.
    Started,
    /// Waits for another attempt.
    Retry,
    /// Has a result.
    Success,
    /// Failed for good, unless an operator redrives it.
    Failure,
    /// Cancelled.
    Revoked,
}

impl Status {
    /// Whether the job has ended.
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Success | Self::Failure | Self::Revoked => true,
            Self::Pending | Self::Started | Self::Retry => false,
        }
    }
}

/// A row of `calendar_jobs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each says whether a moment has passed, and they are independent"
)]
pub struct Row {
    /// Where the job stands.
    pub status: Status,
    /// Grows with every change that a client can see.
    pub version: u32,
    /// Grows when an operator redrives the job; older messages are then stale.
    pub generation: u8,
    /// Attempts that were claimed, except those that were given back.
    pub attempt: u8,
    /// The claim that a worker holds, or held when the job succeeded.
    pub claim: Option<Token>,
    /// Whether the lease of the claim has run out.
    pub lease_lapsed: bool,
    /// Whether the pause before the next attempt is over.
    pub retry_due: bool,
    /// Whether the message has to be sent.
    pub outbox: Outbox,
    /// How often the row was leased for sending, or its message postponed. A redrive counts too.
    pub sends: u8,
    /// Whether workers have seen, since the job was last sent or became due, that its message must be lost: the queue
    /// stayed empty, or a message that was sent much later has arrived.
    pub evidence: bool,
    /// Whether a client asked for the job to be cancelled.
    pub cancel_requested: bool,
    /// Results stored for it.
    pub results: u8,
}

/// The answer to a worker that tried to claim a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimed {
    /// The job now belongs to the worker.
    Begin,
    /// The job has ended or has another generation, so the message can be deleted.
    Stale,
    /// Another claim is valid, or the pause before the next attempt is not over.
    NotYet,
    /// No worker can ever claim the job: see [`Row::end_unclaimable`].
    Unclaimable,
}

impl Row {
    /// A new job. Its message is sent by the process that accepted it (`Leased`), by any relay (`Due`), or not at all
    /// because the table itself is the queue (`Nothing`).
    pub fn accepted(outbox: Outbox) -> Self {
        Self {
            status: Status::Pending,
            version: 1,
            generation: 1,
            attempt: 0,
            claim: None,
            lease_lapsed: false,
            retry_due: true,
            outbox,
            sends: u8::from(outbox == Outbox::Leased),
            evidence: false,
            cancel_requested: false,
            results: 0,
        }
    }

    /// Whether a worker may claim the job now, and none has it.
    pub fn is_waiting(&self) -> bool {
        match self.status {
            Status::Pending => true,
            Status::Retry => self.retry_due,
            Status::Started => self.lease_lapsed,
            Status::Success | Status::Failure | Status::Revoked => false,
        }
    }

    // --- a worker

    /// A worker that has a message of this generation claims the job under a token of its own. If it repeats a claim
    /// whose answer was lost, the attempt counts once.
    pub fn claim(
        &mut self,
        generation: u8,
        token: Token,
        max_attempts: u8,
        rules: Rules,
    ) -> Claimed {
        if self.status.is_terminal() || self.generation != generation {
            return Claimed::Stale;
        }
        let is_repeated = self.is_held_by(token);
        if !is_repeated {
            let leased = self.status == Status::Started && !self.lease_lapsed;
            let pausing = self.status == Status::Retry && !self.retry_due;
            if (leased && !rules.have(Flaw::ClaimIgnoresLease))
                || (pausing && !rules.have(Flaw::ClaimIgnoresPause))
            {
                return Claimed::NotYet;
            }
            if self.cancel_requested || self.attempt >= max_attempts {
                return Claimed::Unclaimable;
            }
            self.attempt += 1;
        }
        self.status = Status::Started;
        self.version += 1;
        self.claim = Some(token);
        self.lease_lapsed = false;
        self.retry_due = true;
        // the claim proves that a message has arrived
        self.outbox = Outbox::Nothing;
        self.evidence = false;
        Claimed::Begin
    }

    /// Ends a job that waits and that no worker can ever claim: it was cancelled and its worker is gone, or it has no
    /// attempts left. Returns the new status if it did.
    pub fn end_unclaimable(&mut self, max_attempts: u8, rules: Rules) -> Option<Status> {
        let only_started = rules.have(Flaw::UnclaimForgetsCancel);
        let cancelled = self.cancel_requested && (self.status == Status::Started || !only_started);
        let exhausted = self.attempt >= max_attempts;
        if !self.is_waiting() || !(cancelled || exhausted) {
            return None;
        }
        self.end(if cancelled {
            Status::Revoked
        } else {
            Status::Failure
        });
        Some(self.status)
    }

    /// Whether this claim is still the one that counts.
    pub fn is_held_by(&self, token: Token) -> bool {
        self.status == Status::Started && self.claim == Some(token)
    }

    fn accepts_write(&self, token: Token, rules: Rules) -> bool {
        self.is_held_by(token)
            || (self.status == Status::Started && rules.have(Flaw::WritesIgnoreClaim))
    }

    /// Extends the lease. Returns whether the claim still counts.
    pub fn renew(&mut self, token: Token) -> bool {
        let held = self.is_held_by(token);
        if held {
            self.lease_lapsed = false;
        }
        held
    }

    /// Stores the result. Returns whether the job has succeeded under this claim, now or before.
    pub fn complete(&mut self, token: Token, rules: Rules) -> bool {
        if self.accepts_write(token, rules) {
            self.end(Status::Success);
            self.results += 1;
        }
        self.status == Status::Success && self.claim == Some(token)
    }

    /// Sets the job to RETRY after a pause, or to REVOKED if it was cancelled. Returns the new status if the claim
    /// still counted.
    pub fn retry(&mut self, token: Token, rules: Rules) -> Option<Status> {
        if !self.accepts_write(token, rules) {
            return None;
        }
        if self.cancel_requested {
            self.end(Status::Revoked);
        } else {
            self.wait(Status::Retry);
            self.retry_due = false;
        }
        Some(self.status)
    }

    /// Ends the job in FAILURE. Returns whether the claim still counted.
    pub fn fail(&mut self, token: Token, rules: Rules) -> bool {
        let written = self.accepts_write(token, rules);
        if written {
            self.end(Status::Failure);
        }
        written
    }

    /// Ends the job in REVOKED, as a client asked. Returns whether the claim still counted.
    pub fn revoke(&mut self, token: Token, rules: Rules) -> bool {
        let written = self.accepts_write(token, rules);
        if written {
            self.end(Status::Revoked);
        }
        written
    }

    /// Gives back a claim whose attempt never began. Returns the new status if the claim still counted.
    pub fn unclaim(&mut self, token: Token, rules: Rules) -> Option<Status> {
        if !self.accepts_write(token, rules) {
            return None;
        }
        if self.cancel_requested && !rules.have(Flaw::UnclaimForgetsCancel) {
            self.end(Status::Revoked);
        } else {
            if !rules.have(Flaw::UnclaimKeepsAttempt) {
                self.attempt -= 1;
            }
            self.wait(Status::Retry);
        }
        Some(self.status)
    }

    // --- clients, the operator and the sweeps

    /// A client cancels the job: it ends if no worker has it, or else its worker is asked to stop.
    pub fn cancel(&mut self) {
        match self.status {
            Status::Pending | Status::Retry => {
                self.cancel_requested = true;
                self.end(Status::Revoked);
            }
            Status::Started if !self.cancel_requested => {
                self.cancel_requested = true;
                self.version += 1;
            }
            Status::Started | Status::Success | Status::Failure | Status::Revoked => {}
        }
    }

    /// The job's message of this generation is in the dead-letter queue. A job that has been claimed still has a worker
    /// or gets another message.
    pub fn give_up(&mut self, generation: u8, rules: Rules) {
        let applies = self.status == Status::Pending
            || (!self.status.is_terminal() && rules.have(Flaw::DeadLetterFailsAnyJob));
        if applies && self.generation == generation {
            self.end(Status::Failure);
        }
    }

    /// An operator redrives the job. Returns whether it had failed.
    pub fn redrive(&mut self, outbox: Outbox, rules: Rules) -> bool {
        let failed = self.status == Status::Failure;
        if failed {
            let sends = if rules.have(Flaw::RedriveKeepsSends) {
                self.sends
            } else {
                self.sends + 1
            };
            *self = Self {
                version: self.version + 1,
                generation: self.generation + 1,
                sends,
                ..Self::accepted(outbox)
            };
        }
        failed
    }

    /// Whether the sweep takes the job's message for lost.
    pub fn looks_lost(&self, rules: Rules) -> bool {
        if rules.have(Flaw::NoSweep) {
            return false;
        }
        let proven = self.evidence || rules.have(Flaw::TimeAloneMakesStale);
        proven && self.is_waiting() && self.outbox == Outbox::Nothing
    }

    /// The sweep puts the job back into the outbox.
    pub fn republish(&mut self, rules: Rules) {
        self.outbox = Outbox::Due;
        self.evidence = false;
        if rules.have(Flaw::TimeAloneMakesStale) {
            self.generation += 1;
            self.version += 1;
            if self.status == Status::Started {
                self.wait(Status::Retry);
            }
        }
    }

    /// The sweep fails the job because it was not completed in time. Returns whether it did.
    pub fn fail_overdue(&mut self) -> bool {
        let leased = self.status == Status::Started && !self.lease_lapsed;
        let failed = !self.status.is_terminal() && !leased;
        if failed {
            self.end(Status::Failure);
        }
        failed
    }

    // --- time

    /// The lease of the claim runs out.
    pub fn lease_lapses(&mut self) {
        self.lease_lapsed = true;
        self.evidence = false;
    }

    /// The pause before the next attempt is over.
    pub fn pause_ends(&mut self) {
        self.retry_due = true;
        self.evidence = false;
    }

    fn wait(&mut self, status: Status) {
        self.status = status;
        self.version += 1;
        self.claim = None;
        self.lease_lapsed = false;
        self.retry_due = true;
        self.evidence = false;
    }

    fn end(&mut self, status: Status) {
        self.status = status;
        if status != Status::Success {
            self.claim = None;
        }
        self.version += 1;
        self.lease_lapsed = false;
        self.outbox = Outbox::Nothing;
        self.evidence = false;
    }
}
