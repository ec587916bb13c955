//! Jobs that break the worker that renders them.

use std::time::Duration;

use faults::poison::Poison;
use faults::process::Role;
use faults::queue::QueueKind;
use faults::supervisor::Supervised;
use serde_json::json;
use shared_model::job::{ErrorCode, JobStatus};

use crate::support::{
    VISIBILITY_6S, VISIBILITY_60S, assert_nothing_in_flight, finish, system, with_each,
};

with_each! {
    sqs, redis, activemq, rabbitmq, kafka: (
        f16_a_render_that_panics_fails_at_the_last_attempt,
    );
}

/// Makes sure that a poisoned job fails with `cause` at exactly its last attempt, and that other jobs succeed meanwhile.
async fn fails_alone(poison: Poison, kind: QueueKind, cause: ErrorCode) {
    let system = system(kind).await;
    system.database.add_todos(20).await.unwrap();
    system.database.poison(poison, 1).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let mut settings = vec![("MAX_ATTEMPTS", "3")];
    match poison {
        Poison::Loop => settings.extend([VISIBILITY_6S, ("JOB_TIMEOUT", "3s")]),
        Poison::Panic => settings.push(VISIBILITY_60S),
        // The worker dies, and the next one waits until the lease has expired.
        Poison::Abort | Poison::Memory | Poison::Wait => {}
    }
    let settings = settings.into_iter();
    let settings = settings.map(|(name, value)| (name, value.to_owned()));
    let worker = Supervised::start(system.clone(), Role::Worker, settings.collect());
    let poisoned = client
        .submit_with(&json!({ "completed": false }))
        .await
        .unwrap();
    system.history.expect_failure(poisoned);
    let mut succeeded = 0;
    while !system
        .database
        .job(poisoned)
        .await
        .unwrap()
        .status
        .is_terminal()
    {
        let id = client
            .submit_with(&json!({ "completed": true }))
            .await
            .unwrap();
        client.wait_for(id, JobStatus::Success).await.unwrap();
        succeeded += 1;
    }
    assert!(succeeded > 0, "no other job succeeded meanwhile");
    let job = system.database.job(poisoned).await.unwrap();
    assert_eq!((job.status, job.attempt), (JobStatus::Failure, 3));
    let error = job.error.unwrap();
    assert_eq!(
        (error.code, error.cause),
        (ErrorCode::AttemptsExhausted, Some(cause))
    );
    system.drain().await.unwrap();
    worker.stop(Duration::from_secs(15)).await.unwrap();
    assert_nothing_in_flight(&system).await;
    finish(&system, [api]).await;
}

async fn f16_a_render_that_panics_fails_at_the_last_attempt(kind: QueueKind) {
    fails_alone(Poison::Panic, kind, ErrorCode::Panic).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f16_a_render_that_aborts_its_worker_fails_at_the_last_attempt() {
    fails_alone(Poison::Abort, QueueKind::Sqs, ErrorCode::WorkerStopped).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f16_a_render_that_exhausts_the_memory_fails_at_the_last_attempt() {
    fails_alone(
        Poison::Memory,
        QueueKind::Postgres,
        ErrorCode::WorkerStopped,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f16_a_render_that_never_ends_fails_at_the_last_attempt() {
    fails_alone(Poison::Loop, QueueKind::Postgres, ErrorCode::Timeout).await;
}

async fn jobs_that_run_beside_one_that_aborts_their_worker_succeed(kind: QueueKind) {
    let system = system(kind).await;
    system.database.add_todos(20).await.unwrap();
    system.database.poison(Poison::Abort, 1).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let poisoned = client
        .submit_with(&json!({ "completed": false }))
        .await
        .unwrap();
    system.history.expect_failure(poisoned);
    let mut harmless = Vec::new();
    for _ in 0..3 {
        harmless.push(
            client
                .submit_with(&json!({ "completed": true }))
                .await
                .unwrap(),
        );
    }
    // All are claimed at the same time, lose their worker at the same time, and reappear at the same time.
    let settings = vec![("RENDER_DELAY", "300ms".to_owned())];
    let worker = Supervised::start(system.clone(), Role::Worker, settings);
    for id in harmless {
        let job = system.database.wait_until_ended(id).await.unwrap();
        assert_eq!(job.status, JobStatus::Success, "{job:?}");
    }
    let job = system.database.wait_until_ended(poisoned).await.unwrap();
    assert_eq!((job.status, job.attempt), (JobStatus::Failure, 5));
    system.drain().await.unwrap();
    worker.stop(Duration::from_secs(15)).await.unwrap();
    finish(&system, [api]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f16_jobs_that_run_beside_one_that_aborts_their_worker_succeed() {
    jobs_that_run_beside_one_that_aborts_their_worker_succeed(QueueKind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f16_jobs_that_run_beside_one_that_aborts_their_worker_succeed_with_sqs() {
    jobs_that_run_beside_one_that_aborts_their_worker_succeed(QueueKind::Sqs).await;
}
