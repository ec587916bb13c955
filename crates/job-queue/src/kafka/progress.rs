//! Until when everything in a topic is settled.
//!
//! Under steady load a topic is never without messages that are not settled. So the ends of its partitions are remembered:
//! once everything before them is settled, everything is that was sent before they were looked at.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// A partition, as far as the workers have settled it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) partition: i32,
    /// Everything before this offset is settled.
    pub(super) settled: i64,
    /// The offset after the last message.
    pub(super) end: i64,
}

impl Part {
    /// Returns how many messages are not settled. Offsets that Kafka has left out count as messages.
    pub(super) fn unsettled(&self) -> u64 {
        distance(self.settled, self.end)
    }
}

/// Returns how many offsets there are between two of them, or 0 if the second is the lower one.
pub(super) fn distance(from: i64, to: i64) -> u64 {
    u64::try_from(to.saturating_sub(from)).unwrap_or_default()
}

/// Remembers earlier ends of the partitions of a topic.
#[derive(Debug, Default)]
pub(super) struct Progress(Mutex<Option<Mark>>);

/// Where the partitions ended.
#[derive(Debug)]
struct Mark {
    at: Instant,
    ends: HashMap<i32, i64>,
}

impl Mark {
    fn new(at: Instant, parts: &[Part]) -> Self {
        let ends = parts.iter().map(|part| (part.partition, part.end));
        Self {
            at,
            ends: ends.collect(),
        }
    }

    fn is_reached(&self, parts: &[Part]) -> bool {
        parts.iter().all(|part| {
            let earlier = self.ends.get(&part.partition);
            // A partition that did not exist had no messages. One that has become shorter has lost its last ones.
            earlier.is_none_or(|end| part.settled >= part.end.min(*end))
        })
    }
}

impl Progress {
    /// Returns a time such that everything that was sent before it is settled, if that is known. `parts` was asked for at
    /// `asked`.
    pub(super) fn settled_until(&self, asked: Instant, parts: &[Part]) -> Option<Instant> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if parts.iter().all(|part| part.unsettled() == 0) {
            *slot = None;
            return Some(asked);
        }
        let reached = match slot.take() {
            Some(mark) if !mark.is_reached(parts) => {
                *slot = Some(mark);
                return None;
            }
            reached => reached,
        };
        *slot = Some(Mark::new(asked, parts));
        reached.map(|mark| mark.at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Numbers the partitions. Each is given by how far it is settled, and by its end.
    fn parts(parts: &[(i64, i64)]) -> Vec<Part> {
        let parts = (0..).zip(parts);
        let parts = parts.map(|(partition, &(settled, end))| Part {
            partition,
            settled,
            end,
        });
        parts.collect()
    }

    #[test]
    fn a_topic_that_is_never_drained_is_settled_until_earlier() {
        let progress = Progress::default();
        let begin = Instant::now();
        let mut seconds = 0;
        let mut ask = |found: &[(i64, i64)]| {
            let asked = begin + SECOND * seconds;
            seconds += 1;
            let until = progress.settled_until(asked, &parts(found));
            until.map(|until| (until - begin).as_secs())
        };
        assert_eq!(ask(&[(4, 4), (7, 7)]), Some(0));
        assert_eq!(ask(&[(4, 6), (8, 9)]), None);
        assert_eq!(ask(&[(5, 8), (9, 12)]), None);
        assert_eq!(ask(&[(6, 9), (9, 13)]), Some(1), "both reached 6 and 9");
        assert_eq!(ask(&[(9, 10), (12, 14)]), None);
        assert_eq!(ask(&[(9, 10), (13, 14)]), Some(3));
        assert_eq!(ask(&[(10, 10), (14, 14)]), Some(6));
    }

    #[test]
    fn partitions_that_are_added_or_become_shorter_hold_nothing_up() {
        let (progress, begin) = (Progress::default(), Instant::now());
        let ask = |found: &[(i64, i64)]| progress.settled_until(begin, &parts(found));
        assert_eq!(ask(&[(0, 9)]), None);
        assert_eq!(ask(&[(5, 6), (0, 1)]), None);
        assert_eq!(ask(&[(6, 6), (0, 1)]), Some(begin));
    }
}
