//! The relay sends a message to the queue for each accepted job, at least once. Only a queue outside the database has one.
//!
//! This process holds a lease on each message that it sends. The lease lets several relays run at the same time. A relay
//! that dies between sending and recording it causes a second message, which is harmless.
//!
//! # Layout, in the order a message travels
//! - `inbox`: receives the messages of new jobs from requests of the same process
//! - `table`: takes all other messages from the table
//! - `sources`: takes turns between the two
//! - `sending`: sends one batch
//! - `settlements`: records what was sent, and returns the rest to the table

mod inbox;
mod sending;
mod settlements;
mod sources;
mod table;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use job_queue::{CallLimits, Publisher, QueueError};
use shared_model::activity::Activity;
use shared_model::backoff::Backoff;
use shared_model::database::Pool;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::readiness::QueueState;
pub use inbox::{InboxReader, InboxSlots, RelayInbox};
use sending::Batches;
use settlements::Settlements;
use sources::Sources;

/// How many calls run at the same time to a queue that bills each of them.
const BILLED_PARALLEL: usize = 12;
/// How many calls run at the same time to another queue: all of them share a connection.
const FREE_PARALLEL: usize = 4;
/// How long a batch that is not full waits for more messages while other calls are running, if each call is billed.
const LINGER: Duration = Duration::from_millis(10);
/// How long the relay continues to send after the shutdown has begun.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// Sends messages.
#[derive(Debug)]
pub struct Relay {
    /// The database.
    pub pool: Pool,
    /// The queue's publisher.
    pub publisher: Arc<dyn Publisher>,
    /// The messages of new jobs.
    pub inbox: InboxReader,
    /// Whether the queue has to keep the order of all jobs, so that only one call runs at a time.
    pub is_serial: bool,
    /// Counts the messages that the queue accepts.
    pub activity: Activity,
    /// Receives the result of each call to the queue.
    pub queue: watch::Sender<QueueState>,
}

impl Relay {
    /// Sends messages until `shutdown`. Then sends what can be sent within a few seconds, and returns the rest to the
    /// table, for other relays.
    pub async fn run(self, shutdown: CancellationToken) {
        let (sender, table) = mpsc::channel(2 * table::TABLE_BATCH);
        let settlements = Settlements::default();
        let hurry = CancellationToken::new();
        let batches = Batches {
            publisher: self.publisher.as_ref(),
            settlements: &settlements,
            activity: &self.activity,
            queue: &self.queue,
            hurry: &hurry,
        };
        let limits = self.publisher.limits();
        let sources = Sources::new(self.inbox.messages, table, limits.batch);
        let pace = Pace::new(limits, self.is_serial);
        let sending = send_until_drained(&batches, sources, pace, &shutdown);
        let has_more = &self.inbox.table_has_more;
        let taking = table::take_messages(&self.pool, has_more, sender, &shutdown);
        tokio::select! {
            _ = async { tokio::join!(sending, taking) } => {}
            () = settlements.run(&self.pool) => {}
        }
        settlements.finish(&self.pool).await;
    }
}

/// How calls follow each other.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// How many calls run at the same time.
    parallel: usize,
    /// How long a batch that is not full waits for more messages while other calls are running.
    linger: Duration,
}

impl Pace {
    fn new(limits: CallLimits, is_serial: bool) -> Self {
        let (parallel, linger) = if limits.is_billed {
            (BILLED_PARALLEL, LINGER)
        } else {
            (FREE_PARALLEL, Duration::ZERO)
        };
        Self {
            parallel: if is_serial { 1 } else { parallel },
            linger,
        }
    }
}

/// Whether the queue answers.
#[derive(Debug, Default)]
struct Health {
    failures: u32,
    paused_until: Option<Instant>,
}

impl Health {
    /// Takes the outcome of [`Batches::send`].
    fn note(&mut self, outcome: Result<bool, QueueError>) {
        match outcome {
            Ok(was_called) if self.failures == 0 || !was_called => {}
            Ok(_) => {
                log::info!("jobs can be published again");
                *self = Self::default();
            }
            // another call that ran at the same time
            Err(error) if self.paused_until.is_some() => {
                log::debug!(error:%; "could not publish jobs");
            }
            Err(error) => {
                self.failures += 1;
                let level = if self.failures == 1 {
                    log::Level::Warn
                } else {
                    log::Level::Debug
                };
                log::log!(level, error:%; "could not publish jobs; trying again");
                self.paused_until = Some(Instant::now() + Backoff::CALL.after(self.failures));
            }
        }
    }

    /// How many calls may run at the same time. A queue that has failed is tried with one.
    fn limit(&self, parallel: usize) -> usize {
        if self.failures == 0 { parallel } else { 1 }
    }
}

/// Sends batches until `shutdown`, and then until the sources are empty, the time is over or the queue fails. What is left
/// is noted as unsent.
async fn send_until_drained(
    batches: &Batches<'_>,
    mut sources: Sources,
    pace: Pace,
    shutdown: &CancellationToken,
) {
    let mut running = FuturesUnordered::new();
    let mut health = Health::default();
    let mut deadline: Option<Instant> = None;
    let mut are_sources_empty = false;
    while !(are_sources_empty && running.is_empty()) {
        let may_send = !are_sources_empty
            && running.len() < health.limit(pace.parallel)
            && health.paused_until.is_none();
        let linger = if running.is_empty() || deadline.is_some() {
            Duration::ZERO
        } else {
            pace.linger
        };
        tokio::select! {
            biased;
            Some(outcome) = running.next() => health.note(outcome),
            () = shutdown.cancelled(), if deadline.is_none() => {
                sources.close();
                deadline = Some(Instant::now() + DRAIN_TIME);
            }
            () = reached(deadline) => break,
            () = reached(health.paused_until) => health.paused_until = None,
            batch = sources.next(linger), if may_send => match batch {
                Some(batch) => running.push(batches.send(batch)),
                None => are_sources_empty = true,
            }
        }
        if deadline.is_some() && health.failures > 0 {
            break;
        }
    }
    batches.hurry.cancel();
    while running.next().await.is_some() {}
    let rest = sources.rest(Instant::now() + DRAIN_TIME).await;
    batches.settlements.unsent(rest);
}

/// Waits until `time`; forever if it is `None`.
async fn reached(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_calls_that_are_billed_wait_for_more_messages() {
        let pace = |limits, is_serial| {
            let Pace { parallel, linger } = Pace::new(limits, is_serial);
            (parallel, linger)
        };
        assert_eq!(pace(CallLimits::BILLED, false), (BILLED_PARALLEL, LINGER));
        assert_eq!(pace(CallLimits::BILLED, true), (1, LINGER));
        assert_eq!(
            pace(CallLimits::FREE, false),
            (FREE_PARALLEL, Duration::ZERO)
        );
    }

    #[tokio::test]
    async fn a_batch_that_was_too_old_to_be_sent_does_not_show_that_the_queue_answers() {
        let mut health = Health::default();
        health.note(Err(QueueError::Unavailable("test".to_owned())));
        health.paused_until = None;
        health.note(Ok(false));
        assert_eq!(health.limit(BILLED_PARALLEL), 1);
        health.note(Ok(true));
        assert_eq!(health.limit(BILLED_PARALLEL), BILLED_PARALLEL);
    }
}
