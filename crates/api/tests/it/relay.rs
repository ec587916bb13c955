//! The relay from the outbox to the queue.

use std::sync::Arc;
use std::time::Duration;

use api::background::relay::{Relay, RelayInbox};
use api::readiness::QueueState;
use job_queue::Publisher;
use local_services::testing::{TIMEOUT, eventually};
use shared_model::activity::Activity;
use shared_model::database::{DatabaseError, Pool};
use shared_model::job::JobId;
use shared_model::job_store::outbox;
use shared_model::job_store::requests::Sender;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::support::jobs::{accept_many, store};
use crate::support::publisher::{Behaviour, TestPublisher};
use crate::support::{Service, config, database, execute, pool};

struct Bench {
    pool: Pool,
    publisher: Arc<TestPublisher>,
}

/// A relay that runs until it is stopped.
struct Running {
    inbox: RelayInbox,
    queue: watch::Receiver<QueueState>,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Bench {
    fn new() -> Self {
        Self {
            pool: pool(&config(&database(), &[])),
            publisher: Arc::default(),
        }
    }

    fn start(&self, is_serial: bool) -> Running {
        let (inbox, reader) = RelayInbox::new();
        let (sender, queue) = watch::channel(QueueState::Unknown);
        let relay = Relay {
            pool: self.pool.clone(),
            publisher: Arc::clone(&self.publisher) as Arc<dyn Publisher>,
            inbox: reader,
            activity: Activity::default(),
            is_serial,
            queue: sender,
        };
        let shutdown = CancellationToken::new();
        Running {
            inbox,
            queue,
            task: tokio::spawn(relay.run(shutdown.clone())),
            shutdown,
        }
    }

    /// Returns how many messages are recorded as not sent yet.
    async fn unsent(&self) -> i64 {
        self.pool.run(outbox::backlog).await.unwrap().jobs
    }

    /// Returns the jobs whose messages no relay holds.
    async fn free(&self) -> Vec<JobId> {
        let taken = self.pool.run(|connection| outbox::take(connection, 1000));
        let taken: Result<_, DatabaseError> = taken.await;
        let ids = taken.unwrap().into_iter();
        ids.map(|outbound| outbound.message.job_id).collect()
    }

    async fn has_arrived(&self, count: usize) {
        eventually("the messages have arrived", async || {
            self.publisher.arrived().len() >= count
        })
        .await;
    }

    /// Makes every lease expire.
    async fn end_leases(&self) {
        let sql = "UPDATE calendar_jobs SET send_after = now() WHERE send_after IS NOT NULL";
        execute(&self.pool, sql).await;
    }
}

impl Running {
    async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(TIMEOUT, self.task)
            .await
            .unwrap()
            .unwrap();
    }
}

fn sorted(mut ids: Vec<JobId>) -> Vec<JobId> {
    ids.sort();
    ids
}

#[tokio::test]
async fn the_jobs_in_the_table_are_sent_once_in_order_in_batches_of_ten() {
    let bench = Bench::new();
    let ids = accept_many(&bench.pool, 123).await;
    let relay = bench.start(true);
    bench.has_arrived(123).await;
    assert_eq!(bench.publisher.arrived(), ids);
    assert_eq!(bench.publisher.largest_batch(), 10);
    eventually("they are recorded as sent", async || {
        bench.unsent().await == 0
    })
    .await;
    relay.stop().await;
    assert_eq!(bench.publisher.arrived().len(), 123);
}

#[tokio::test]
async fn a_job_that_this_process_accepted_is_sent_from_memory() {
    let bench = Bench::new();
    let relay = bench.start(false);
    let slots = relay.inbox.reserve(1).unwrap();
    let id = JobId::new();
    let accepted_at = store(&bench.pool, &[id], Sender::ThisProcess).await;
    assert_eq!(bench.free().await, [], "this process holds its lease");
    slots.fill([(id, None)], accepted_at);
    bench.has_arrived(1).await;
    relay.stop().await;
    assert_eq!(bench.publisher.arrived(), [id]);
    assert_eq!(bench.unsent().await, 0);
}

#[tokio::test]
async fn jobs_stay_in_the_outbox_while_the_queue_is_down_and_are_sent_afterwards() {
    let bench = Bench::new();
    let ids = accept_many(&bench.pool, 3).await;
    bench.publisher.then([Behaviour::Fail, Behaviour::Fail]);
    let mut relay = bench.start(true);
    let is = |state: QueueState| move |current: &QueueState| *current == state;
    relay
        .queue
        .wait_for(is(QueueState::Unreachable))
        .await
        .unwrap();
    assert_eq!(bench.unsent().await, 3);
    relay
        .queue
        .wait_for(is(QueueState::Reachable))
        .await
        .unwrap();
    bench.has_arrived(3).await;
    relay.stop().await;
    assert_eq!(bench.publisher.arrived(), ids);
}

#[tokio::test]
async fn a_message_that_the_queue_refuses_again_and_again_delays_no_other() {
    let bench = Bench::new();
    let mut ids = accept_many(&bench.pool, 25).await;
    let refused = ids.remove(0);
    bench.publisher.refuse(refused);
    let relay = bench.start(true);
    eventually("it is refused again", async || {
        bench.publisher.refusals() >= 2
    })
    .await;
    ids.extend(accept_many(&bench.pool, 25).await);
    bench.has_arrived(49).await;
    assert_eq!(*relay.queue.borrow(), QueueState::Reachable);
    relay.stop().await;
    assert_eq!(sorted(bench.publisher.arrived()), ids);
    assert_eq!(bench.free().await, [refused]);
}

