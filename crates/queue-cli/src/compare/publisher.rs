//! A publisher of a comparison.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::address::Address;
use super::record::{Key, Sending, now};
use crate::broker::Role;
use crate::error::Error;
use crate::message::Outgoing;

/// The message group of all messages, so that a FIFO queue keeps all of them in order.
const GROUP: &str = "default";

/// What one publisher sends.
#[derive(Debug, Clone)]
pub(super) struct Publisher {
    pub(super) address: Address,
    pub(super) run: String,
    pub(super) number: u64,
    pub(super) count: u64,
    /// The messages per second.
    pub(super) rate: f64,
    /// Counts the messages of all publishers.
    pub(super) progress: Arc<AtomicU64>,
}

impl Publisher {
    /// Sends all messages one by one, each when it is due. Returns what was sent, and the number of calls.
    pub(super) async fn publish(self) -> Result<(Vec<Sending>, u64), Error> {
        let mut queue = self.address.open(Role::Publisher).await?;
        let calls_before = queue.calls().total();
        let start = Instant::now();
        let mut sent = Vec::new();
        for number in 0..self.count {
            sleep_until(start + self.due(number)).await;
            let key = Key {
                publisher: self.number,
                number,
            };
            let message = Outgoing {
                number,
                body: key.body(&self.run),
                client: format!("P{}", self.number),
                group: self.address.is_fifo().then(|| GROUP.to_owned()),
                dedup_id: None,
                delay: None,
            };
            let started = now();
            queue.send(&message).await?;
            sent.push(Sending {
                key,
                started,
                confirmed: now(),
            });
            self.progress.fetch_add(1, Ordering::Relaxed);
        }
        let calls = queue.calls().total() - calls_before;
        queue.close().await;
        Ok((sent, calls))
    }

    #[expect(clippy::cast_precision_loss, reason = "no run sends 2^52 messages")]
    fn due(&self, number: u64) -> Duration {
        Duration::try_from_secs_f64(number as f64 / self.rate).unwrap_or_default()
    }
}
