//! Polls the queue for as many deliveries as there are free slots, and starts their handlers.
//!
//! # Layout
//! - `checks`: what must hold before the next poll
//! - `group`: handles deliveries, those of one ordered group one after the other
//! - `drain`: how the consumer stops

use std::sync::Arc;
use std::time::Duration;

use job_queue::{MAX_BATCH, Subscription};
use shared_model::backoff::Backoff;
use shared_model::database::Pool;
use shared_model::shutdown::Shutdown;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use self::group::Taken;
use crate::handler::Handler;
use crate::health::Health;
use crate::heartbeat;
use crate::in_flight::InFlight;
use crate::settler::Settler;
use crate::telemetry;

mod checks;
mod drain;
mod group;

pub use drain::STOP_GRACE;

/// Why a consumer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was asked to stop.
    Drained,
    /// Too many abandoned renders do not end. Only a new process frees their threads and connections.
    Stuck,
}

/// The result of one poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Polled {
    /// How many deliveries were received; 0 if none arrived in time.
    Deliveries(usize),
    /// The queue did not answer, or refused the poll.
    QueueFailed,
    /// The worker is shutting down.
    Stopping,
}

/// The worker's main loop.
#[derive(Debug)]
pub struct Consumer {
    subscription: Arc<dyn Subscription>,
    handler: Handler,
    options: ConsumerOptions,
    /// One permit per slot.
    slots: Arc<Semaphore>,
    in_flight: InFlight,
    settler: Settler,
    settling: tokio::task::JoinHandle<()>,
    heartbeat: AbortOnDropHandle<()>,
    tasks: TaskTracker,
    shutdown: Shutdown,
    health: Health,
}

/// How a consumer works.
#[derive(Debug, Clone, Copy)]
pub struct ConsumerOptions {
    /// The number of slots: how many jobs run at the same time.
    pub concurrency: usize,
    /// How long the queue hides a delivery unless it is extended.
    pub visibility: Duration,
    /// How long running jobs may continue after a drain has begun.
    pub drain_timeout: Duration,
    /// How long a stopped handler has to record the end of its attempt.
    pub stop_grace: Duration,
    /// The consumer stops when this many abandoned renders do not end.
    pub max_abandoned: usize,
}

impl Consumer {
    /// Creates a consumer with nothing in flight.
    ///
    /// # Panics
    /// Panics outside of a tokio runtime.
    pub fn new(
        subscription: Arc<dyn Subscription>,
        pool: Pool,
        handler: Handler,
        options: ConsumerOptions,
        shutdown: Shutdown,
        health: Health,
    ) -> Self {
        let in_flight = InFlight::default();
        let (settler, settling) = Settler::start(Arc::clone(&subscription), in_flight.clone());
        let heartbeat = heartbeat::keep(
            in_flight.clone(),
            Arc::clone(&subscription),
            pool,
            options.visibility,
        );
        Self {
            subscription,
            handler,
            options,
            slots: Arc::new(Semaphore::new(options.concurrency)),
            in_flight,
            settler,
            settling,
            heartbeat: AbortOnDropHandle::new(tokio::spawn(heartbeat)),
            tasks: TaskTracker::new(),
            shutdown,
            health,
        }
    }

    /// Runs until the shutdown, and then until nothing is in flight.
    pub async fn run(self) -> Ended {
        // This runs beside the loop, because the last poll may take longer than DRAIN_TIMEOUT.
        let out_of_time = self.stop_after_drain_timeout();
        let mut failures = 0;
        let mut ended = Ended::Drained;
        while !self.shutdown.drain.is_cancelled() {
            if self.is_stuck().await {
                let renders = self.handler.abandoned.count();
                log::error!("worker.renders" = renders; "too many abandoned renders do not end; the worker has to be restarted");
                ended = Ended::Stuck;
                self.shutdown.drain.cancel();
                break;
            }
            if !self.wait_for_database().await {
                break;
            }
            match self.poll_once().await {
                Polled::Deliveries(_) | Polled::Stopping => failures = 0,
                Polled::QueueFailed => {
                    failures += 1;
                    self.pause(Backoff::CALL.after(failures)).await;
                }
            }
        }
        self.drain(out_of_time).await;
        ended
    }

    /// Waits for a free slot, polls once, and starts the handlers of what arrived.
    pub async fn poll_once(&self) -> Polled {
        let Some(permits) = self.free_slots().await else {
            return Polled::Stopping;
        };
        self.health.poll_began();
        let received = tokio::select! {
            received = self.subscription.receive(permits.len(), &self.shutdown.drain) => received,
            // A message that this poll would have returned becomes visible again after its visibility timeout.
            () = self.shutdown.hurry.cancelled() => return Polled::Stopping,
        };
        let deliveries = match received {
            Ok(deliveries) => deliveries,
            Err(error) => {
                self.health.poll_failed(&error.to_string());
                metrics::counter!(telemetry::POLLS, "result" => "failed").increment(1);
                return Polled::QueueFailed;
            }
        };
        self.health.poll_ended();
        let result = if deliveries.is_empty() {
            "empty"
        } else {
            "deliveries"
        };
        metrics::counter!(telemetry::POLLS, "result" => result).increment(1);

        let count = deliveries.len();
        // The visibility timeout began when the queue sent its answer, which may have been slow to arrive. Assume that
        // a third of it has passed. The first extension sets the exact time, and if it fails, enough time is left for
        // another.
        let hidden_until = Instant::now() + self.options.visibility * 2 / 3;
        let taken = deliveries
            .into_iter()
            .zip(permits)
            .map(|(delivery, permit)| Taken {
                guard: self.in_flight.add(delivery.receipt.clone(), hidden_until),
                delivery,
                permit,
            });
        for group in group::in_order(taken.collect()) {
            self.start(group);
        }
        Polled::Deliveries(count)
    }

    /// Waits until a slot is free, and takes as many as one poll may fill. Returns `None` if the worker is shutting
    /// down.
    async fn free_slots(&self) -> Option<Vec<OwnedSemaphorePermit>> {
        let first = tokio::select! {
            permit = Arc::clone(&self.slots).acquire_owned() => permit.ok()?,
            () = self.shutdown.drain.cancelled() => return None,
        };
        let more = std::iter::from_fn(|| Arc::clone(&self.slots).try_acquire_owned().ok());
        Some(std::iter::once(first).chain(more).take(MAX_BATCH).collect())
    }
}