// On a paused clock, only waiting takes time.
#[tokio::test(start_paused = true)]
async fn refused_messages_do_not_pause_the_relay() {
    let bench = Bench::new();
    for id in accept_many(&bench.pool, 100).await.iter().step_by(10) {
        bench.publisher.refuse(*id);
    }
    let relay = bench.start(true);
    bench.publisher.called().await;
    let first = Instant::now();
    for _ in 1..10 {
        bench.publisher.called().await;
    }
    let took = first.elapsed();
    assert!(took < Duration::from_millis(100), "it took {took:?}");
    assert_eq!(bench.publisher.arrived().len(), 90);
    relay.stop().await;
}

#[tokio::test]
async fn a_relay_that_dies_before_recording_a_message_causes_a_second_one_and_no_loss() {
    let bench = Bench::new();
    let ids = accept_many(&bench.pool, 1).await;
    bench.publisher.then([Behaviour::AcceptAndHang]);
    let dying = bench.start(false);
    bench.publisher.called().await;
    dying.task.abort();
    assert!(dying.task.await.unwrap_err().is_cancelled());
    assert_eq!(bench.free().await, [], "the dead relay still has the lease");

    bench.end_leases().await;
    let other = bench.start(false);
    bench.has_arrived(2).await;
    other.stop().await;
    assert_eq!(bench.publisher.arrived(), [ids[0], ids[0]]);
    assert_eq!(bench.unsent().await, 0);
}

#[tokio::test]
async fn concurrent_relays_send_each_job_once() {
    let bench = Bench::new();
    let ids = accept_many(&bench.pool, 500).await;
    let relays = [(); 3].map(|()| bench.start(false));
    bench.has_arrived(500).await;
    for relay in relays {
        relay.stop().await;
    }
    assert_eq!(sorted(bench.publisher.arrived()), ids);
    assert_eq!(bench.unsent().await, 0);
}

#[tokio::test]
async fn a_cancelled_job_is_not_sent() {
    let bench = Bench::new();
    let ids = accept_many(&bench.pool, 2).await;
    let cancelled = ids[0];
    bench
        .pool
        .run(move |connection| shared_model::job_store::requests::cancel(connection, cancelled))
        .await
        .unwrap();
    let relay = bench.start(true);
    bench.has_arrived(1).await;
    relay.stop().await;
    assert_eq!(bench.publisher.arrived(), ids[1..]);
}

#[tokio::test]
async fn a_relay_that_stops_sends_what_it_has_in_memory() {
    let bench = Bench::new();
    let ids: Vec<JobId> = (0..200).map(|_| JobId::new()).collect();
    let relay = bench.start(false);
    let slots = relay.inbox.reserve(ids.len()).unwrap();
    let accepted_at = store(&bench.pool, &ids, Sender::ThisProcess).await;
    slots.fill(ids.iter().map(|id| (*id, None)), accepted_at);
    relay.stop().await;
    assert_eq!(sorted(bench.publisher.arrived()), ids);
    assert_eq!(bench.unsent().await, 0);
}

#[tokio::test]
async fn a_relay_that_stops_while_the_queue_is_down_leaves_its_messages_to_the_others() {
    let bench = Bench::new();
    let mut ids: Vec<JobId> = (0..200).map(|_| JobId::new()).collect();
    bench.publisher.then([Behaviour::Fail; 50]);
    let relay = bench.start(false);
    let slots = relay.inbox.reserve(ids.len()).unwrap();
    let accepted_at = store(&bench.pool, &ids, Sender::ThisProcess).await;
    slots.fill(ids.iter().map(|id| (*id, None)), accepted_at);
    ids.extend(accept_many(&bench.pool, 50).await);
    bench.publisher.called().await;
    relay.stop().await;
    assert_eq!(bench.publisher.arrived(), []);
    assert_eq!(bench.free().await, sorted(ids), "no lease has to run out");
}

#[tokio::test]
async fn jobs_are_accepted_while_the_queue_is_down_and_sent_afterwards() {
    let service = Service::start().await;
    service.publisher.then([Behaviour::Fail; 4]);
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(service.new_job().await);
    }
    eventually("the jobs are sent", async || {
        service.publisher.arrived().len() == 5
    })
    .await;
    assert_eq!(sorted(service.publisher.arrived()), ids);
}

#[tokio::test]
async fn a_queue_that_never_responds_delays_neither_requests_nor_shutdown() {
    let service = Service::start().await;
    service.publisher.then([Behaviour::AcceptAndHang]);
    service.new_job().await;
    service.publisher.called().await;
    assert_eq!(service.get("/readyz").await.status, 200);
    service.new_job().await;
    service.stop();
    eventually("the process has ended", async || service.has_ended()).await;
}

#[tokio::test]
async fn a_relay_sends_the_jobs_of_an_api_that_died() {
    let bench = Bench::new();
    // nothing wakes the relay
    let relay = bench.start(false);
    let ids = accept_many(&bench.pool, 1).await;
    bench.has_arrived(1).await;
    relay.stop().await;
    assert_eq!(bench.publisher.arrived(), ids);
}
