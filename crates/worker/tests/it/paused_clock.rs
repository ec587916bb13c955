//! How long the consumer takes to stop and to cancel, on tokio's paused clock.
//!
//! That clock stands still while a query runs and jumps ahead while the worker only waits. So these tests measure only
//! the time that the worker itself spends waiting, which does not depend on the speed of the machine.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use job_queue::postgres::PostgresSubscription;
use job_queue::{
    BatchOutcome, Deletion, Delivery, QueueError, Receipt, Release, Subscription,
    SubscriptionOptions,
};
use shared_model::job::{CalendarRequest, ErrorCode, JobId, JobStatus};
use shared_model::job_store::requests;
use shared_model::shutdown::Shutdown;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use worker::consumer::{Consumer, ConsumerOptions, Ended, STOP_GRACE};
use worker::handler::{AbandonedRenders, Handler};
use worker::health::Health;
use worker::isolation::IsolationGate;
use worker::render;

use crate::support::Database;

const VISIBILITY: Duration = Duration::from_secs(30);
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

/// A consumer that runs one job, which would take nine minutes.
struct Running {
    database: Database,
    id: JobId,
    shutdown: Shutdown,
    consumer: JoinHandle<Ended>,
}

impl Running {
    async fn start(queue: impl FnOnce(PostgresSubscription) -> Arc<dyn Subscription>) -> Self {
        let database = Database::new();
        let id = database.accept(CalendarRequest::default()).await;
        let shutdown = Shutdown::default();
        let handler = Handler {
            pool: database.pool.clone(),
            calendar_host: "taskoverflow".into(),
            lease: VISIBILITY,
            job_timeout: Duration::from_mins(10),
            max_attempts: 5,
            render_delay: Duration::from_mins(9),
            render: render::render,
            isolation: IsolationGate::default(),
            drain: shutdown.drain.clone(),
            abandoned: AbandonedRenders::default(),
        };
        let options = ConsumerOptions {
            concurrency: 2,
            visibility: VISIBILITY,
            drain_timeout: DRAIN_TIMEOUT,
            stop_grace: STOP_GRACE,
            max_abandoned: 1,
        };
        let consumer = Consumer::new(
            queue(subscription(&database)),
            database.pool.clone(),
            handler,
            options,
            shutdown.clone(),
            Health::new(VISIBILITY),
        );
        let consumer = tokio::spawn(consumer.run());
        database
            .wait_for(id, |job| job.status == JobStatus::Started)
            .await;
        Self {
            database,
            id,
            shutdown,
            consumer,
        }
    }

    /// Waits until the consumer has ended, and returns how long that took.
    async fn stopped(&mut self) -> Duration {
        let began = Instant::now();
        assert_eq!((&mut self.consumer).await.unwrap(), Ended::Drained);
        began.elapsed()
    }

    async fn status(&self) -> JobStatus {
        self.database.find(self.id).await.status
    }
}

fn subscription(database: &Database) -> PostgresSubscription {
    let options = SubscriptionOptions {
        visibility: VISIBILITY,
        wait: Duration::from_secs(1),
    };
    PostgresSubscription::new(database.pool.clone(), options)
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_releases_running_jobs_within_two_seconds() {
    let mut running = Running::start(|queue| Arc::new(queue)).await;
    running.shutdown.drain.cancel();
    tokio::time::sleep(DRAIN_TIMEOUT / 2).await;
    assert_eq!(running.status().await, JobStatus::Started);

    running.shutdown.hurry.cancel();
    let took = running.stopped().await;
    assert!(took < Duration::from_secs(2), "it took {took:?}");

    let job = running.database.find(running.id).await;
    assert_eq!(job.status, JobStatus::Retry);
    assert_eq!(job.error.unwrap().code, ErrorCode::WorkerStopped);
    let other = subscription(&running.database);
    let delivered = other.receive(1, &CancellationToken::new()).await.unwrap();
    assert_eq!(delivered[0].message.as_ref().unwrap().job_id, running.id);
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_does_not_wait_for_a_queue_that_hangs() {
    let mut running = Running::start(|queue| Arc::new(HangingQueue(queue))).await;
    running.shutdown.drain.cancel();
    running.shutdown.hurry.cancel();
    let took = running.stopped().await;
    assert!(took < Duration::from_secs(2), "it took {took:?}");
    assert_eq!(running.status().await, JobStatus::Retry);
}

#[tokio::test(start_paused = true)]
async fn jobs_that_exceed_the_drain_timeout_are_released() {
    let mut running = Running::start(|queue| Arc::new(queue)).await;
    running.shutdown.drain.cancel();
    let took = running.stopped().await;
    assert!(
        (DRAIN_TIMEOUT..DRAIN_TIMEOUT + Duration::from_secs(2)).contains(&took),
        "it took {took:?}"
    );
    assert_eq!(running.status().await, JobStatus::Retry);
}

#[tokio::test(start_paused = true)]
async fn a_running_job_is_cancelled_within_about_a_second() {
    let running = Running::start(|queue| Arc::new(queue)).await;
    let (database, id) = (&running.database, running.id);
    database
        .pool
        .run(move |connection| requests::cancel(connection, id))
        .await
        .unwrap();
    let asked = Instant::now();
    let job = database.wait_until_ended(id).await;
    let took = asked.elapsed();
    assert_eq!(job.status, JobStatus::Revoked);
    assert!(took < Duration::from_millis(1500), "it took {took:?}");
}

/// A queue that never answers a delete or a release.
#[derive(Debug)]
struct HangingQueue(PostgresSubscription);

#[async_trait]
impl Subscription for HangingQueue {
    async fn receive(
        &self,
        max: usize,
        stop: &CancellationToken,
    ) -> Result<Vec<Delivery>, QueueError> {
        self.0.receive(max, stop).await
    }

    async fn extend(&self, receipts: &[Receipt]) -> Vec<BatchOutcome> {
        self.0.extend(receipts).await
    }

    async fn delete(&self, deletions: &[Deletion]) -> Vec<BatchOutcome> {
        if deletions.is_empty() {
            return Vec::new();
        }
        std::future::pending().await
    }

    async fn release(&self, _: &[Release]) -> Vec<BatchOutcome> {
        std::future::pending().await
    }

    async fn dead_letters(&self) -> Result<Option<Arc<dyn Subscription>>, QueueError> {
        self.0.dead_letters().await
    }

    async fn warnings(&self, max_attempts: u32) -> Result<Vec<String>, QueueError> {
        self.0.warnings(max_attempts).await
    }
}
