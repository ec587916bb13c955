//! Records in the table which messages were sent, and returns the others to it.
//!
//! A claim on a job proves that its message arrived, and a busy worker claims jobs within milliseconds. Therefore sent
//! messages are marked a few seconds later, and only those that no worker has claimed by then.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shared_model::database::{DatabaseError, Pool};
use shared_model::job_store::outbox::{self, SEND_LEASE_SECONDS, SendKey};
use tokio::time::Instant;

/// How often messages are marked and returned. It is also the shortest time between two attempts to send a message that
/// the queue refuses.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long after sending a message is marked.
const MARK_AFTER: Duration = Duration::from_secs(3);
/// How many messages one statement marks.
const BATCH: usize = 500;

/// What is still to be recorded.
#[derive(Debug, Default)]
pub(super) struct Settlements(Mutex<Pending>);

#[derive(Debug, Default)]
struct Pending {
    sent: Vec<(Instant, SendKey)>,
    unsent: Vec<SendKey>,
}

impl Settlements {
    /// Notes that the queue has accepted these messages.
    pub(super) fn sent(&self, keys: impl IntoIterator<Item = SendKey>) {
        let now = Instant::now();
        let keys = keys.into_iter().map(|key| (now, key));
        self.lock().sent.extend(keys);
    }

    /// Notes that these messages were not sent.
    pub(super) fn unsent(&self, keys: impl IntoIterator<Item = SendKey>) {
        self.lock().unsent.extend(keys);
    }

    /// Records what is due, at regular intervals, forever.
    pub(super) async fn run(&self, pool: &Pool) {
        loop {
            tokio::time::sleep(INTERVAL).await;
            self.record(pool, MARK_AFTER).await;
        }
    }

    /// Records everything, once.
    pub(super) async fn finish(&self, pool: &Pool) {
        self.record(pool, Duration::ZERO).await;
    }

    /// Marks the messages that were sent at least `age` ago, and returns those that were not sent. If a statement fails,
    /// the others are not tried, because each would wait for the database as long.
    async fn record(&self, pool: &Pool, age: Duration) {
        let (sent, unsent) = {
            let mut pending = self.lock();
            let (due, later) = std::mem::take(&mut pending.sent)
                .into_iter()
                .partition::<Vec<_>, _>(|(at, _)| at.elapsed() >= age);
            pending.sent = later;
            (due, std::mem::take(&mut pending.unsent))
        };
        for chunk in unsent.chunks(BATCH) {
            let keys = chunk.to_vec();
            let released = pool.run(move |connection| outbox::release(connection, &keys));
            if !note(released.await) {
                // the leases of the others run out
                break;
            }
        }
        let mut unmarked = sent.as_slice();
        while !unmarked.is_empty() {
            let (chunk, rest) = unmarked.split_at(unmarked.len().min(BATCH));
            let keys: Vec<SendKey> = chunk.iter().map(|(_, key)| *key).collect();
            let marked = pool.run(move |connection| outbox::mark_sent(connection, &keys));
            if !note(marked.await) {
                break;
            }
            unmarked = rest;
        }
        let lease = Duration::from_secs_f64(SEND_LEASE_SECONDS);
        let again = unmarked.iter().filter(|(at, _)| at.elapsed() < lease);
        self.lock().sent.extend(again);
    }

    /// A panic while the lock was held can't leave these values in an invalid state.
    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Logs an error. Returns whether there was none.
fn note(outcome: Result<(), DatabaseError>) -> bool {
    outcome
        .inspect_err(|error| log::debug!(error:%; "could not update the outbox"))
        .is_ok()
}
