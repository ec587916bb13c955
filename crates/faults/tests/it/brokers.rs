//! A broker that restarts, can't be reached, or loses its connections.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use faults::poison::Poison;
use faults::queue::{Queue, QueueKind};
use local_services::brokers::{BrokerKind, LocalBroker};
use local_services::testing::eventually;
use nix::sys::signal::Signal;
use queue_tests::BrokerQueue;
#[cfg(feature = "kafka")]
use queue_tests::kafka::Kafka;
use shared_model::job::JobStatus;

use crate::support::{
    RENDER_DELAY_4S, TestSystem, VISIBILITY_12S, VISIBILITY_60S, assert_succeeded, finish, system,
    system_with, with_each,
};

with_each! {
    redis, activemq: (
        f06_an_api_without_its_broker_accepts_jobs_and_sends_them_later,
        f18_a_worker_without_its_broker_stores_its_result,
        f18_an_attempt_outlasts_its_delivery_when_its_worker_can_not_reach_the_broker,
        f39_a_broker_that_restarts_only_delays_jobs,
        f39_connections_that_break_all_the_time_lose_no_job,
        f39_a_broker_that_stalls_only_delays_jobs,
    );
    rabbitmq: (
        f06_an_api_without_its_broker_accepts_jobs_and_sends_them_later,
        f18_a_worker_without_its_broker_stores_its_result,
        f39_a_broker_that_restarts_only_delays_jobs,
        f39_connections_that_break_all_the_time_lose_no_job,
        f39_a_broker_that_stalls_only_delays_jobs,
    );
    kafka: (
        f06_an_api_without_its_broker_accepts_jobs_and_sends_them_later,
        f18_a_worker_without_its_broker_stores_its_result,
        f18_an_attempt_outlasts_its_delivery_when_its_worker_can_not_reach_the_broker,
        f39_a_broker_that_restarts_only_delays_jobs,
        f39_a_broker_that_stalls_only_delays_jobs,
    );
}

async fn f06_an_api_without_its_broker_accepts_jobs_and_sends_them_later(kind: QueueKind) {
    let system = system(kind).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    let worker = system.start_worker(&[VISIBILITY_60S]).await.unwrap();
    api.broker().unwrap().cut();
    let began = Instant::now();
    let ids = client.submit_many(20).await.unwrap();
    // Clients do not wait for a queue that does not answer.
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    api.heal();
    for id in ids {
        client.wait_for(id, JobStatus::Success).await.unwrap();
    }
    finish(&system, [api, worker]).await;
}

async fn f18_a_worker_without_its_broker_stores_its_result(kind: QueueKind) {
    let system = system(kind).await;
    system.database.poison(Poison::Wait, 1).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let cut = system.start_worker(&[VISIBILITY_60S]).await.unwrap();
    let id = client.submit().await.unwrap();
    let started = system.database.wait_for_status(id, JobStatus::Started);
    started.await.unwrap();
    cut.broker().unwrap().cut();
    system.database.cure(Poison::Wait).await.unwrap();
    let done = system.database.wait_until_ended(id).await.unwrap();
    assert_succeeded(&done, 1);
    cut.heal();
    // The message is settled when the worker reaches the broker again.
    system.drain().await.unwrap();
    assert_eq!(system.database.job(id).await.unwrap(), done);
    finish(&system, [api, cut]).await;
}

async fn f18_an_attempt_outlasts_its_delivery_when_its_worker_can_not_reach_the_broker(
    kind: QueueKind,
) {
    let system = system(kind).await;
    system.database.poison(Poison::Wait, 1).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let cut = system.start_worker(&[VISIBILITY_12S]).await.unwrap();
    let id = client.submit().await.unwrap();
    let started = system.database.wait_for_status(id, JobStatus::Started);
    started.await.unwrap();
    cut.broker().unwrap().cut();
    // Another worker receives the message, and finds that the job is claimed.
    let other = system.start_worker(&[VISIBILITY_12S]).await.unwrap();
    eventually("the message is delivered again", async || {
        let leased = other.labelled_counter("worker_deliveries_total", "outcome=\"leased\"");
        leased.await.unwrap() > 0
    })
    .await;
    system.database.cure(Poison::Wait).await.unwrap();
    assert_succeeded(&system.database.wait_until_ended(id).await.unwrap(), 1);
    cut.heal();
    finish(&system, [api, cut, other]).await;
}

/// A broker that no other test uses.
#[derive(Clone)]
enum OwnBroker {
    Local(BrokerKind, Arc<Mutex<LocalBroker>>),
    #[cfg(feature = "kafka")]
    Kafka(Arc<Kafka>),
}

