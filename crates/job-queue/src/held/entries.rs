//! The messages that this worker holds.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use shared_model::job::JobId;
use tokio::time::Instant;

use crate::subscription::{BatchOutcome, Receipt};

/// What a message contains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// A reference to a generation of a job.
    Job(JobId, i32),
    /// The body of a message that can't be read.
    Unreadable(Vec<u8>),
}

/// The messages that this worker has received and that have not left it.
#[derive(Debug, Default)]
pub(super) struct Entries(Mutex<HashMap<Receipt, Entry>>);

#[derive(Debug)]
struct Entry {
    content: Content,
    /// When the visibility timeout ends.
    until: Instant,
    /// Whether a call to the broker is under way that settles or returns it.
    is_leaving: bool,
}

impl Entries {
    /// Adds a message.
    pub(super) fn add(&self, receipt: Receipt, content: Content, until: Instant) {
        let entry = Entry {
            content,
            until,
            is_leaving: false,
        };
        self.lock().insert(receipt, entry);
    }

    /// Lets the visibility timeout of a message end later. Returns `false` if this worker no longer holds it.
    pub(super) fn extend(&self, receipt: &Receipt, until: Instant) -> bool {
        match self.lock().get_mut(receipt) {
            Some(entry) => {
                entry.until = until;
                true
            }
            None => false,
        }
    }

    /// Returns what the message contains that is about to be settled or returned; `None` if this worker does not hold it, or
    /// another call does that already. The call has to be followed by [`end`](Self::end).
    pub(super) fn begin(&self, receipt: &Receipt) -> Option<Content> {
        let mut entries = self.lock();
        let entry = entries.get_mut(receipt).filter(|entry| !entry.is_leaving)?;
        entry.is_leaving = true;
        Some(entry.content.clone())
    }

    /// As [`begin`](Self::begin), for all messages whose visibility timeout has ended.
    pub(super) fn begin_overdue(&self, now: Instant) -> Vec<(Receipt, Content)> {
        let mut entries = self.lock();
        let overdue = entries
            .iter_mut()
            .filter(|(_, entry)| !entry.is_leaving && entry.until <= now);
        overdue
            .map(|(receipt, entry)| {
                entry.is_leaving = true;
                (receipt.clone(), entry.content.clone())
            })
            .collect()
    }

    /// Forgets a message, unless the call for it has failed.
    pub(super) fn end(&self, receipt: &Receipt, outcome: &BatchOutcome) {
        let mut entries = self.lock();
        match outcome {
            BatchOutcome::Done | BatchOutcome::Lost => {
                entries.remove(receipt);
            }
            BatchOutcome::Failed(_) => {
                if let Some(entry) = entries.get_mut(receipt) {
                    entry.is_leaving = false;
                }
            }
        }
    }

    /// A panic while the lock was held can't leave an entry half-written.
    fn lock(&self) -> MutexGuard<'_, HashMap<Receipt, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
