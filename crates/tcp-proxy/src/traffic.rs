//! Counts what passes through a proxy.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde::Serialize;

/// What has passed through all connections of a proxy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Traffic {
    /// How many times clients began to send: first of all, or after the server had sent something. What a client sends
    /// without an answer in between is part of one round trip.
    pub round_trips: u64,
    /// How many times bytes arrived from clients. Bytes that a client writes twice within microseconds may arrive together,
    /// and more than 64 KiB arrive in several parts.
    pub writes: u64,
    /// Bytes from clients.
    pub sent_bytes: u64,
    /// Bytes from the server.
    pub received_bytes: u64,
}

impl Traffic {
    /// Returns what has passed since an earlier count.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            round_trips: self.round_trips - before.round_trips,
            writes: self.writes - before.writes,
            sent_bytes: self.sent_bytes - before.sent_bytes,
            received_bytes: self.received_bytes - before.received_bytes,
        }
    }
}

/// The counts of a proxy.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    round_trips: AtomicU64,
    writes: AtomicU64,
    sent_bytes: AtomicU64,
    received_bytes: AtomicU64,
}

impl Counter {
    pub(crate) fn read(&self) -> Traffic {
        Traffic {
            round_trips: self.round_trips.load(Ordering::Relaxed),
            writes: self.writes.load(Ordering::Relaxed),
            sent_bytes: self.sent_bytes.load(Ordering::Relaxed),
            received_bytes: self.received_bytes.load(Ordering::Relaxed),
        }
    }
}

/// Which side of a connection has sent last.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    is_after_client: AtomicBool,
}

impl Turn {
    /// Bytes have arrived from the client.
    pub(crate) fn client_sent(&self, counter: &Counter, bytes: usize) {
        counter.writes.fetch_add(1, Ordering::Relaxed);
        add(&counter.sent_bytes, bytes);
        if !self.is_after_client.swap(true, Ordering::Relaxed) {
            counter.round_trips.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Bytes have arrived from the server.
    pub(crate) fn server_sent(&self, counter: &Counter, bytes: usize) {
        add(&counter.received_bytes, bytes);
        self.is_after_client.store(false, Ordering::Relaxed);
    }
}

fn add(count: &AtomicU64, bytes: usize) {
    count.fetch_add(bytes as u64, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_trip_ends_when_the_client_sends_after_the_server() {
        let counter = Counter::default();
        let (one, other) = (Turn::default(), Turn::default());
        one.client_sent(&counter, 10);
        let before = counter.read();
        one.client_sent(&counter, 10);
        one.server_sent(&counter, 3);
        one.server_sent(&counter, 3);
        one.client_sent(&counter, 10);
        other.server_sent(&counter, 4);
        other.client_sent(&counter, 1);
        let all = Traffic {
            round_trips: 3,
            writes: 4,
            sent_bytes: 31,
            received_bytes: 10,
        };
        assert_eq!(counter.read(), all);
        let since = Traffic {
            round_trips: 2,
            writes: 3,
            sent_bytes: 21,
            received_bytes: 10,
        };
        assert_eq!(all.since(before), since);
    }
}
