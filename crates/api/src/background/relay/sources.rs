//! Where the relay finds messages: in the inbox and in the table. The two take turns, so that neither starves.

use std::time::Duration;

use shared_model::job_store::outbox::SendKey;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::inbox::LeasedMessage;

/// The two sources, and the batch that is being gathered.
#[derive(Debug)]
pub(super) struct Sources {
    inbox: mpsc::Receiver<LeasedMessage>,
    table: mpsc::Receiver<LeasedMessage>,
    is_tables_turn: bool,
    /// How many messages a batch has at most.
    batch: usize,
    gathered: Vec<LeasedMessage>,
    gathering_since: Instant,
}

impl Sources {
    pub(super) fn new(
        inbox: mpsc::Receiver<LeasedMessage>,
        table: mpsc::Receiver<LeasedMessage>,
        batch: usize,
    ) -> Self {
        Self {
            inbox,
            table,
            is_tables_turn: false,
            batch,
            gathered: Vec::new(),
            gathering_since: Instant::now(),
        }
    }

    /// Waits for a batch, and for `linger` longer if it is not full. Returns `None` once both sources are closed and
    /// empty. Dropping the future loses no message.
    pub(super) async fn next(&mut self, linger: Duration) -> Option<Vec<LeasedMessage>> {
        if self.gathered.is_empty() {
            if !self.receive().await {
                return None;
            }
            self.gathering_since = Instant::now();
        }
        if !linger.is_zero() {
            let until = self.gathering_since + linger;
            // when the time is over, the batch is sent even if it is not full
            let _ = timeout_at(until, self.fill()).await;
        }
        Some(std::mem::take(&mut self.gathered))
    }

    /// Lets the inbox accept no more messages.
    pub(super) fn close(&mut self) {
        self.inbox.close();
    }

    /// Takes the messages that are left, and waits for those that are being taken from the table, until `deadline`. Of
    /// those that come later, the leases run out.
    pub(super) async fn rest(mut self, deadline: Instant) -> Vec<SendKey> {
        let mut rest = std::mem::take(&mut self.gathered);
        while let Ok(message) = self.inbox.try_recv() {
            rest.push(message);
        }
        while let Ok(Some(message)) = timeout_at(deadline, self.table.recv()).await {
            rest.push(message);
        }
        rest.iter().map(LeasedMessage::key).collect()
    }

    /// Receives from the source whose turn it is, or from the other one if the first has nothing. Returns false if both
    /// are closed and empty.
    async fn receive(&mut self) -> bool {
        let (first, second) = if self.is_tables_turn {
            (&mut self.table, &mut self.inbox)
        } else {
            (&mut self.inbox, &mut self.table)
        };
        let (message, source) = tokio::select! {
            biased;
            Some(message) = first.recv() => (message, first),
            Some(message) = second.recv() => (message, second),
            else => return false,
        };
        self.gathered.push(message);
        while self.gathered.len() < self.batch
            && let Ok(message) = source.try_recv()
        {
            self.gathered.push(message);
        }
        self.is_tables_turn = !self.is_tables_turn;
        true
    }

    async fn fill(&mut self) {
        while self.gathered.len() < self.batch {
            let room = self.batch - self.gathered.len();
            if self.inbox.recv_many(&mut self.gathered, room).await == 0 {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use shared_model::job::JobId;
    use shared_model::message::{JobMessage, MESSAGE_VERSION, OutboundMessage};

    use super::*;

    /// Returns a closed source of `count` messages, whose number of sends is `sends`.
    fn source(count: usize, sends: i32) -> mpsc::Receiver<LeasedMessage> {
        let (sender, receiver) = mpsc::channel(count.max(1));
        for _ in 0..count {
            let message = JobMessage {
                v: MESSAGE_VERSION,
                job_id: JobId::new(),
                generation: 1,
                enqueued_at: chrono::DateTime::UNIX_EPOCH,
                traceparent: None,
            };
            let outbound = OutboundMessage { message, sends };
            let message = LeasedMessage::new(outbound, Instant::now());
            sender.try_send(message).unwrap();
        }
        receiver
    }

    #[tokio::test]
    async fn inbox_and_table_take_turns_until_both_are_empty() {
        let (inbox, table) = (1, 2);
        let mut sources = Sources::new(source(35, inbox), source(15, table), 10);
        let mut batches = Vec::new();
        while let Some(batch) = sources.next(Duration::ZERO).await {
            let from = batch[0].outbound.sends;
            assert!(batch.iter().all(|message| message.outbound.sends == from));
            batches.push((from, batch.len()));
        }
        let expected = [
            (inbox, 10),
            (table, 10),
            (inbox, 10),
            (table, 5),
            (inbox, 10),
            (inbox, 5),
        ];
        assert_eq!(batches, expected);
    }

    #[tokio::test]
    async fn a_batch_that_is_not_awaited_to_its_end_is_not_lost() {
        let mut sources = Sources::new(source(3, 1), source(0, 2), 10);
        let lingering = sources.next(Duration::from_mins(1));
        // gathers the batch, then finds the inbox closed
        assert_eq!(lingering.await.unwrap().len(), 3);
        let (sender, inbox) = mpsc::channel(1);
        let mut sources = Sources::new(inbox, source(2, 2), 10);
        tokio::select! {
            biased;
            _ = sources.next(Duration::from_mins(1)) => panic!("the inbox is open"),
            () = std::future::ready(()) => {}
        }
        drop(sender);
        assert_eq!(sources.rest(Instant::now()).await.len(), 2);
    }
}
