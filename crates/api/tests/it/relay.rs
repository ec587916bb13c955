//! The relay from the outbox to the queue.

use std::sync::Arc;

use api::background::relay::{Relay, RelayError, Step};
use api::readiness::QueueState;
use job_queue::Publisher;
use local_services::testing::{TIMEOUT, eventually};
use shared_model::database::Pool;
use shared_model::job::JobId;
use shared_model::job_store::outbox;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::support::jobs::{accept, accept_many};
use crate::support::publisher::{Behaviour, TestPublisher};
use crate::support::{Service, config, database, execute, pool};

struct Bench {
    pool: Pool,
    publisher: Arc<TestPublisher>,
}

impl Bench {
    fn new() -> Self {
        Self {
            pool: pool(&config(&database(), &[])),
            publisher: Arc::default(),
        }
    }

    fn relay(&self) -> Relay {
        Relay {
            pool: self.pool.clone(),
            publisher: Arc::clone(&self.publisher) as Arc<dyn Publisher>,
            wake: Arc::new(Notify::new()),
            queue: watch::Sender::new(QueueState::Unknown),
        }
    }

    async fn unpublished(&self) -> i64 {
        self.pool.run(outbox::backlog).await.unwrap().jobs
    }

    /// Makes every lease expire.
    async fn end_leases(&self) {
        execute(
            &self.pool,
            "UPDATE calendar_jobs SET publish_lease_until = '-infinity'",
        )
        .await;
    }
}

fn sorted(mut ids: Vec<JobId>) -> Vec<JobId> {
    ids.sort();
    ids
}

#[tokio::test]
async fn jobs_are_published_once_in_order_in_batches_of_ten() {
    let bench = Bench::new();
    let relay = bench.relay();
    assert_eq!(relay.publish_once().await.unwrap(), Step::Idle);
    let ids = accept_many(&bench.pool, 23).await;
    for step in [Step::Sent(10), Step::Sent(10), Step::Sent(3), Step::Idle] {
        assert_eq!(relay.publish_once().await.unwrap(), step);
    }
    assert_eq!(bench.publisher.arrived(), ids);
    assert_eq!(bench.unpublished().await, 0);
}

#[tokio::test]
async fn jobs_stay_in_the_outbox_while_the_queue_is_down_and_are_published_afterwards() {
    let bench = Bench::new();
    let relay = bench.relay();
    let ids = accept_many(&bench.pool, 3).await;
    bench.publisher.then([Behaviour::Fail, Behaviour::Fail]);
    for _ in 0..2 {
        assert!(matches!(
            relay.publish_once().await,
            Err(RelayError::Queue(_))
        ));
        assert_eq!(*relay.queue.borrow(), QueueState::Unreachable);
        assert_eq!(bench.unpublished().await, 3);
    }
    // the failed attempt has released its lease, so the next one does not wait
    assert_eq!(relay.publish_once().await.unwrap(), Step::Sent(3));
    assert_eq!(*relay.queue.borrow(), QueueState::Reachable);
    assert_eq!(bench.publisher.arrived(), ids);
}

#[tokio::test]
async fn only_the_rejected_jobs_of_a_batch_are_published_again() {
    let bench = Bench::new();
    let relay = bench.relay();
    let ids = accept_many(&bench.pool, 5).await;
    bench.publisher.then([Behaviour::RejectFirst(2)]);
    assert_eq!(
        relay.publish_once().await.unwrap(),
        Step::Partly { sent: 3, failed: 2 }
    );
    assert_eq!(bench.publisher.arrived(), ids[2..]);
    assert_eq!(relay.publish_once().await.unwrap(), Step::Sent(2));
    assert_eq!(sorted(bench.publisher.arrived()), ids);
}

#[tokio::test]
async fn a_relay_that_dies_before_marking_a_job_causes_a_second_message_and_no_loss() {
    let bench = Bench::new();
    let id = accept(&bench.pool).await;
    bench.publisher.then([Behaviour::AcceptAndHang]);
    let relay = bench.relay();
    let dying = tokio::spawn(async move { relay.publish_once().await });
    bench.publisher.called().await;
    dying.abort();
    assert!(dying.await.unwrap_err().is_cancelled());

    let other = bench.relay();
    assert_eq!(
        other.publish_once().await.unwrap(),
        Step::Idle,
        "the dead relay still has the lease"
    );
    bench.end_leases().await;
    assert_eq!(other.publish_once().await.unwrap(), Step::Sent(1));
    assert_eq!(bench.publisher.arrived(), [id, id]);
    assert_eq!(other.publish_once().await.unwrap(), Step::Idle);
}

#[tokio::test]
async fn concurrent_relays_publish_each_job_once() {
    let bench = Bench::new();
    let ids = accept_many(&bench.pool, 200).await;
    let shutdown = CancellationToken::new();
    let relays = [(); 3].map(|()| tokio::spawn(bench.relay().run(shutdown.clone())));
    eventually("all jobs are published", async || {
        bench.unpublished().await == 0
    })
    .await;
    shutdown.cancel();
    for relay in relays {
        relay.await.unwrap();
    }
    assert_eq!(sorted(bench.publisher.arrived()), ids);
}

#[tokio::test]
async fn a_cancelled_job_is_not_published() {
    let bench = Bench::new();
    let id = accept(&bench.pool).await;
    bench
        .pool
        .run(move |connection| shared_model::job_store::requests::cancel(connection, id))
        .await
        .unwrap();
    assert_eq!(bench.relay().publish_once().await.unwrap(), Step::Idle);
}

#[tokio::test]
async fn a_relay_finishes_its_batch_before_it_stops() {
    let bench = Bench::new();
    let shutdown = CancellationToken::new();
    let relay = bench.relay();
    let wake = Arc::clone(&relay.wake);
    let running = tokio::spawn(relay.run(shutdown.clone()));
    let id = accept(&bench.pool).await;
    wake.notify_one();
    bench.publisher.called().await;
    shutdown.cancel();
    tokio::time::timeout(TIMEOUT, running)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(bench.publisher.arrived(), [id]);
    assert_eq!(bench.unpublished().await, 0);
}

#[tokio::test]
async fn jobs_are_accepted_while_the_queue_is_down_and_published_afterwards() {
    let service = Service::start().await;
    service.publisher.then([(); 4].map(|()| Behaviour::Fail));
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(service.new_job().await);
    }
    eventually("the jobs are published", async || {
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
async fn a_relay_publishes_the_jobs_of_an_api_that_died() {
    let bench = Bench::new();
    let id = accept(&bench.pool).await;
    let shutdown = CancellationToken::new();
    // nothing wakes the relay
    let running = tokio::spawn(bench.relay().run(shutdown.clone()));
    tokio::time::timeout(TIMEOUT, bench.publisher.called())
        .await
        .unwrap();
    assert_eq!(bench.publisher.arrived(), [id]);
    shutdown.cancel();
    running.await.unwrap();
}
