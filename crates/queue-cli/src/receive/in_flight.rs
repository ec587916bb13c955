//! The messages that are in flight because this process received them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sqs_client::limits::MAX_BATCH;

use crate::message::Received;
use crate::transport::Transport;

const ATTEMPTS: u32 = 3;
/// The pause before the second attempt. Each later pause is longer.
const PAUSE: Duration = Duration::from_millis(200);

/// What to do with the messages in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settlement {
    Delete,
    Release,
}

/// What became of the messages that were to be settled.
#[derive(Debug, Default)]
pub(super) struct Settled {
    pub(super) done: usize,
    /// Messages whose visibility timeout had ended.
    pub(super) lost: usize,
    /// Why the others, which are still in flight, could not be settled.
    pub(super) failure: Option<String>,
}

/// Receipt handles by message id. Of a message that was received twice, only the newer handle is valid.
#[derive(Debug)]
pub(super) struct InFlight {
    messages: BTreeMap<String, Entry>,
    /// The visibility timeout, if it is known.
    visibility: Option<Duration>,
}

#[derive(Debug)]
struct Entry {
    receipt_handle: String,
    received_at: Instant,
}

impl InFlight {
    pub(super) fn new(visibility: Option<Duration>) -> Self {
        Self {
            messages: BTreeMap::new(),
            visibility,
        }
    }

    pub(super) fn add(&mut self, message: &Received) {
        let entry = Entry {
            receipt_handle: message.receipt_handle.clone(),
            received_at: Instant::now(),
        };
        self.messages.insert(message.id.clone(), entry);
    }

    /// Returns how many messages are still in flight.
    pub(super) fn count(&mut self) -> usize {
        let visibility = self.visibility;
        self.messages.retain(|_, entry| {
            visibility.is_none_or(|timeout| entry.received_at.elapsed() < timeout)
        });
        self.messages.len()
    }

    /// Settles all messages. Those that cannot be settled remain here.
    pub(super) async fn settle(
        &mut self,
        queue: &mut dyn Transport,
        settlement: Settlement,
    ) -> Settled {
        self.count();
        let mut settled = Settled::default();
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                tokio::time::sleep(PAUSE * attempt).await;
            }
            settled.failure = None;
            let remaining: Vec<(String, String)> = self
                .messages
                .iter()
                .map(|(id, entry)| (id.clone(), entry.receipt_handle.clone()))
                .collect();
            for batch in remaining.chunks(MAX_BATCH) {
                self.settle_batch(queue, settlement, batch, &mut settled)
                    .await;
            }
            if settled.failure.is_none() {
                break;
            }
        }
        settled
    }

    async fn settle_batch(
        &mut self,
        queue: &mut dyn Transport,
        settlement: Settlement,
        batch: &[(String, String)],
        settled: &mut Settled,
    ) {
        let handles: Vec<&str> = batch.iter().map(|(_, handle)| handle.as_str()).collect();
        let outcomes = match settlement {
            Settlement::Delete => queue.delete(&handles).await,
            Settlement::Release => queue.release(&handles).await,
        };
        let outcomes = match outcomes {
            Ok(outcomes) => outcomes,
            Err(error) => {
                settled.failure = Some(error.to_string());
                return;
            }
        };
        for ((id, _), outcome) in batch.iter().zip(outcomes) {
            match outcome {
                Ok(()) => settled.done += 1,
                Err(error) if error.sender_fault => settled.lost += 1,
                Err(error) => {
                    settled.failure = Some(error.to_string());
                    continue;
                }
            }
            self.messages.remove(id);
        }
    }
}
