//! Operators pause and resume processing, and drain workers.

use std::time::Duration;

use faults::poison::Poison;
use faults::process::Process;
use faults::queue::QueueKind;
use faults::system::System;
use local_services::testing::eventually;
use shared_model::job::JobStatus;
use shared_model::processes::{self, DrainRequested};
use shared_model::processing;

use crate::support::{
    VISIBILITY_60S, assert_nothing_in_flight, assert_succeeded, finish, system, with_each,
};

with_each! {
    postgres, sqs, redis, activemq, rabbitmq, kafka: (
        f37_nothing_begins_during_a_pause_and_every_job_ends_after_it,
        f38_a_drained_worker_finishes_its_job,
    );
}

/// Returns the database's time, in microseconds since 1970.
async fn now(system: &System) -> i64 {
    let now = "floor(extract(epoch FROM clock_timestamp()) * 1e6)";
    system.database.number(now).await.unwrap()
}

/// Returns how many attempts began between two times.
async fn attempts_begun(system: &System, from: i64, to: i64) -> i64 {
    let begun = format!(
        "SELECT count(*) FROM audit_jobs WHERE status = 'STARTED'
         AND extract(epoch FROM at) * 1e6 BETWEEN {from} AND {to}"
    );
    system.database.number(begun).await.unwrap()
}

async fn pause(system: &System) {
    let paused = system
        .database
        .run(|connection| Ok(processing::pause(connection, None)?));
    assert!(!paused.await.unwrap().is_paused());
}

async fn resume(system: &System) {
    let resumed = system
        .database
        .run(|connection| Ok(processing::resume(connection)?));
    assert!(resumed.await.unwrap().is_paused());
}

async fn learned(worker: &Process) {
    worker.wait_for_log("processing is paused").await.unwrap();
}

/// Pauses processing while a job runs and others arrive. One worker loses its database meanwhile, one dies, and one starts.
async fn f37_nothing_begins_during_a_pause_and_every_job_ends_after_it(kind: QueueKind) {
    let system = system(kind).await;
    system.database.add_todos(20).await.unwrap();
    system.database.poison(Poison::Wait, 1).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let one = system.start_worker(&[VISIBILITY_60S]).await.unwrap();
    let running = client.submit().await.unwrap();
    let started = system.database.wait_for_status(running, JobStatus::Started);
    started.await.unwrap();
    let two = system.start_worker(&[VISIBILITY_60S]).await.unwrap();

    pause(&system).await;
    learned(&one).await;
    learned(&two).await;
    let paused = now(&system).await;
    let waiting = client.submit_many(10).await.unwrap();
    system.database.cure(Poison::Wait).await.unwrap();
    assert_succeeded(&system.database.wait_until_ended(running).await.unwrap(), 1);
    if kind == QueueKind::Sqs {
        eventually(
            "polls that were open have returned their messages",
            async || system.queue.depth().await.unwrap().waiting == 10,
        )
        .await;
    }
    one.database.cut();
    two.kill().await.unwrap();
    let three = system.start_worker(&[VISIBILITY_60S]).await.unwrap();
    learned(&three).await;
    one.database.heal();
    let resumed = now(&system).await;
    resume(&system).await;
    for id in waiting {
        assert_succeeded(&system.database.wait_until_ended(id).await.unwrap(), 1);
    }
    assert_eq!(attempts_begun(&system, paused, resumed).await, 0);
    finish(&system, [api, one, three]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f37_no_job_of_an_ordered_queue_overtakes_another_because_of_a_pause() {
    let system = system(QueueKind::SqsFifo).await;
    let group = [("QUEUE_GROUP", "all"), VISIBILITY_60S];
    let (api, client) = system.start_api(&group).await.unwrap();
    let worker = system.start_worker(&group).await.unwrap();
    pause(&system).await;
    learned(&worker).await;
    let ids = client.submit_many(6).await.unwrap();
    resume(&system).await;
    let mut ended = Vec::new();
    for id in ids {
        let job = system.database.wait_until_ended(id).await.unwrap();
        assert_succeeded(&job, 1);
        ended.push(job.finished_at.unwrap());
    }
    assert!(ended.is_sorted(), "{ended:?}");
    finish(&system, [api, worker]).await;
}

/// Drains a worker that runs a job.
async fn f38_a_drained_worker_finishes_its_job(kind: QueueKind) {
    let system = system(kind).await;
    system.database.poison(Poison::Wait, 1).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let drained = system.start_worker(&[VISIBILITY_60S]).await.unwrap();
    let running = client.submit().await.unwrap();
    let started = system.database.wait_for_status(running, JobStatus::Started);
    started.await.unwrap();
    let pid = i32::try_from(drained.pid()).unwrap();
    let requested = system.database.run(move |connection| {
        let listed = processes::list(connection)?;
        let worker = listed.iter().find(|process| process.pid == pid).unwrap();
        Ok(processes::request_drain(connection, worker.id)?)
    });
    assert_eq!(requested.await.unwrap(), DrainRequested::Requested);
    drained.wait_for_log("draining").await.unwrap();
    system.database.cure(Poison::Wait).await.unwrap();
    let ended = drained.wait(Duration::from_secs(30)).await.unwrap();
    assert_eq!(ended.code(), Some(0));
    assert_nothing_in_flight(&system).await;
    assert_succeeded(&system.database.job(running).await.unwrap(), 1);

    let late = client.submit().await.unwrap();
    let other = system.start_worker(&[VISIBILITY_60S]).await.unwrap();
    assert_succeeded(&system.database.wait_until_ended(late).await.unwrap(), 1);
    finish(&system, [api, other]).await;
}
