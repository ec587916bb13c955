//! What was sent and what arrived. Times are microseconds since 1970: all processes run on one machine, with one clock.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::message::Received;

/// A publisher and the number of a message of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Key {
    pub(super) publisher: u64,
    pub(super) number: u64,
}

impl Key {
    /// Returns the body of the message. It contains the run, because a FIFO queue of SQS drops a body that it knows.
    pub(super) fn body(self, run: &str) -> String {
        format!("{run} P{} {}", self.publisher, self.number)
    }

    /// Returns the key of a message of this run.
    pub(super) fn of(body: &str, run: &str) -> Option<Self> {
        let (publisher, number) = body
            .strip_prefix(run)?
            .strip_prefix(" P")?
            .split_once(' ')?;
        Some(Self {
            publisher: publisher.parse().ok()?,
            number: number.parse().ok()?,
        })
    }
}

/// A message that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sending {
    pub(super) key: Key,
    /// When the call began.
    pub(super) started: u64,
    /// When the service had confirmed the message.
    pub(super) confirmed: u64,
}

/// Who received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subscriber {
    /// The one that is killed.
    A,
    B,
    /// The one that takes the place of A, where A and B do not share a queue.
    C,
}

/// A delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arrival {
    pub(super) key: Key,
    pub(super) at: u64,
    pub(super) subscriber: Subscriber,
    /// 0, or 1 for the second one of the queues that each get all messages.
    pub(super) audience: usize,
    /// Whether the subscriber deleted the message. The one that was killed did not delete its last messages.
    pub(super) is_completed: bool,
}

/// Everything that happened with one queue.
#[derive(Debug, Clone, Default)]
pub(super) struct Record {
    /// In the order of sending.
    pub(super) sent: Vec<Sending>,
    /// In the order of arrival.
    pub(super) arrivals: Vec<Arrival>,
    /// How many queues or subscribers each get all messages.
    pub(super) audiences: usize,
    /// When the subscriber was killed.
    pub(super) killed_at: Option<u64>,
    /// The calls of publishers and subscribers together.
    pub(super) calls: u64,
    /// How many of [`Record::unattended`] messages, which were sent while nobody listened, arrived later.
    pub(super) kept: usize,
    pub(super) unattended: usize,
}

/// Returns the time.
pub(super) fn now() -> u64 {
    microseconds(SystemTime::now())
}

fn microseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Returns the key of a message of this run, and when it arrived.
pub(super) fn arrived(message: &Received, run: &str) -> Option<(Key, u64)> {
    let key = Key::of(&message.body, run)?;
    Some((key, microseconds(message.arrived_at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_names_the_run_the_publisher_and_the_number() {
        let key = Key {
            publisher: 2,
            number: 17,
        };
        let body = key.body("run-1");
        assert_eq!(body, "run-1 P2 17");
        assert_eq!(Key::of(&body, "run-1"), Some(key));
        for other in ["run-2 P2 17", "run-1 P2", "hello", "run-1 P2 x"] {
            assert_eq!(Key::of(other, "run-1"), None, "{other}");
        }
    }
}
