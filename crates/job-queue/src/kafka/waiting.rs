//! Messages that the worker has not asked for yet.

use std::collections::VecDeque;

use crate::held::Taken;

/// How many messages may wait. They are of partitions that belong to this worker, so no other one could have them.
const MAX_MESSAGES: usize = 5_000;
/// At how many the reader goes on. Its next messages may arrive half a second later: a call that librdkafka sent before the
/// reader paused waits as long at the ends of the partitions (`fetch.wait.max.ms`).
const FEW_MESSAGES: usize = MAX_MESSAGES / 2;
/// How many bytes their bodies may have, and one body more. Those of jobs have less than 300 each; what others send to the
/// topic may be longer.
const MAX_BYTES: usize = 4 << 20;
/// At how many the reader goes on.
const FEW_BYTES: usize = MAX_BYTES / 4;

/// The messages, in the order in which they were received.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Each with its partition.
    messages: VecDeque<(i32, Taken)>,
    bytes: usize,
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub(super) fn add(&mut self, partition: i32, message: Taken) {
        self.bytes += message.body.len();
        self.messages.push_back((partition, message));
    }

    /// Removes the first messages, at most `max`.
    pub(super) fn take(&mut self, max: usize) -> Vec<Taken> {
        let count = max.min(self.messages.len());
        let taken = self.messages.drain(..count).map(|(_, taken)| taken);
        let taken: Vec<Taken> = taken.collect();
        self.bytes -= taken.iter().map(|taken| taken.body.len()).sum::<usize>();
        taken
    }

    /// Removes the messages of these partitions.
    pub(super) fn forget(&mut self, partitions: &[i32]) {
        self.messages.retain(|(of, _)| !partitions.contains(of));
        let bodies = self.messages.iter().map(|(_, taken)| taken.body.len());
        self.bytes = bodies.sum();
    }

    /// Returns whether no more should be received for now.
    pub(super) fn is_full(&self) -> bool {
        self.messages.len() >= MAX_MESSAGES || self.bytes >= MAX_BYTES
    }

    /// Returns whether a reader that has paused should go on.
    pub(super) fn has_room(&self) -> bool {
        self.messages.len() <= FEW_MESSAGES && self.bytes <= FEW_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subscription::Receipt;

    fn message(bytes: usize) -> Taken {
        Taken {
            receipt: Receipt::new(String::new()),
            message_id: String::new(),
            receive_count: 1,
            body: vec![0; bytes],
        }
    }

    fn filled(bytes: usize) -> (Waiting, usize) {
        let mut waiting = Waiting::default();
        let mut count = 0;
        while !waiting.is_full() {
            waiting.add(count % 2, message(bytes));
            count += 1;
        }
        (waiting, usize::try_from(count).unwrap())
    }

    #[test]
    fn neither_many_messages_nor_long_ones_wait_in_large_amounts() {
        for (bytes, expected) in [(0, MAX_MESSAGES), (300, MAX_MESSAGES), (1 << 20, 4)] {
            let (mut waiting, count) = filled(bytes);
            assert_eq!(count, expected);
            assert!(!waiting.has_room());
            let taken = waiting.take(count * 9 / 10);
            assert_eq!(taken.len(), count * 9 / 10);
            assert!(!waiting.is_full() && waiting.has_room(), "{bytes}");
            waiting.take(count);
            assert!(waiting.is_empty());
            assert_eq!(waiting.bytes, 0);
        }
    }

    #[test]
    fn messages_of_a_partition_that_is_forgotten_make_room() {
        let (mut waiting, count) = filled(1 << 20);
        waiting.forget(&[1]);
        assert!(!waiting.is_full());
        assert_eq!(waiting.take(count).len(), count / 2);
        assert_eq!(waiting.bytes, 0);
    }
}
