//! How long the consumer takes to stop and to cancel, and how long it waits for its queue, on tokio's paused clock.
//!
//! That clock stands still while a query runs and jumps ahead while the worker only waits. So these tests measure only
//! the time that the worker itself spends waiting, which does not depend on the speed of the machine.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use job_queue::postgres::PostgresSubscription;
use job_queue::{
    BatchOutcome, Deletion, Findings, QueueError, Receipt, Received, Rejection, Release,
    Subscription, WorkerNeeds,
};
use local_services::testing::eventually;
use shared_model::job::{CalendarRequest, ErrorCode, JobId, JobStatus};
use shared_model::job_store::requests;
use shared_model::shutdown::Shutdown;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::support::{Database, Running, Setup, StubQueue, VISIBILITY};

const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

/// A job that would take nine minutes.
fn endless() -> Setup {
    Setup {
        render_delay: Duration::from_mins(9),
        drain_timeout: DRAIN_TIMEOUT,
        ..Setup::default()
    }
}

/// Starts a consumer of the queue `postgres:`, and waits until it runs an endless job.
async fn start_endless(database: &Database) -> (JobId, Running) {
    let id = database.accept(CalendarRequest::default()).await;
    let running = Running::start(database, Arc::new(database.subscription()), endless());
    wait_until_started(database, id).await;
    (id, running)
}

