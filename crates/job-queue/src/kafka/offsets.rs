//! Which messages of the partitions are settled.
//!
//! For each partition, Kafka stores one number: the offset of the first message that the group may receive again. Jobs
//! end in any order, so this is the lowest offset of a message that was received and is not settled.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::subscription::Receipt;

/// How many times a partition has been assigned. All readers of a process count together, so that no receipt of one is a
/// receipt of another.
static EPOCHS: AtomicU64 = AtomicU64::new(0);

/// The partitions of a worker.
#[derive(Debug, Default)]
pub(super) struct Offsets {
    partitions: HashMap<i32, Partition>,
}

/// A partition, since it was assigned to this worker.
#[derive(Debug)]
struct Partition {
    /// The number of the assignment. Receipts of another assignment settle nothing.
    epoch: u64,
    /// Whether a message is settled. Contains nothing below the lowest that is not.
    received: BTreeMap<i64, bool>,
    /// The offset after the last message that was received and is settled together with all before it.
    settled_to: Option<i64>,
    /// What was last returned to be stored, or the first message: Kafka begins there again as long as nothing is stored.
    stored: Option<i64>,
}

impl Partition {
    /// Returns what Kafka should store, or `None` if nothing was received.
    fn position(&self) -> Option<i64> {
        let lowest = self.received.first_key_value().map(|(offset, _)| *offset);
        lowest.or(self.settled_to)
    }

    fn settle(&mut self, offset: i64) -> bool {
        match self.received.get_mut(&offset) {
            Some(is_settled) if !*is_settled => *is_settled = true,
            _ => return false,
        }
        while let Some(lowest) = self.received.first_entry().filter(|entry| *entry.get()) {
            self.settled_to = Some(lowest.key().saturating_add(1));
            lowest.remove();
        }
        true
    }

    /// Returns the position if Kafka does not have it yet.
    fn take_unstored(&mut self) -> Option<i64> {
        let position = self.position();
        if position == self.stored {
            return None;
        }
        self.stored = position;
        position
    }
}

impl Offsets {
    /// Begins to keep account of a partition.
    pub(super) fn assign(&mut self, partition: i32) {
        let assigned = Partition {
            epoch: EPOCHS.fetch_add(1, Ordering::Relaxed),
            received: BTreeMap::new(),
            settled_to: None,
            stored: None,
        };
        self.partitions.insert(partition, assigned);
    }

    /// Forgets a partition, which from now on belongs to another worker. Returns what Kafka should store for it, unless it
    /// has that already.
    pub(super) fn revoke(&mut self, partition: i32) -> Option<i64> {
        self.partitions.remove(&partition)?.take_unstored()
    }

    /// Returns the partitions.
    pub(super) fn assigned(&self) -> Vec<i32> {
        self.partitions.keys().copied().collect()
    }

    /// Records a message. Returns its receipt, or `None` if it has been received already, or if its partition belongs to
    /// another worker.
    pub(super) fn receive(&mut self, partition: i32, offset: i64) -> Option<Receipt> {
        let found = self.partitions.get_mut(&partition)?;
        if found.received.contains_key(&offset) {
            return None;
        }
        found.received.insert(offset, false);
        if found.settled_to.is_none() {
            found.stored.get_or_insert(offset);
        }
        Some(Receipt::new(format!(
            "{}:{partition}:{offset}",
            found.epoch
        )))
    }

    /// Records that a message is settled. Returns false if its partition has been revoked since it was received, or if it
    /// was settled before.
    pub(super) fn settle(&mut self, receipt: &Receipt) -> bool {
        let Some((epoch, partition, offset)) = parse(receipt) else {
            return false;
        };
        let partition = self.partitions.get_mut(&partition);
        partition
            .filter(|partition| partition.epoch == epoch)
            .is_some_and(|partition| partition.settle(offset))
    }

    /// Returns the partitions, and what Kafka should store for each, if it does not have that already.
    pub(super) fn take_unstored(&mut self) -> Vec<(i32, i64)> {
        let partitions = self.partitions.iter_mut();
        let unstored =
            partitions.map(|(partition, state)| Some((*partition, state.take_unstored()?)));
        unstored.flatten().collect()
    }

    /// Returns the partitions of which at least `count` messages are accounted for: those that are not settled, and all above
    /// the lowest of them.
    pub(super) fn at_least(&self, count: usize) -> Vec<i32> {
        let partitions = self.partitions.iter();
        let long = partitions.filter(|(_, partition)| partition.received.len() >= count);
        long.map(|(partition, _)| *partition).collect()
    }
}

