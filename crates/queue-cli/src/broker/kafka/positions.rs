//! Up to where the messages of each partition are done with.
//!
//! Kafka stores one number for each partition of a group: the offset of the message to begin with. So a message that was
//! received and not deleted holds back all that come after it.

use std::collections::{BTreeMap, BTreeSet};

/// The partitions of a subscriber, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Positions(BTreeMap<i32, Partition>);

/// A partition, since it was assigned to this subscriber.
#[derive(Debug, Default)]
struct Partition {
    /// The offsets of the messages that were received and not deleted.
    open: BTreeSet<i64>,
    /// The offset after the last message that was received.
    end: i64,
}

impl Positions {
    /// Adds partitions that belong to this subscriber from now on.
    pub(super) fn assign(&mut self, partitions: &[i32]) {
        for partition in partitions {
            self.0.insert(*partition, Partition::default());
        }
    }

    /// Removes partitions that belong to another subscriber from now on.
    pub(super) fn revoke(&mut self, partitions: &[i32]) {
        self.0
            .retain(|partition, _| !partitions.contains(partition));
    }

    /// Returns the partitions.
    pub(super) fn assigned(&self) -> Vec<i32> {
        self.0.keys().copied().collect()
    }

    /// Records a message. Returns whether its partition belongs to this subscriber.
    pub(super) fn receive(&mut self, partition: i32, offset: i64) -> bool {
        let found = self.0.get_mut(&partition);
        found.is_some_and(|found| {
            found.open.insert(offset);
            found.end = found.end.max(offset + 1);
            true
        })
    }

    /// Records that a message is deleted. Returns the position to commit for its partition, or `None` if the partition
    /// belongs to another subscriber, or the message was not received since it belongs to this one.
    pub(super) fn delete(&mut self, partition: i32, offset: i64) -> Option<i64> {
        let found = self.0.get_mut(&partition)?;
        if offset >= found.end {
            return None;
        }
        found.open.remove(&offset);
        Some(found.open.first().copied().unwrap_or(found.end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_is_not_deleted_holds_back_those_after_it() {
        let mut positions = Positions::default();
        positions.assign(&[3]);
        for offset in [7, 8, 12] {
            assert!(positions.receive(3, offset));
        }
        for (offset, position) in [(8, 7), (7, 12), (7, 12), (12, 13)] {
            assert_eq!(positions.delete(3, offset), Some(position), "{offset}");
        }
    }

    #[test]
    fn only_messages_of_the_own_partitions_can_be_deleted() {
        let mut positions = Positions::default();
        positions.assign(&[0, 1]);
        assert!(positions.receive(0, 5) && !positions.receive(2, 5));
        positions.revoke(&[0]);
        assert_eq!(
            (positions.assigned(), positions.delete(0, 5)),
            (vec![1], None)
        );
        positions.assign(&[0]);
        assert_eq!(positions.delete(0, 5), None);
        assert!(positions.receive(0, 5));
        assert_eq!(positions.delete(0, 5), Some(6));
    }
}
