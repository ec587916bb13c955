//! The look at the queue when a worker starts, on tokio's paused clock: see `paused_clock`.

use std::sync::Arc;
use std::time::Duration;

use job_queue::{Findings, Subscription, WorkerNeeds};
use local_services::testing::eventually;
use shared_model::processes::{self, NewProcess, Role};
use shared_model::startup::StartupError;
use tokio_util::sync::CancellationToken;
use worker::look::Look;

use crate::support::{Database, StubQueue};

const NEEDS: WorkerNeeds = WorkerNeeds {
    max_attempts: 5,
    job_timeout: Duration::from_mins(10),
    slots: 100,
    workers: 1,
};

/// Looks at a queue that answers after `takes` with these reasons why it can't work.
async fn look(
    database: &Database,
    takes: Duration,
    reasons: &[&str],
    drain: &CancellationToken,
) -> (Arc<StubQueue>, Result<Look, StartupError>) {
    let queue = StubQueue::new();
    let findings = Findings {
        unusable: reasons.iter().map(|&reason| reason.to_owned()).collect(),
        warnings: vec!["it is slow".to_owned()],
    };
    queue.set_look(takes, findings);
    let subscription: Arc<dyn Subscription> = Arc::<StubQueue>::clone(&queue);
    let look = Look::begin(subscription, NEEDS, database.of_worker(), drain.clone()).await;
    (queue, look)
}

fn reasons(outcome: Result<(), StartupError>) -> Vec<String> {
    match outcome {
        Err(StartupError::UnusableQueue(reasons)) => reasons,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_does_not_start_if_its_queue_answers_that_it_cannot_work() {
    let (database, drain) = (Database::new(), CancellationToken::new());
    let (_, look) = look(&database, Duration::from_secs(1), &["a", "b"], &drain).await;
    assert_eq!(reasons(look.map(drop)), ["a", "b"]);
    assert!(!drain.is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn a_worker_drains_if_its_queue_answers_late_that_it_cannot_work() {
    let (database, drain) = (Database::new(), CancellationToken::new());
    let (_, look) = look(&database, Duration::from_secs(7), &["a"], &drain).await;
    let look = look.unwrap();
    assert!(!drain.is_cancelled());
    drain.cancelled().await;
    // the look ends in the same moment
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(reasons(look.end()), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_worker_goes_on_if_its_queue_suits_or_does_not_answer() {
    let (database, drain) = (Database::new(), CancellationToken::new());
    for takes in [Duration::ZERO, Duration::from_secs(7), Duration::MAX] {
        let (_, look) = look(&database, takes, &[], &drain).await;
        let look = look.unwrap();
        tokio::time::sleep(Duration::from_mins(1)).await;
        look.end().unwrap();
        assert!(!drain.is_cancelled());
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_is_for_all_workers_that_run() {
    let (database, drain) = (Database::new(), CancellationToken::new());
    let register = |connection: &mut diesel::PgConnection| {
        for role in [Role::Worker, Role::Worker, Role::Worker, Role::Api] {
            processes::register(connection, &NewProcess::this(role, None))?;
        }
        let stopped = processes::list(connection)?;
        let stopped = stopped.iter().find(|process| process.role == Role::Worker);
        processes::stopped(connection, stopped.unwrap().id)
    };
    database.pool.run(register).await.unwrap();
    let (queue, look) = look(&database, Duration::ZERO, &[], &drain).await;
    look.unwrap();
    eventually("the queue was looked at", async || queue.workers() == 3).await;
}