impl OwnBroker {
    /// Blocks the thread.
    fn start(kind: QueueKind) -> Self {
        let kind = match kind {
            QueueKind::Redis => BrokerKind::Redis,
            QueueKind::ActiveMq => BrokerKind::ActiveMq,
            QueueKind::RabbitMq => BrokerKind::RabbitMq,
            #[cfg(feature = "kafka")]
            QueueKind::Kafka => return Self::Kafka(Arc::new(Kafka::start(1).unwrap())),
            QueueKind::Postgres | QueueKind::Sqs | QueueKind::SqsFifo => panic!("not a broker"),
        };
        let broker = LocalBroker::private(kind, &[]).unwrap();
        Self::Local(kind, Arc::new(Mutex::new(broker)))
    }

    /// Blocks the thread.
    fn create_queue(&self) -> Queue {
        let queue = match self {
            Self::Local(kind, broker) => BrokerQueue::create_on(*kind, &broker.lock().unwrap()),
            #[cfg(feature = "kafka")]
            Self::Kafka(kafka) => BrokerQueue::create_in(kafka),
        };
        Queue::Broker(queue.unwrap())
    }

    /// Stops the broker and starts it again. Kafka runs in this process, and only closes its ports for a second.
    async fn restart(&self, signal: Signal) {
        match self {
            Self::Local(_, broker) => {
                let broker = Arc::clone(broker);
                let restarting = tokio::task::spawn_blocking(move || {
                    let mut broker = broker.lock().unwrap();
                    broker.stop(signal).unwrap();
                    broker.start_again().unwrap();
                });
                restarting.await.unwrap();
            }
            #[cfg(feature = "kafka")]
            Self::Kafka(kafka) => {
                kafka.go_down().unwrap();
                tokio::time::sleep(Duration::from_secs(1)).await;
                kafka.come_up().unwrap();
            }
        }
    }
}

/// Runs a broker of its own for a system, and returns both.
async fn system_of_its_own_broker(kind: QueueKind) -> (TestSystem, OwnBroker) {
    let starting = tokio::task::spawn_blocking(move || OwnBroker::start(kind));
    let own = starting.await.unwrap();
    let shared = own.clone();
    (system_with(move || shared.create_queue()).await, own)
}

async fn f39_a_broker_that_restarts_only_delays_jobs(kind: QueueKind) {
    let (system, broker) = system_of_its_own_broker(kind).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    let busy = [VISIBILITY_60S, ("RENDER_DELAY", "300ms")];
    let worker = system.start_worker(&busy).await.unwrap();
    let mut ids = client.submit_many(30).await.unwrap();
    let first = system.database.wait_for_status(ids[0], JobStatus::Success);
    first.await.unwrap();
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        // Some jobs run, some wait in the queue, and some are accepted while there is no broker.
        let (more, ()) = tokio::join!(client.submit_many(10), broker.restart(signal));
        ids.extend(more.unwrap());
    }
    for id in ids {
        assert_succeeded(&system.database.wait_until_ended(id).await.unwrap(), 1);
    }
    finish(&system, [api, worker]).await;
}

async fn f39_connections_that_break_all_the_time_lose_no_job(kind: QueueKind) {
    let system = system(kind).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    // What was on its way to a worker when its connection broke may be hidden for so long.
    let settings = [VISIBILITY_12S, ("RENDER_DELAY", "100ms")];
    let workers = [
        system.start_worker(&settings).await.unwrap(),
        system.start_worker(&settings).await.unwrap(),
    ];
    let mut ids = Vec::new();
    for _ in 0..25 {
        ids.extend(client.submit_many(2).await.unwrap());
        tokio::time::sleep(Duration::from_millis(200)).await;
        for process in [&api].into_iter().chain(&workers) {
            process.broker().unwrap().disconnect();
        }
    }
    for id in ids {
        assert_succeeded(&system.database.wait_until_ended(id).await.unwrap(), 1);
    }
    for process in [&api].into_iter().chain(&workers) {
        // What a broker's client calls a part of its work says nothing to operators.
        assert_eq!(process.logged("tracing::span"), [""; 0]);
    }
    finish(&system, [api].into_iter().chain(workers)).await;
}

/// Longer than two heartbeats of a connection, after which both sides give it up.
const STALL: Duration = Duration::from_secs(25);

async fn f39_a_broker_that_stalls_only_delays_jobs(kind: QueueKind) {
    let system = system(kind).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    // The API publishes again what it could not confirm. A copy that a worker receives while the job still runs waits until
    // the claim on the job would end.
    let settings = [VISIBILITY_12S, RENDER_DELAY_4S];
    let worker = system.start_worker(&settings).await.unwrap();
    let mut ids = client.submit_many(4).await.unwrap();
    let started = system.database.wait_for_status(ids[0], JobStatus::Started);
    started.await.unwrap();
    for process in [&api, &worker] {
        process.broker().unwrap().stall();
    }
    ids.extend(client.submit_many(4).await.unwrap());
    tokio::time::sleep(STALL).await;
    for process in [&api, &worker] {
        process.heal();
    }
    for id in ids {
        assert_succeeded(&system.database.wait_until_ended(id).await.unwrap(), 1);
    }
    finish(&system, [api, worker]).await;
}
