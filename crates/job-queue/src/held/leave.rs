//! How messages leave a worker.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;
use shared_model::database::DatabaseError;
use shared_model::job::JobId;
use shared_model::job_store::outbox::{self, Postponed, PostponedAs};

use super::entries::Content;
use super::{Broker, Holder};
use crate::subscription::{BatchOutcome, Receipt};

/// A message that is to leave this worker and to come again.
#[derive(Debug)]
pub(super) struct Leaving {
    receipt: Receipt,
    content: Content,
    delay: Duration,
}

impl Leaving {
    pub(super) fn at_once((receipt, content): (Receipt, Content)) -> Self {
        Self {
            receipt,
            content,
            delay: Duration::ZERO,
        }
    }
}

/// A readable message that is to come again.
#[derive(Debug)]
struct Returning {
    receipt: Receipt,
    message: Postponed,
}

type Outcomes = HashMap<Receipt, BatchOutcome>;

impl<B: Broker> Holder<B> {
    /// Settles messages for good. Returns one outcome per receipt, in the same order.
    pub(super) async fn delete(
        &self,
        receipts: impl Iterator<Item = &Receipt> + Clone + Send,
    ) -> Vec<BatchOutcome> {
        let begun = receipts.clone();
        let begun = begun.filter(|receipt| self.entries.begin(receipt).is_some());
        let outcomes = self.settle(begun.cloned().collect()).await;
        self.end(&outcomes);
        in_order(receipts, &outcomes)
    }

    /// Returns messages, each to be delivered again after its delay, and moves what can't be read to the dead-letter queue.
    /// Returns one outcome per receipt, in the same order.
    pub(super) async fn release<'a>(
        &self,
        releases: impl Iterator<Item = (&'a Receipt, Duration)> + Clone + Send,
    ) -> Vec<BatchOutcome> {
        let begun = releases.clone().filter_map(|(receipt, delay)| {
            let content = self.entries.begin(receipt)?;
            Some(Leaving {
                receipt: receipt.clone(),
                content,
                delay,
            })
        });
        let outcomes = self.leave(begun.collect()).await;
        in_order(releases.map(|(receipt, _)| receipt), &outcomes)
    }

    /// As [`release`](Self::release), for messages of which that was begun.
    pub(super) async fn leave(&self, leaving: Vec<Leaving>) -> Outcomes {
        let (mut at_once, mut later, mut unreadable) = (Vec::new(), Vec::new(), Vec::new());
        for one in leaving {
            match one.content {
                Content::Job(id, generation) => {
                    let returning = Returning {
                        receipt: one.receipt,
                        message: Postponed {
                            id,
                            generation,
                            delay: one.delay,
                        },
                    };
                    if one.delay.is_zero() {
                        at_once.push(returning);
                    } else {
                        later.push(returning);
                    }
                }
                Content::Unreadable(body) => unreadable.push((one.receipt, body)),
            }
        }
        let mut outcomes = self.bury(unreadable).await;
        match self.give_back(&at_once).await {
            Some(given_back) => outcomes.extend(given_back),
            None => later.append(&mut at_once),
        }
        outcomes.extend(self.postpone(later).await);
        self.end(&outcomes);
        outcomes
    }

    async fn bury(&self, unreadable: Vec<(Receipt, Vec<u8>)>) -> Outcomes {
        let calls = unreadable.into_iter().map(async |(receipt, body)| {
            let outcome = self.broker.bury(&receipt, &body).await;
            (receipt, outcome)
        });
        join_all(calls).await.into_iter().collect()
    }

    async fn give_back(&self, returning: &[Returning]) -> Option<Outcomes> {
        if returning.is_empty() {
            return Some(Outcomes::new());
        }
        let receipts: Vec<Receipt> = returning.iter().map(|one| one.receipt.clone()).collect();
        let outcomes = self.broker.give_back(&receipts).await?;
        Some(receipts.into_iter().zip(outcomes).collect())
    }

    /// Notes in the outbox when messages are to be sent again, and settles them then: a message that is settled first would
    /// be lost by a crash.
    async fn postpone(&self, returning: Vec<Returning>) -> Outcomes {
        if returning.is_empty() {
            return Outcomes::new();
        }
        let messages: Vec<Postponed> = returning.iter().map(|one| one.message).collect();
        let answers: Result<_, DatabaseError> = self
            .pool
            .run(move |connection| outbox::postpone(connection, &messages))
            .await;
        let answers = match answers {
            Ok(answers) => answers,
            Err(error) => {
                let failed = BatchOutcome::Failed(error.to_string());
                let receipts = returning.into_iter().map(|one| one.receipt);
                return receipts.map(|receipt| (receipt, failed.clone())).collect();
            }
        };
        let mut settled = Vec::new();
        let mut outcomes = Outcomes::new();
        for (one, answer) in returning.into_iter().zip(answers) {
            match answer {
                PostponedAs::Written | PostponedAs::Stale => settled.push(one.receipt),
                PostponedAs::Busy => {
                    outcomes.insert(one.receipt, busy(one.message.id));
                }
            }
        }
        outcomes.extend(self.settle(settled).await);
        outcomes
    }

    async fn settle(&self, receipts: Vec<Receipt>) -> Outcomes {
        if receipts.is_empty() {
            return Outcomes::new();
        }
        let outcomes = self.broker.settle(&receipts).await;
        receipts.into_iter().zip(outcomes).collect()
    }

    fn end(&self, outcomes: &Outcomes) {
        for (receipt, outcome) in outcomes {
            self.entries.end(receipt, outcome);
        }
    }
}

fn busy(job: JobId) -> BatchOutcome {
    BatchOutcome::Failed(format!(
        "another session has locked the row of the job {job}"
    ))
}

/// What has no outcome is not held by this worker, or is leaving it already.
fn in_order<'a>(
    receipts: impl Iterator<Item = &'a Receipt>,
    outcomes: &Outcomes,
) -> Vec<BatchOutcome> {
    receipts
        .map(|receipt| outcomes.get(receipt).cloned().unwrap_or(BatchOutcome::Lost))
        .collect()
}
