//! The rules of the job store, and flawed variants of them that the checker has to see through.

/// A rule that looks reasonable and breaks a promise. Some were in use before; `tests/it/flaws.rs` shows what each of
/// them breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flaw {
    /// A message counts as lost after a time, and the next one makes older messages stale.
    TimeAloneMakesStale,
    /// A worker's write names the job, but not the claim.
    WritesIgnoreClaim,
    /// A job can be claimed while another claim on it is valid.
    ClaimIgnoresLease,
    /// A job that waits for another attempt can be claimed before its pause is over.
    ClaimIgnoresPause,
    /// A dead letter fails every job that has not ended, instead of only jobs that no worker has claimed.
    DeadLetterFailsAnyJob,
    /// A job that was claimed and never begun does not get its attempt back.
    UnclaimKeepsAttempt,
    /// A job that was cancelled between its claim and the return of the claim waits for another attempt, and what can't be
    /// claimed is ended only if a worker left it running.
    UnclaimForgetsCancel,
    /// A redrive leaves the number of sends, so the relay's mark for the old message also counts for the new one.
    RedriveKeepsSends,
    /// A postponement leaves the number of sends, so the relay's mark for the message that was postponed also counts for
    /// the one that is still to be sent.
    PostponeKeepsSends,
    /// A relay marks a row whose lease another relay has taken over.
    MarkIgnoresSends,
    /// No sweep looks for lost messages.
    NoSweep,
}

/// The rules that the store follows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Rules(Option<Flaw>);

impl Rules {
    /// The rules of the service.
    pub const SOUND: Self = Self(None);

    /// The rules with one flaw.
    pub const fn with(flaw: Flaw) -> Self {
        Self(Some(flaw))
    }

    /// Whether the rules have this flaw.
    pub fn have(self, flaw: Flaw) -> bool {
        self.0 == Some(flaw)
    }
}
