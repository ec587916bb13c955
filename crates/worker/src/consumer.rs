//! Polls the queue for as many deliveries as there are free hands, and sees each to its settlement.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use job_queue::{Delivery, MAX_BATCH, Subscription};
use shared_model::backoff::Backoff;
use shared_model::database::{DatabaseError, Pool};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::admin::Health;
use crate::handler::Handler;
use crate::heartbeat;
use crate::held::{Held, Holding, Stop};
use crate::outcome::Outcome;
use crate::settler::Settler;

/// How long handlers have to write down that they were stopped, before the process ends all the same.
const STOP_GRACE: Duration = Duration::from_secs(1);
/// How long the queue may take to hear of what was given back in a hurry: both together stay below 2 s.
const SETTLE_GRACE: Duration = Duration::from_millis(500);

/// The two steps of going down.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    /// Start nothing new, and finish what runs.
    pub drain: CancellationToken,
    /// Give everything back now.
    pub hurry: CancellationToken,
}

/// Why a consumer came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was told to.
    Drained,
    /// Too many renders do not stop; only a new process frees their threads and connections.
    Stuck,
}

/// What one poll gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Polled {
    /// So many deliveries; 0: none came in time.
    Deliveries(usize),
    /// The queue did not answer or refused.
    QueueFailed,
    /// The worker is going down.
    Stopping,
}

/// The loop of the worker.
#[derive(Debug)]
pub struct Consumer {
    subscription: Arc<dyn Subscription>,
    handler: Handler,
    visibility: Duration,
    drain_timeout: Duration,
    max_abandoned: usize,
    concurrency: usize,
    permits: Arc<Semaphore>,
    held: Held,
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
    /// How many jobs run at once.
    pub concurrency: usize,
    /// For how long a delivery is hidden by the queue unless extended.
    pub visibility: Duration,
    /// How long running jobs may go on once a drain began.
    pub drain_timeout: Duration,
    /// So many renders that were given up and do not end make the worker stop.
    pub max_abandoned: usize,
}

impl Consumer {
    /// A consumer that holds nothing yet. Call it within a tokio runtime.
    pub fn new(
        subscription: Arc<dyn Subscription>,
        pool: Pool,
        handler: Handler,
        options: ConsumerOptions,
        shutdown: Shutdown,
        health: Health,
    ) -> Self {
        let held = Held::default();
        let (settler, settling) = Settler::start(Arc::clone(&subscription), held.clone());
        let heartbeat = heartbeat::keep(
            held.clone(),
            Arc::clone(&subscription),
            pool,
            options.visibility,
        );
        Self {
            subscription,
            handler,
            visibility: options.visibility,
            drain_timeout: options.drain_timeout,
            max_abandoned: options.max_abandoned,
            concurrency: options.concurrency,
            permits: Arc::new(Semaphore::new(options.concurrency)),
            held,
            settler,
            settling,
            heartbeat: AbortOnDropHandle::new(tokio::spawn(heartbeat)),
            tasks: TaskTracker::new(),
            shutdown,
            health,
        }
    }