async fn wait_until_started(database: &Database, id: JobId) {
    database
        .wait_for(id, |job| job.status == JobStatus::Started)
        .await;
    // The job is claimed before its attempt begins. The paused clock moves on only when the worker has nothing else to do,
    // so the attempt has begun then.
    tokio::time::sleep(Duration::from_millis(100)).await;
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_releases_running_jobs_within_two_seconds() {
    let database = Database::new();
    let (id, mut running) = start_endless(&database).await;
    running.shutdown.drain.cancel();
    tokio::time::sleep(DRAIN_TIMEOUT / 2).await;
    assert_eq!(database.find(id).await.status, JobStatus::Started);

    running.shutdown.hurry.cancel();
    let took = running.stopped().await;
    assert!(took < Duration::from_secs(2), "it took {took:?}");

    let job = database.find(id).await;
    assert_eq!(job.status, JobStatus::Retry);
    assert_eq!(job.error.unwrap().code, ErrorCode::WorkerStopped);
    let other = database.subscription();
    let received = other.receive(1, &CancellationToken::new()).await.unwrap();
    let [Received::Claim { claim, .. }] = received.as_slice() else {
        panic!("{received:?}")
    };
    assert_eq!((claim.key.id, claim.attempt), (id, 2));
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_does_not_wait_for_a_queue_that_hangs() {
    let database = Database::new();
    let id = database.accept(CalendarRequest::default()).await;
    let queue = StubQueue::new();
    queue.deliver(&database.find(id).await);
    let mut running = Running::start(&database, queue, endless());
    wait_until_started(&database, id).await;
    running.shutdown.drain.cancel();
    running.shutdown.hurry.cancel();
    let took = running.stopped().await;
    assert!(took < Duration::from_secs(2), "it took {took:?}");
    assert_eq!(database.find(id).await.status, JobStatus::Retry);
}

#[tokio::test(start_paused = true)]
async fn jobs_that_exceed_the_drain_timeout_are_released() {
    let database = Database::new();
    let (id, mut running) = start_endless(&database).await;
    running.shutdown.drain.cancel();
    let took = running.stopped().await;
    assert!(
        (DRAIN_TIMEOUT..DRAIN_TIMEOUT + Duration::from_secs(2)).contains(&took),
        "it took {took:?}"
    );
    assert_eq!(database.find(id).await.status, JobStatus::Retry);
}

#[tokio::test(start_paused = true)]
async fn a_running_job_is_cancelled_within_about_a_second() {
    let database = Database::new();
    let (id, _running) = start_endless(&database).await;
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

/// Starts a consumer with one slot, and waits until it has completed the first of two jobs and asks the queue to delete its
/// message. Returns the second job.
async fn start_and_delete_the_first_of_two(
    database: &Database,
    queue: &Arc<StubQueue>,
) -> (JobId, Running) {
    let ids = database.accept_many(2).await;
    for id in &ids {
        queue.deliver(&database.find(*id).await);
    }
    let setup = Setup {
        concurrency: 1,
        ..Setup::default()
    };
    let running = Running::start(database, Arc::<StubQueue>::clone(queue), setup);
    eventually("the first message is being deleted", async || {
        queue.waiting().0 == 1
    })
    .await;
    let job = database.find(ids[0]).await;
    assert_eq!(job.status, JobStatus::Success);
    (ids[1], running)
}

#[tokio::test(start_paused = true)]
async fn a_delivery_keeps_its_slot_until_the_queue_has_confirmed_the_delete() {
    let database = Database::new();
    let queue = StubQueue::new();
    let (second, _running) = start_and_delete_the_first_of_two(&database, &queue).await;
    tokio::time::sleep(VISIBILITY / 3).await;
    assert_eq!(database.find(second).await.status, JobStatus::Pending);
    queue.answer();
    assert_eq!(
        database.wait_until_ended(second).await.status,
        JobStatus::Success
    );
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_never_confirms_a_delete_keeps_a_slot_for_half_the_visibility_timeout() {
    let database = Database::new();
    let queue = StubQueue::new();
    let (second, _running) = start_and_delete_the_first_of_two(&database, &queue).await;
    let asked = Instant::now();
    assert_eq!(
        database.wait_until_ended(second).await.status,
        JobStatus::Success
    );
    let took = asked.elapsed();
    assert!(
        took < VISIBILITY / 2 + Duration::from_secs(2),
        "it took {took:?}"
    );
}

/// Starts a consumer that receives the messages of all jobs at the same time.
async fn receive_all(database: &Database, queue: &Arc<StubQueue>, ids: &[JobId]) -> Running {
    for id in ids {
        queue.deliver(&database.find(*id).await);
    }
    let setup = Setup {
        concurrency: ids.len(),
        ..Setup::default()
    };
    Running::start(database, Arc::<StubQueue>::clone(queue), setup)
}

#[tokio::test(start_paused = true)]
async fn several_deletes_wait_for_the_queue_at_the_same_time() {
    let (database, queue) = (Database::new(), StubQueue::new());
    let ids = database.accept_many(40).await;
    let _running = receive_all(&database, &queue, &ids).await;
    eventually("two deletes wait", async || queue.waiting().0 >= 2).await;
}

#[tokio::test(start_paused = true)]
async fn several_releases_wait_for_the_queue_at_the_same_time() {
    let (database, queue) = (Database::new(), StubQueue::new());
    let ids = database.accept_many(40).await;
    database
        .execute(
            "UPDATE calendar_jobs SET status = 'STARTED', attempt = 1, claim = gen_random_uuid(),
                 lease_until = now() + interval '1 hour'",
        )
        .await;
    let _running = receive_all(&database, &queue, &ids).await;
    eventually("two releases wait", async || queue.waiting().1 >= 2).await;
}

#[tokio::test(start_paused = true)]
async fn jobs_that_were_received_but_not_begun_at_shutdown_get_their_attempt_back() {
    let database = Database::new();
    let ids = database.accept_many(3).await;
    let shutdown = Shutdown::default();
    let queue = ShutdownDuringReceive {
        queue: database.subscription(),
        shutdown: shutdown.clone(),
    };
    let setup = Setup {
        concurrency: 10,
        ..Setup::default()
    };
    let mut running = Running::start_with(&database, Arc::new(queue), setup, shutdown);
    running.stopped().await;
    for id in &ids {
        let job = database.find(*id).await;
        assert_eq!((job.status, job.attempt), (JobStatus::Retry, 0));
    }
    let other = database.subscription();
    let received = other.receive(10, &CancellationToken::new()).await.unwrap();
    assert_eq!(
        received.len(),
        3,
        "other workers can claim them immediately"
    );
    for one in received {
        let Received::Claim { claim, .. } = one else {
            panic!("{one:?}")
        };
        assert_eq!((claim.attempt, claim.is_suspect), (1, false));
    }
}

/// A queue whose worker is asked to stop while it receives.
#[derive(Debug)]
struct ShutdownDuringReceive {
    queue: PostgresSubscription,
    shutdown: Shutdown,
}

#[async_trait]
impl Subscription for ShutdownDuringReceive {
    async fn receive(
        &self,
        max: usize,
        stop: &CancellationToken,
    ) -> Result<Vec<Received>, QueueError> {
        let received = self.queue.receive(max, stop).await;
        self.shutdown.drain.cancel();
        received
    }

    async fn extend(&self, receipts: &[Receipt]) -> Vec<BatchOutcome> {
        self.queue.extend(receipts).await
    }

    async fn delete(&self, deletions: &[Deletion]) -> Vec<BatchOutcome> {
        self.queue.delete(deletions).await
    }

    async fn release(&self, releases: &[Release]) -> Vec<BatchOutcome> {
        self.queue.release(releases).await
    }

    async fn reject(&self, rejections: &[Rejection]) -> Vec<BatchOutcome> {
        self.queue.reject(rejections).await
    }

    async fn dead_letters(&self) -> Result<Option<Arc<dyn Subscription>>, QueueError> {
        self.queue.dead_letters().await
    }

    async fn inspect(&self, worker: WorkerNeeds) -> Result<Findings, QueueError> {
        self.queue.inspect(worker).await
    }
}
