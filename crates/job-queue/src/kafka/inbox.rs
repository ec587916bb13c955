//! What the reader has received and the worker has not asked for yet, and which messages are settled.

use std::collections::BTreeSet;
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

/// How many messages of a partition may be accounted for: as many are received again after a crash if one job takes very
/// long.
const MAX_COUNTED: usize = 10_000;

/// What the reader should change.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flow {
    pub(super) pause: Vec<i32>,
    pub(super) resume: Vec<i32>,
}

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
    /// Whether too much is waiting, or was when there was last a change.
    is_full: bool,
    /// What the reader has paused.
    paused: BTreeSet<i32>,
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
        state
            .paused
            .retain(|partition| !partitions.contains(partition));
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

    /// Returns whether partitions belong to the reader.
    pub(super) fn is_assigned(&self) -> bool {
        !self.state().offsets.assigned().is_empty()
    }

    /// Returns what the reader should pause and resume now: all partitions if too much is waiting, or else those of which too
    /// much is accounted for. The caller has to do so. A partition that is revoked is no longer paused.
    pub(super) fn flow(&self) -> Flow {
        let mut guard = self.state();
        let state = &mut *guard;
        if state.waiting.is_full() {
            state.is_full = true;
        } else if state.waiting.has_room() {
            state.is_full = false;
        }
        let long = state.offsets.at_least(MAX_COUNTED);
        let target: BTreeSet<i32> = if state.is_full {
            state.offsets.assigned().into_iter().collect()
        } else {
            long.iter().copied().collect()
        };
        let flow = Flow {
            pause: target.difference(&state.paused).copied().collect(),
            resume: state.paused.difference(&target).copied().collect(),
        };
        for partition in flow.pause.iter().filter(|one| long.contains(one)) {
            log::warn!(
                "a message of partition {partition} of Kafka is not settled, and {MAX_COUNTED} after it were received: no \
                 others are received until it is settled"
            );
        }
        state.paused = target;
        flow
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
    async fn a_job_that_takes_long_stops_only_its_partition() {
        let inbox = Inbox::default();
        inbox.assign(&[0, 1]);
        let flow = |pause: &[i32], resume: &[i32]| Flow {
            pause: pause.to_vec(),
            resume: resume.to_vec(),
        };
        let stop = CancellationToken::new();
        let mut first = Vec::new();
        for offset in 0..MAX_COUNTED {
            assert_eq!(inbox.flow(), flow(&[], &[]));
            inbox.add(0, i64::try_from(offset).unwrap(), b"");
            let taken = inbox.take(1, Duration::ZERO, &stop).await.unwrap();
            let receipt = taken.into_iter().map(|taken| taken.receipt);
            if offset == 0 {
                first.extend(receipt);
            } else {
                inbox.settle(&receipt.collect::<Vec<_>>());
            }
        }
        assert_eq!(inbox.flow(), flow(&[0], &[]));
        assert_eq!(inbox.flow(), flow(&[], &[]));
        inbox.settle(&first);
        assert_eq!(inbox.flow(), flow(&[], &[0]));
    }

    #[tokio::test]
    async fn what_waits_stops_all_partitions_until_half_of_it_is_taken() {
        let inbox = Inbox::default();
        inbox.assign(&[0, 1]);
        let mut offset = 0;
        let paused = loop {
            inbox.add(0, offset, b"");
            offset += 1;
            let Flow { pause, resume } = inbox.flow();
            assert_eq!(resume, [0; 0]);
            if !pause.is_empty() {
                break pause;
            }
        };
        assert_eq!(paused, [0, 1]);
        // Another one is paused when it comes, and one that goes is forgotten.
        inbox.assign(&[2]);
        assert_eq!(inbox.flow().pause, [2]);
        inbox.revoke(&[1]);
        let stop = CancellationToken::new();
        let half = usize::try_from(offset).unwrap() / 2;
        inbox.take(half, Duration::ZERO, &stop).await.unwrap();
        assert_eq!(inbox.flow().resume, [0, 2]);
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
