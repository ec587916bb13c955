//! What the reader has received and the worker has not asked for yet, and which messages are settled.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::offsets::Offsets;
use super::waiting::Waiting;
use crate::error::QueueError;
use crate::held::Taken;
use crate::subscription::{BatchOutcome, Receipt};

/// How many messages may be accounted for: as many are received again after a crash if one job takes very long.
const MAX_COUNTED: usize = 10_000;

/// Between the thread of the reader and the worker.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    state: Mutex<State>,
    changed: Notify,
    is_closed: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    offsets: Offsets,
    waiting: Waiting,
    /// Why nothing arrives. librdkafka reports a refusal once, so it counts until something is assigned or arrives, whatever
    /// else is reported. Anything else counts until the worker has been told.
    failure: Option<QueueError>,
}

impl Inbox {
    /// Waits up to `wait` for messages, and returns at most `max`.
    pub(super) async fn take(
        &self,
        max: usize,
        wait: Duration,
        stop: &CancellationToken,
    ) -> Result<Vec<Taken>, QueueError> {
        let over = sleep(wait);
        tokio::pin!(over);
        loop {
            let changed = self.changed.notified();
            {
                let mut state = self.state();
                if !state.waiting.is_empty() {
                    return Ok(state.waiting.take(max));
                }
                let failure = match &state.failure {
                    Some(QueueError::Refused(_)) => state.failure.clone(),
                    _ => state.failure.take(),
                };
                if let Some(failure) = failure {
                    return Err(failure);
                }
            }
            tokio::select! {
                () = changed => {}
                () = &mut over => return Ok(Vec::new()),
                () = stop.cancelled() => return Ok(Vec::new()),
            }
        }
    }

    /// Settles messages.
    pub(super) fn settle(&self, receipts: &[Receipt]) -> Vec<BatchOutcome> {
        let mut state = self.state();
        let mut settle = |receipt| {
            if state.offsets.settle(receipt) {
                BatchOutcome::Done
            } else {
                BatchOutcome::Lost
            }
        };
        receipts.iter().map(&mut settle).collect()
    }

    /// Adds a message.
    pub(super) fn add(&self, partition: i32, offset: i64, body: &[u8]) {
        let mut state = self.state();
        let Some(receipt) = state.offsets.receive(partition, offset) else {
            return;
        };
        let taken = Taken {
            receipt,
            message_id: format!("{partition}:{offset}"),
            receive_count: 1,
            body: body.to_vec(),
        };
        state.waiting.add(partition, taken);
        // Messages arrive: a failure is over.
        state.failure = None;
        drop(state);
        self.changed.notify_one();
    }

    /// Tells the worker why nothing arrives.
    pub(super) fn fail(&self, failure: QueueError) {
        let mut state = self.state();
        let is_refused = matches!(state.failure, Some(QueueError::Refused(_)));
        if !is_refused || matches!(failure, QueueError::Refused(_)) {
            state.failure = Some(failure);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Begins to keep account of partitions. There may be none, if all belong to other workers.
    pub(super) fn assign(&self, partitions: &[i32]) {
        let mut state = self.state();
        // The group is only joined if the topic is there: a failure is over.
        state.failure = None;
        for partition in partitions {
            state.offsets.assign(*partition);
        }
    }

    /// Forgets partitions and their messages. Returns what Kafka should store for them.
    pub(super) fn revoke(&self, partitions: &[i32]) -> Vec<(i32, i64)> {
        let mut state = self.state();
        state.waiting.forget(partitions);
        let positions = partitions
            .iter()
            .map(|partition| Some((*partition, state.offsets.revoke(*partition)?)));
        positions.flatten().collect()
    }

    /// Forgets all partitions. Returns what Kafka should store for them.
    pub(super) fn revoke_all(&self) -> Vec<(i32, i64)> {
        let assigned = self.state().offsets.assigned();
        self.revoke(&assigned)
    }

    /// Returns what Kafka should store and does not have yet.
    pub(super) fn take_unstored(&self) -> Vec<(i32, i64)> {
        self.state().offsets.take_unstored()
    }

    /// Returns whether the reader should receive no more for now.
    pub(super) fn is_full(&self) -> bool {
        let state = self.state();
        state.waiting.is_full() || state.offsets.count() >= MAX_COUNTED
    }

    /// Returns whether a reader that has paused should go on.
    pub(super) fn has_room(&self) -> bool {
        let state = self.state();
        state.waiting.has_room() && state.offsets.count() < MAX_COUNTED
    }

    /// Tells the reader to leave.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
    }

    /// Returns whether the reader should leave.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn take(inbox: &Inbox) -> Result<usize, QueueError> {
        let stop = CancellationToken::new();
        let taken = inbox.take(1, Duration::ZERO, &stop).await?;
        Ok(taken.len())
    }

    #[tokio::test]
    async fn a_refusal_counts_until_something_is_assigned_or_arrives() {
        let inbox = Inbox::default();
        inbox.assign(&[0]);
        let refusal = QueueError::Refused("no topic".to_owned());
        let break_down = QueueError::Unavailable("away".to_owned());
        for ends in [true, false] {
            inbox.fail(break_down.clone());
            assert_eq!(take(&inbox).await, Err(break_down.clone()));
            assert_eq!(take(&inbox).await, Ok(0), "it was told once");
            inbox.fail(refusal.clone());
            inbox.fail(break_down.clone());
            for _ in 0..2 {
                assert_eq!(take(&inbox).await, Err(refusal.clone()));
            }
            if ends {
                inbox.assign(&[]);
            } else {
                inbox.add(0, 7, b"a message");
                assert_eq!(take(&inbox).await, Ok(1));
            }
            assert_eq!(take(&inbox).await, Ok(0));
        }
    }
}
