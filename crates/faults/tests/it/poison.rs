//! Jobs that break whoever renders them.

use std::time::Duration;

use faults::poison::Poison;
use faults::process::Role;
use faults::queue::QueueKind;
use faults::supervisor::Supervised;
use serde_json::json;
use shared_model::job::{ErrorCode, JobStatus};

use crate::support::{BRIEF, UNHURRIED, assert_nothing_in_flight, finish, system};

/// Makes sure that a poisoned job fails at exactly its last attempt, of `cause`, and that others are done meanwhile.
async fn fails_alone(poison: Poison, kind: QueueKind, cause: ErrorCode) {
    let system = system(kind).await;
    system.database.add_todos(20).await.unwrap();
    system.database.poison(poison, 1).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let mut settings = vec![("MAX_ATTEMPTS", "3")];
    match poison {
        Poison::Loop => settings.extend([BRIEF, ("JOB_TIMEOUT", "3s")]),
        Poison::Panic => settings.push(UNHURRIED),
        // the worker dies of it, and the next one waits until its lease is over
        Poison::Abort | Poison::Memory | Poison::Wait => {}
    }
    let settings = settings.into_iter();
    let settings = settings.map(|(name, value)| (name, value.to_owned()));
    let worker = Supervised::start(system.clone(), Role::Worker, settings.collect());
    let poisoned = client
        .ask_for(&json!({ "completed": false }))
        .await
        .unwrap();
    system.history.expect_failure(poisoned);
    let mut served = 0;
    while !system
        .database
        .job(poisoned)
        .await
        .unwrap()
        .status
        .is_terminal()
    {
        let id = client.ask_for(&json!({ "completed": true })).await.unwrap();
        client.wait_for(id, JobStatus::Success).await.unwrap();
        served += 1;
    }
    assert!(served > 0, "no other was served meanwhile");
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

#[tokio::test(flavor = "multi_thread")]
async fn f16_a_render_that_panics_fails_at_the_last_attempt_and_harms_no_other() {
    fails_alone(Poison::Panic, QueueKind::Sqs, ErrorCode::Panic).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f16_a_render_that_aborts_its_worker_fails_at_the_last_attempt() {
    fails_alone(Poison::Abort, QueueKind::Sqs, ErrorCode::WorkerStopped).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f16_a_render_that_takes_all_memory_fails_at_the_last_attempt() {
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

#[tokio::test(flavor = "multi_thread")]
async fn f16_jobs_beside_one_that_aborts_their_worker_are_done() {
    for kind in [QueueKind::Postgres, QueueKind::Sqs] {
        let system = system(kind).await;
        system.database.add_todos(20).await.unwrap();
        system.database.poison(Poison::Abort, 1).await.unwrap();
        let (api, client) = system.start_api(&[]).await.unwrap();
        let poisoned = client
            .ask_for(&json!({ "completed": false }))
            .await
            .unwrap();
        system.history.expect_failure(poisoned);
        let mut innocent = Vec::new();
        for _ in 0..3 {
            innocent.push(client.ask_for(&json!({ "completed": true })).await.unwrap());
        }
        // all are claimed at once, die at once, and come back at once
        let settings = vec![("RENDER_DELAY", "300ms".to_owned())];
        let worker = Supervised::start(system.clone(), Role::Worker, settings);
        for id in innocent {
            let job = system.database.wait_until_ended(id).await.unwrap();
            assert_eq!(job.status, JobStatus::Success, "{job:?}");
        }
        let job = system.database.wait_until_ended(poisoned).await.unwrap();
        assert_eq!((job.status, job.attempt), (JobStatus::Failure, 5));
        system.drain().await.unwrap();
        worker.stop(Duration::from_secs(15)).await.unwrap();
        finish(&system, [api]).await;
    }
}
