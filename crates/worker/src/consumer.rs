//! Polls the queue for as many deliveries as there are free slots, and starts their handlers.
//!
//! # Layout
//! - `checks`: what must hold before the next poll
//! - `group`: handles deliveries, those of one ordered group one after the other
//! - `spans`: the spans of deliveries
//! - `drain`: how the consumer stops

use std::sync::Arc;
use std::time::Duration;

use job_queue::{QueueError, Received, Subscription};
use shared_model::backoff::Backoff;
use shared_model::shutdown::Shutdown;
use shared_model::trace;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use self::group::{Slot, Taken};
use crate::handler::Handler;
use crate::health::Health;
use crate::heartbeat;
use crate::in_flight::InFlight;
use crate::pause::Pause;
use crate::settler::Settler;
use crate::telemetry;

mod checks;
mod drain;
mod group;
mod spans;

pub(crate) use drain::CLOSE_GRACE;
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

/// How long a poll waits for more slots to become free. A poll for many jobs costs as much as a poll for one.
const SLOT_WAIT: Duration = Duration::from_millis(5);

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
    heartbeat: AbortOnDropHandle<()>,
    /// Asks a queue that keeps no order what has been settled.
    _asking: Option<AbortOnDropHandle<()>>,
    tasks: TaskTracker,
    shutdown: Shutdown,
    pause: Pause,
    health: Health,
}

/// How a consumer works.
#[derive(Debug, Clone, Copy)]
pub struct ConsumerOptions {
    /// The number of slots: how many jobs are in flight at the same time.
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
        handler: Handler,
        options: ConsumerOptions,
        shutdown: Shutdown,
        pause: Pause,
        health: Health,
    ) -> Self {
        let slots = u32::try_from(options.concurrency).unwrap_or(u32::MAX);
        metrics::gauge!(telemetry::SLOTS).set(f64::from(slots));
        metrics::gauge!(telemetry::SLOTS_IN_USE).increment(0.0);
        let asking = (!subscription.keeps_order()).then(|| {
            handler.evidence.expect_no_order();
            let asking = handler.evidence.clone().ask(Arc::clone(&subscription));
            AbortOnDropHandle::new(tokio::spawn(asking))
        });
        let in_flight = InFlight::default();
        let settler = Settler::start(
            Arc::clone(&subscription),
            in_flight.clone(),
            options.visibility,
        );
        let heartbeat = heartbeat::keep(
            in_flight.clone(),
            Arc::clone(&subscription),
            handler.database.clone(),
            options.visibility,
        );
        Self {
            subscription,
            handler,
            options,
            slots: Arc::new(Semaphore::new(options.concurrency)),
            in_flight,
            settler,
            heartbeat: AbortOnDropHandle::new(tokio::spawn(heartbeat)),
            _asking: asking,
            tasks: TaskTracker::new(),
            shutdown,
            pause,
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
            if !self.wait_for_database().await || !self.wait_while_paused().await {
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

    /// Waits for free slots, polls once, and starts the handlers of what arrived.
    pub async fn poll_once(&self) -> Polled {
        let Some(mut slots) = self.free_slots().await else {
            return Polled::Stopping;
        };
        self.health.poll_began();
        let began = Instant::now();
        let received = tokio::select! {
            received = self.receive(slots.num_permits()) => received,
            // A message that this poll would have returned becomes visible again after its visibility timeout.
            () = self.shutdown.hurry.cancelled() => return Polled::Stopping,
        };
        let received = match received {
            Ok(received) => received,
            Err(error) => {
                self.health.poll_failed(&error.to_string());
                metrics::counter!(telemetry::POLLS, "result" => "failed").increment(1);
                return Polled::QueueFailed;
            }
        };
        self.health.poll_ended();
        self.note_poll(began, received.is_empty());
        let result = if received.is_empty() {
            "empty"
        } else {
            "deliveries"
        };
        metrics::counter!(telemetry::POLLS, "result" => result).increment(1);
        let count = received.len();
        let taken = received
            .into_iter()
            .map_while(|received| Some(self.take(received, Slot::new(slots.split(1)?))));
        for group in group::in_order(taken.collect()) {
            self.start(group);
        }
        Polled::Deliveries(count)
    }

    /// Polls once. A pause ends the poll as a shutdown does.
    async fn receive(&self, max: usize) -> Result<Vec<Received>, QueueError> {
        let poll = async |stop: &CancellationToken| self.subscription.receive(max, stop).await;
        self.pause.poll(&self.shutdown.drain, poll).await
    }

    /// Records what a poll that began at `began` shows about the queue.
    fn note_poll(&self, began: Instant, is_empty: bool) {
        let evidence = &self.handler.evidence;
        if is_empty && self.pause.is_paused() {
            evidence.interrupted();
            return;
        }
        evidence.polled(began, is_empty);
    }

    /// Returns the deliveries in flight.
    pub fn in_flight(&self) -> InFlight {
        self.in_flight.clone()
    }

    /// Puts what was received in flight.
    fn take(&self, received: Received, slot: Slot) -> Taken {
        let guard = trace::within(received.trace(), || match &received {
            Received::Message(delivery) => {
                // The visibility timeout began when the queue sent its answer, which may have been slow to arrive. Assume
                // that a third of it has passed. The first extension sets the exact time, and if it fails, enough time is
                // left for another.
                let hidden_until = self
                    .subscription
                    .counts_deliveries()
                    .then(|| Instant::now() + self.options.visibility * 2 / 3);
                self.in_flight
                    .add_message(delivery.receipt.clone(), hidden_until)
            }
            Received::Claim { claim, until } => self.in_flight.add_claim(claim.key, *until),
        });
        Taken {
            received,
            guard,
            slot,
        }
    }

    /// Waits until a slot is free, and a moment longer for a quarter of the slots, and takes all free slots. Returns `None`
    /// if the worker is shutting down.
    async fn free_slots(&self) -> Option<OwnedSemaphorePermit> {
        let mut slots = tokio::select! {
            slot = Arc::clone(&self.slots).acquire_owned() => slot.ok()?,
            () = self.shutdown.drain.cancelled() => return None,
        };
        let quarter = u32::try_from(self.options.concurrency / 4).unwrap_or(u32::MAX);
        if quarter > 1 {
            let more = Arc::clone(&self.slots).acquire_many_owned(quarter - 1);
            if let Ok(Ok(more)) = tokio::time::timeout(SLOT_WAIT, more).await {
                slots.merge(more);
            }
        }
        while let Ok(more) = Arc::clone(&self.slots).try_acquire_owned() {
            slots.merge(more);
        }
        Some(slots)
    }
}
