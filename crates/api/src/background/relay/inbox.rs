//! Hands the messages of new jobs to the relay of the same process, in memory.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use shared_model::job::JobId;
use shared_model::job_store::outbox::{SEND_LEASE_SECONDS, SendKey};
use shared_model::message::{JobMessage, MESSAGE_VERSION, OutboundMessage};
use shared_model::trace::TraceContext;
use tokio::sync::Notify;
use tokio::sync::mpsc::{self, PermitIterator};
use tokio::time::Instant;

/// How many messages wait in memory at most. While the queue is down, further messages stay in the table.
const CAPACITY: usize = 10_000;

/// A message that this process has leased.
#[derive(Debug)]
pub(super) struct LeasedMessage {
    pub(super) outbound: OutboundMessage,
    /// No later than the beginning of the lease.
    leased_at: Instant,
}

impl LeasedMessage {
    /// `leased_at` is a time before the statement that leased the message.
    pub(super) fn new(outbound: OutboundMessage, leased_at: Instant) -> Self {
        Self {
            outbound,
            leased_at,
        }
    }

    pub(super) fn key(&self) -> SendKey {
        SendKey::from(&self.outbound)
    }

    /// Whether enough of the lease is left to send the message and to record that.
    pub(super) fn is_fresh(&self) -> bool {
        self.leased_at.elapsed() < Duration::from_secs_f64(SEND_LEASE_SECONDS / 2.0)
    }
}

/// Accepts messages for the relay. Clones share one inbox.
#[derive(Debug, Clone)]
pub struct RelayInbox {
    messages: mpsc::Sender<LeasedMessage>,
    table_has_more: Arc<Notify>,
}

/// The relay's end of the inbox.
#[derive(Debug)]
pub struct InboxReader {
    pub(super) messages: mpsc::Receiver<LeasedMessage>,
    pub(super) table_has_more: Arc<Notify>,
}

/// Places in the inbox for the messages of jobs that are about to be stored.
#[derive(Debug)]
pub struct InboxSlots<'a> {
    permits: PermitIterator<'a, LeasedMessage>,
    reserved_at: Instant,
}

impl RelayInbox {
    /// Creates an inbox, and the end that the relay reads.
    pub fn new() -> (Self, InboxReader) {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        let table_has_more = Arc::new(Notify::new());
        let reader = InboxReader {
            messages: receiver,
            table_has_more: Arc::clone(&table_has_more),
        };
        let inbox = Self {
            messages: sender,
            table_has_more,
        };
        (inbox, reader)
    }

    /// Reserves a place for each of `count` messages. Returns `None` if the inbox has less room, or if the relay has
    /// ended.
    pub fn reserve(&self, count: usize) -> Option<InboxSlots<'_>> {
        Some(InboxSlots {
            permits: self.messages.try_reserve_many(count).ok()?,
            reserved_at: Instant::now(),
        })
    }

    /// Tells the relay that there is a message for it in the table.
    pub fn look_into_table(&self) {
        self.table_has_more.notify_one();
    }
}

impl InboxSlots<'_> {
    /// Hands over the messages of new jobs, which were stored with these traces at `accepted_at`.
    pub fn fill(
        self,
        jobs: impl IntoIterator<Item = (JobId, Option<TraceContext>)>,
        accepted_at: DateTime<Utc>,
    ) {
        for (permit, (job_id, traceparent)) in self.permits.zip(jobs) {
            let message = JobMessage {
                v: MESSAGE_VERSION,
                job_id,
                generation: 1,
                enqueued_at: accepted_at,
                traceparent,
            };
            let outbound = OutboundMessage { message, sends: 1 };
            permit.send(LeasedMessage::new(outbound, self.reserved_at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_message_is_sent_only_in_the_first_half_of_its_lease() {
        let (inbox, mut reader) = RelayInbox::new();
        let slots = inbox.reserve(1).unwrap();
        slots.fill([(JobId::new(), None)], DateTime::UNIX_EPOCH);
        let message = reader.messages.try_recv().unwrap();
        assert!(message.is_fresh());
        tokio::time::advance(Duration::from_secs_f64(SEND_LEASE_SECONDS / 2.0)).await;
        assert!(!message.is_fresh());
    }

    #[test]
    fn a_place_that_is_not_used_is_free_again() {
        let (inbox, _reader) = RelayInbox::new();
        let all = inbox.reserve(CAPACITY).unwrap();
        assert!(inbox.reserve(1).is_none());
        drop(all);
        assert!(inbox.reserve(1).is_some());
    }
}
