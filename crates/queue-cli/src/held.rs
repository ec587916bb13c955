//! The messages that are in flight because this process received them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::batch::MAX_ENTRIES;
use crate::queue::Queue;
use crate::received::Received;

const ATTEMPTS: u32 = 3;
/// Before the second try; each later one waits longer.
const PAUSE: Duration = Duration::from_millis(200);

/// What is to become of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Delete,
    GiveBack,
}

/// How the settling of messages went.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    pub(crate) done: usize,
    /// No longer ours: their visibility timeout had ended.
    pub(crate) too_late: usize,
    /// Why the others, which are still held, could not be settled.
    pub(crate) failure: Option<String>,
}

/// Receipt handles by message id; of a message that came twice the newer one, which alone is good.
#[derive(Debug)]
pub(crate) struct Held {
    messages: BTreeMap<String, Hold>,
    /// How long a message is held at most, if that is known.
    visibility: Option<Duration>,
}

#[derive(Debug)]
struct Hold {
    receipt_handle: String,
    since: Instant,
}

impl Held {
    pub(crate) fn new(visibility: Option<Duration>) -> Self {
        Self {
            messages: BTreeMap::new(),
            visibility,
        }
    }

    pub(crate) fn add(&mut self, message: &Received) {
        let hold = Hold {
            receipt_handle: message.receipt_handle.clone(),
            since: Instant::now(),
        };
        self.messages.insert(message.id.clone(), hold);
    }

    /// How many are in flight still.
    pub(crate) fn count(&mut self) -> usize {
        let visibility = self.visibility;
        self.messages
            .retain(|_, hold| visibility.is_none_or(|longest| hold.since.elapsed() < longest));
        self.messages.len()
    }

    /// Settles all that is held. What cannot be settled stays held.
    pub(crate) async fn settle(&mut self, queue: &mut Queue, end: End) -> Settled {
        self.count();
        let mut settled = Settled::default();
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                tokio::time::sleep(PAUSE * attempt).await;
            }
            settled.failure = None;
            let left: Vec<(String, String)> = self
                .messages
                .iter()
                .map(|(id, hold)| (id.clone(), hold.receipt_handle.clone()))
                .collect();
            for batch in left.chunks(MAX_ENTRIES) {
                self.settle_batch(queue, end, batch, &mut settled).await;
            }
            if settled.failure.is_none() {
                break;
            }
        }
        settled
    }

    async fn settle_batch(
        &mut self,
        queue: &mut Queue,
        end: End,
        batch: &[(String, String)],
        settled: &mut Settled,
    ) {
        let handles: Vec<&str> = batch.iter().map(|(_, handle)| handle.as_str()).collect();
        let outcomes = match end {
            End::Delete => queue.delete(&handles).await,
            End::GiveBack => queue.give_back(&handles).await,
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
                Err(refusal) if refusal.sender_fault => settled.too_late += 1,
                Err(refusal) => {
                    settled.failure = Some(refusal.to_string());
                    continue;
                }
            }
            self.messages.remove(id);
        }
    }
}