fn parse(receipt: &Receipt) -> Option<(u64, i32, i64)> {
    let mut parts = receipt.as_str().splitn(3, ':');
    let mut next = || parts.next();
    Some((
        next()?.parse().ok()?,
        next()?.parse().ok()?,
        next()?.parse().ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Returns what Kafka should store for a partition.
    fn position(offsets: &Offsets, partition: i32) -> Option<i64> {
        offsets.partitions[&partition].position()
    }

    #[test]
    fn a_message_that_is_not_settled_holds_back_those_above_it() {
        let mut offsets = Offsets::default();
        offsets.assign(3);
        assert_eq!(position(&offsets, 3), None);
        let receipts = [7, 8, 12].map(|offset| offsets.receive(3, offset).unwrap());
        assert_eq!(position(&offsets, 3), Some(7));
        assert!(offsets.settle(&receipts[1]));
        assert_eq!(position(&offsets, 3), Some(7));
        assert!(offsets.settle(&receipts[0]));
        assert_eq!(position(&offsets, 3), Some(12));
        assert!(offsets.settle(&receipts[2]));
        assert_eq!(position(&offsets, 3), Some(13));
        assert!(offsets.at_least(1).is_empty());
        assert!(!offsets.settle(&receipts[2]), "it was settled before");
    }

    #[test]
    fn a_receipt_of_an_earlier_assignment_settles_nothing() {
        let mut offsets = Offsets::default();
        offsets.assign(0);
        let earlier = offsets.receive(0, 5).unwrap();
        assert_eq!(offsets.receive(0, 5), None, "it is held already");
        assert_eq!(offsets.revoke(0), None, "nothing is settled");
        assert_eq!(offsets.receive(0, 6), None, "it belongs to another worker");
        assert!(!offsets.settle(&earlier));
        offsets.assign(0);
        let again = offsets.receive(0, 5).unwrap();
        assert!(!offsets.settle(&earlier));
        assert!(offsets.settle(&again));
        assert_eq!(offsets.revoke(0), Some(6));
        for text in ["", "1:0", "x:0:5", "1:0:5:6"] {
            assert!(!offsets.settle(&Receipt::new(text)), "{text}");
        }
    }

    #[test]
    fn a_position_is_stored_once_and_only_if_it_is_new() {
        let mut offsets = Offsets::default();
        offsets.assign(0);
        let receipts = [4, 5].map(|offset| offsets.receive(0, offset).unwrap());
        assert_eq!(offsets.take_unstored(), []);
        assert!(offsets.settle(&receipts[1]));
        assert_eq!(offsets.take_unstored(), []);
        assert!(offsets.settle(&receipts[0]));
        assert_eq!(offsets.take_unstored(), [(0, 6)]);
        assert_eq!(offsets.take_unstored(), []);
        assert_eq!(offsets.revoke(0), None);
    }

    proptest! {
        /// Each step receives the next message of a partition, or settles one of those that are not settled.
        #[test]
        fn nothing_that_is_not_settled_is_ever_passed_over(
            steps in prop::collection::vec((0..3_i32, any::<prop::sample::Index>(), any::<bool>(), 1..4_i64), 0..200),
        ) {
            let mut offsets = Offsets::default();
            let mut next = [0_i64; 3];
            let mut unsettled: Vec<(i32, i64, Receipt)> = Vec::new();
            (0..3).for_each(|partition| offsets.assign(partition));
            for (partition, index, is_receive, gap) in steps {
                if is_receive || unsettled.is_empty() {
                    // Offsets may be missing: those of transactions, for example.
                    let end = &mut next[usize::try_from(partition).unwrap()];
                    let offset = *end + gap - 1;
                    *end = offset + 1;
                    let receipt = offsets.receive(partition, offset).unwrap();
                    unsettled.push((partition, offset, receipt));
                } else {
                    let (_, _, receipt) = unsettled.swap_remove(index.index(unsettled.len()));
                    prop_assert!(offsets.settle(&receipt));
                }
                for (partition, end) in (0..3).zip(next) {
                    let held = unsettled.iter().filter(|(of, _, _)| *of == partition);
                    let held: BTreeSet<i64> = held.map(|(_, offset, _)| *offset).collect();
                    let expected = held.first().copied().or((end > 0).then_some(end));
                    prop_assert_eq!(position(&offsets, partition), expected);
                }
            }
        }
    }
}
