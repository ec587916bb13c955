//! How the workers learn of a new job: the relay sends a message, or, if the workers claim jobs from the table, a
//! notification says that there is one.

use chrono::{DateTime, Utc};
use shared_model::job::JobId;
use shared_model::job_store::requests::Sender;
use shared_model::notifier::Notifier;
use shared_model::trace::TraceContext;

use crate::background::relay::{InboxSlots, RelayInbox};

/// Announces new jobs to the workers.
#[derive(Debug, Clone)]
pub enum Dispatch {
    /// The workers claim jobs from the table.
    Notify(Notifier),
    /// The relay of this process sends a message for each job.
    Relay(RelayInbox),
}

/// What has been prepared for the announcement of jobs that are about to be stored.
#[derive(Debug)]
pub enum Announcement<'a> {
    /// The workers will be notified.
    Notify(&'a Notifier),
    /// The relay of this process has kept a place for each message.
    Relay(InboxSlots<'a>),
    /// The relay's memory has no room for these messages. The relay takes them from the table later.
    Table(&'a RelayInbox),
}

impl Dispatch {
    /// Prepares the announcement of `count` jobs. Call it before they are stored.
    pub fn prepare(&self, count: usize) -> Announcement<'_> {
        match self {
            Self::Notify(notifier) => Announcement::Notify(notifier),
            Self::Relay(inbox) => match inbox.reserve(count) {
                Some(slots) => Announcement::Relay(slots),
                None => Announcement::Table(inbox),
            },
        }
    }

    /// Returns the sender of a job that is stored in a longer transaction, and announced with
    /// [`job_in_table`](Self::job_in_table).
    pub fn table_sender(&self) -> Sender {
        match self {
            Self::Notify(_) => Sender::Nobody,
            Self::Relay(_) => Sender::AnyRelay,
        }
    }

    /// Announces a job that was stored with [`table_sender`](Self::table_sender).
    pub fn job_in_table(&self) {
        match self {
            Self::Notify(notifier) => notifier.job_due(),
            Self::Relay(inbox) => inbox.look_into_table(),
        }
    }
}

impl Announcement<'_> {
    /// Returns the sender with which the jobs have to be stored.
    pub fn sender(&self) -> Sender {
        match self {
            Self::Notify(_) => Sender::Nobody,
            Self::Relay(_) => Sender::ThisProcess,
            Self::Table(_) => Sender::AnyRelay,
        }
    }

    /// Announces the jobs, which were stored with these traces at `accepted_at`.
    pub fn stored(
        self,
        jobs: impl IntoIterator<Item = (JobId, Option<TraceContext>)>,
        accepted_at: DateTime<Utc>,
    ) {
        match self {
            Self::Notify(notifier) => notifier.job_due(),
            Self::Relay(slots) => slots.fill(jobs, accepted_at),
            Self::Table(inbox) => inbox.look_into_table(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_that_find_no_place_in_the_inbox_are_left_to_any_relay() {
        let (inbox, reader) = RelayInbox::new();
        let dispatch = Dispatch::Relay(inbox);
        assert_eq!(dispatch.prepare(256).sender(), Sender::ThisProcess);
        assert_eq!(dispatch.prepare(1_000_000).sender(), Sender::AnyRelay);
        drop(reader);
        assert_eq!(dispatch.prepare(1).sender(), Sender::AnyRelay);
    }
}