    /// Works until the shutdown, and then until nothing is held.
    pub async fn run(self) -> Ended {
        // beside the loop: the last poll is waited for, and may take as long
        let out_of_time = self.stop_what_runs_too_long();
        let mut failures = 0;
        let mut ended = Ended::Drained;
        while !self.shutdown.drain.is_cancelled() {
            if self.is_stuck().await {
                let renders = self.handler.abandoned.count();
                log::error!("worker.renders" = renders; "renders that were given up do not end; the worker has to be started anew");
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

    /// Gives back what still runs when the time for a drain is over; ends then.
    fn stop_what_runs_too_long(&self) -> AbortOnDropHandle<()> {
        let (held, drain) = (self.held.clone(), self.shutdown.drain.clone());
        let drain_timeout = self.drain_timeout;
        AbortOnDropHandle::new(tokio::spawn(async move {
            drain.cancelled().await;
            tokio::time::sleep(drain_timeout).await;
            log::warn!("DRAIN_TIMEOUT is over; giving back what still runs");
            held.stop_all(Stop::Shutdown);
        }))
    }

    /// Waits for a free hand, polls once, and starts what came.
    pub async fn poll_once(&self) -> Polled {
        let Some(permits) = self.free_permits().await else {
            return Polled::Stopping;
        };
        self.health.poll_began();
        let received = tokio::select! {
            received = self.subscription.receive(permits.len(), &self.shutdown.drain) => received,
            // what this poll would have brought shows up again when its visibility ends
            () = self.shutdown.hurry.cancelled() => return Polled::Stopping,
        };
        let deliveries = match received {
            Ok(deliveries) => deliveries,
            Err(error) => {
                self.health.poll_failed(&error.to_string());
                metrics::counter!("worker_polls_total", "result" => "failed").increment(1);
                return Polled::QueueFailed;
            }
        };
        self.health.poll_ended();
        let result = if deliveries.is_empty() {
            "empty"
        } else {
            "deliveries"
        };
        metrics::counter!("worker_polls_total", "result" => result).increment(1);

        let count = deliveries.len();
        // A queue answers as soon as it has something; a third of the visibility allows for an answer that was slow to
        // come, and the first extension, of which one may fail, makes it exact.
        let hidden_until = Instant::now() + self.visibility * 2 / 3;
        let taken = deliveries
            .into_iter()
            .zip(permits)
            .map(|(delivery, permit)| Taken {
                holding: self.held.hold(delivery.receipt.clone(), hidden_until),
                delivery,
                permit,
            });
        for group in in_order_groups(taken.collect()) {
            self.start(group);
        }
        Polled::Deliveries(count)
    }

    /// As many permits as one poll may fill; waits for the first. `None`: the worker is going down.
    async fn free_permits(&self) -> Option<Vec<OwnedSemaphorePermit>> {
        let first = tokio::select! {
            permit = Arc::clone(&self.permits).acquire_owned() => permit.ok()?,
            () = self.shutdown.drain.cancelled() => return None,
        };
        let more = std::iter::from_fn(|| Arc::clone(&self.permits).try_acquire_owned().ok());
        Some(std::iter::once(first).chain(more).take(MAX_BATCH).collect())
    }

    /// Sees a group to its end, one delivery after the other.
    fn start(&self, mut group: VecDeque<Taken>) {
        let (handler, settler) = (self.handler.clone(), self.settler.clone());
        let (drain, health) = (self.shutdown.drain.clone(), self.health.clone());
        self.tasks.spawn(async move {
            let mut may_begin = true;
            while let Some(Taken {
                delivery,
                holding,
                permit,
            }) = group.pop_front()
            {
                let outcome = if may_begin && !drain.is_cancelled() {
                    handler.handle(&delivery, &holding).await
                } else {
                    Outcome::GivenBack
                };
                may_begin &= outcome.lets_the_next_begin();
                if outcome == Outcome::Undone {
                    health.database_failed();
                }
                metrics::counter!("worker_deliveries_total", "outcome" => outcome.name())
                    .increment(1);
                // no more heartbeats for it before the queue is told
                drop(holding);
                if let Some(settlement) = outcome.settlement(delivery) {
                    settler.settle(settlement);
                }
                drop(permit);
            }
        });
    }

    /// Whether too many renders were given up and do not end.
    async fn is_stuck(&self) -> bool {
        // When the database stalls, all renders are given up at once. None can end before it answers, and each then
        // comes to its next look at its holding.
        let grace = 2 * self.visibility;
        let mut answered_at = None;
        while self.handler.abandoned.count() >= self.max_abandoned {
            let Some(answer) = self.ping().await else {
                return false;
            };
            if answer.is_ok() {
                let answered_at = *answered_at.get_or_insert_with(Instant::now);
                if answered_at.elapsed() >= grace {
                    return true;
                }
            }
            if !self.pause(grace / 30).await {
                return false;
            }
        }
        false
    }

    /// Does not poll while the database is away: each receipt would bring a message nearer to the dead-letter queue.
    /// `false`: the worker is going down.
    async fn wait_for_database(&self) -> bool {
        let mut failures = 0;
        while self.health.is_database_in_doubt() {
            match self.ping().await {
                None => return false,
                Some(Ok(())) => self.health.database_answered(),
                Some(Err(error)) => {
                    failures += 1;
                    log::warn!(error:%; "the database does not answer; polling pauses");
                    if !self.pause(Backoff::CALL.after(failures)).await {
                        return false;
                    }
                }
            }
        }
        true
    }

    /// Whether the database answers. `None`: the worker is going down, and waits no longer.
    async fn ping(&self) -> Option<Result<(), DatabaseError>> {
        let answer = self.handler.pool.ping();
        self.shutdown.drain.run_until_cancelled(answer).await
    }

    /// `false`: the worker is going down.
    async fn pause(&self, duration: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(duration) => true,
            () = self.shutdown.drain.cancelled() => false,
        }
    }

    /// Lets what runs finish, gives back what does not in time, and tells the queue everything.
    async fn drain(self, out_of_time: AbortOnDropHandle<()>) {
        self.tasks.close();
        let running = self.concurrency - self.permits.available_permits();
        log::info!("worker.deliveries" = running; "draining");
        tokio::select! {
            () = self.tasks.wait() => {}
            _ = out_of_time => {}
            () = self.shutdown.hurry.cancelled() => log::warn!("hurrying; giving back what still runs"),
        }
        self.held.stop_all(Stop::Shutdown);
        if tokio::time::timeout(STOP_GRACE, self.tasks.wait())
            .await
            .is_err()
        {
            log::error!("some jobs did not stop in time; their claims run out by themselves");
        }
        drop(self.heartbeat);
        drop(self.settler);
        let hurried = async {
            self.shutdown.hurry.cancelled().await;
            tokio::time::sleep(SETTLE_GRACE).await;
        };
        tokio::select! {
            _ = self.settling => {}
            () = hurried => log::warn!("could not tell the queue everything in time"),
        }
    }
}

/// A delivery, the holding that keeps it, and the hand that is kept free for it.
#[derive(Debug)]
struct Taken {
    delivery: Delivery,
    holding: Holding,
    permit: OwnedSemaphorePermit,
}

/// Deliveries of one group stay in their order; all others stand alone.
fn in_order_groups(deliveries: Vec<Taken>) -> Vec<VecDeque<Taken>> {
    let mut groups: Vec<VecDeque<Taken>> = Vec::new();
    let mut index_of: HashMap<String, usize> = HashMap::new();
    for taken in deliveries {
        let known = taken
            .delivery
            .group
            .as_ref()
            .and_then(|group| index_of.get(group));
        if let Some(group) = known.and_then(|index| groups.get_mut(*index)) {
            group.push_back(taken);
        } else {
            if let Some(group) = &taken.delivery.group {
                index_of.insert(group.clone(), groups.len());
            }
            groups.push(VecDeque::from([taken]));
        }
    }
    groups
}
