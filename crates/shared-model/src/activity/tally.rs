//! The counts of some time.

use super::histogram::Histogram;

/// What one process or all of them did in some time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Jobs that were accepted.
    pub accepted: u64,
    /// Messages that the queue accepted. Always 0 with `postgres:`, where nothing is published.
    pub published: u64,
    /// Attempts that began.
    pub started: u64,
    /// Jobs that ended in SUCCESS.
    pub succeeded: u64,
    /// Jobs that ended in FAILURE.
    pub failed: u64,
    /// Attempts that will be followed by another one.
    pub retried: u64,
    /// Jobs that ended in REVOKED.
    pub revoked: u64,
    /// How long jobs waited from their acceptance to their first attempt.
    pub wait: Histogram,
    /// How long attempts took.
    pub run: Histogram,
}

impl Tally {
    /// Adds another tally.
    pub fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.published += other.published;
        self.started += other.started;
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.retried += other.retried;
        self.revoked += other.revoked;
        self.wait.add(&other.wait);
        self.run.add(&other.run);
    }

    /// Returns whether nothing happened.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
