//! Workers that are told to stop, and jobs that take longer than the visibility timeout.

use std::time::{Duration, Instant};

use faults::poison::Poison;
use faults::queue::QueueKind;
use faults::sqs_proxy::{Fault, Rule, Stage, action};
use local_services::testing::eventually;
use nix::sys::signal::Signal;
use shared_model::job::JobStatus;

use crate::support::{
    VISIBILITY_12S, VISIBILITY_60S, assert_nothing_in_flight, assert_succeeded, finish, system,
    system_alone, with_each,
};

with_each! {
    sqs, redis, activemq, rabbitmq, kafka: (
        f12_a_stopping_worker_finishes_its_running_jobs_and_keeps_no_message,
        f12_a_second_signal_releases_everything_within_two_seconds,
        f13_jobs_longer_than_the_visibility_timeout_are_claimed_once,
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f11_messages_of_the_last_poll_are_released_immediately_to_another_worker() {
    let system = system(QueueKind::Sqs).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    // The other worker is paused until the leaving one has received the messages. It can then receive them as soon as
    // they are released.
    let other = system.start_worker(&[VISIBILITY_60S]).await.unwrap();
    let other_sqs = other.sqs().unwrap();
    other_sqs
        .wait_until("a poll of the other worker", |calls| !calls.is_empty())
        .await
        .unwrap();
    other.signal(Signal::SIGSTOP).unwrap();
    other_sqs
        .wait_until("the end of its last poll", |calls| {
            calls.iter().all(|call| call.stage == Stage::Over)
        })
        .await
        .unwrap();
    let ids = client.submit_many(3).await.unwrap();
    let queue = system.queue.sqs().unwrap();
    eventually("the messages are in the queue", async || {
        queue.depth().await.unwrap().waiting == 3
    })
    .await;
    let leaving = system.start_worker_armed(&[VISIBILITY_60S], |proxies| {
        let hold = Rule::on(action::RECEIVE, Fault::HoldAnswer);
        proxies.sqs.as_ref().unwrap().add(hold);
    });
    let leaving = leaving.await.unwrap();
    let sqs = leaving.sqs().unwrap();
    sqs.wait_until("received messages", |calls| {
        calls
            .iter()
            .any(|call| call.fault.is_some() && !call.received.is_empty())
    })
    .await
    .unwrap();
    leaving.signal(Signal::SIGTERM).unwrap();
    other.signal(Signal::SIGCONT).unwrap();
    sqs.heal();
    let answered = Instant::now();
    assert!(
        leaving
            .wait(Duration::from_secs(10))
            .await
            .unwrap()
            .success()
    );
    for id in ids {
        assert_succeeded(&system.database.wait_until_ended(id).await.unwrap(), 1);
    }
    // The messages were received immediately, and not after the visibility timeout.
    assert!(
        answered.elapsed() <= Duration::from_secs(15),
        "{:?}",
        answered.elapsed()
    );
    finish(&system, [api, other]).await;
}

async fn f12_a_stopping_worker_finishes_its_running_jobs_and_keeps_no_message(kind: QueueKind) {
    let system = system(kind).await;
    system.database.add_todos(20).await.unwrap();
    system.database.poison(Poison::Wait, 1).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let worker = system.start_worker(&[VISIBILITY_60S]).await.unwrap();
    let ids = client.submit_many(2).await.unwrap();
    for id in &ids {
        let started = system.database.wait_for_status(*id, JobStatus::Started);
        started.await.unwrap();
    }
    worker.signal(Signal::SIGTERM).unwrap();
    worker.wait_for_log("draining").await.unwrap();
    system.database.cure(Poison::Wait).await.unwrap();
    assert!(
        worker
            .wait(Duration::from_secs(10))
            .await
            .unwrap()
            .success()
    );
    assert_nothing_in_flight(&system).await;
    for id in ids {
        assert_succeeded(&system.database.job(id).await.unwrap(), 1);
    }
    finish(&system, [api]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f12_a_second_signal_stops_a_worker_whose_database_stalls() {
    let system = system(QueueKind::Sqs).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    let leaving = system.start_worker(&[VISIBILITY_60S]).await.unwrap();
    let sqs = leaving.sqs().unwrap();
    sqs.wait_until("a poll", |calls| !calls.is_empty())
        .await
        .unwrap();
    leaving.database.cut();
    let id = client.submit().await.unwrap();
    leaving
        .wait_for_log("the database does not answer")
        .await
        .unwrap();
    // The next check of the database is never answered.
    leaving.database.heal();
    leaving.database.hold_request("SELECT 1");
    leaving.database.wait_until_held(1).await.unwrap();
    leaving.signal(Signal::SIGTERM).unwrap();
    leaving.signal(Signal::SIGINT).unwrap();
    let ended = leaving.wait(Duration::from_secs(8)).await.unwrap();
    assert!(ended.success());

    let other = system.start_worker(&[VISIBILITY_60S]).await.unwrap();
    assert_succeeded(&system.database.wait_until_ended(id).await.unwrap(), 1);
    finish(&system, [api, other]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f12_a_job_that_exceeds_the_drain_timeout_is_released_while_the_last_poll_is_open() {
    let system = system(QueueKind::Sqs).await;
    system.database.poison(Poison::Wait, 1).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let leaving = system
        .start_worker(&[VISIBILITY_60S, ("DRAIN_TIMEOUT", "200ms")])
        .await
        .unwrap();
    let id = client.submit().await.unwrap();
    let started = system.database.wait_for_status(id, JobStatus::Started);
    started.await.unwrap();
    let sqs = leaving.sqs().unwrap();
    sqs.add(Rule::on(action::RECEIVE, Fault::HoldAnswer));
    sqs.wait_until("a poll without an answer", |calls| {
        calls.iter().any(|call| call.fault.is_some())
    })
    .await
    .unwrap();
    leaving.signal(Signal::SIGTERM).unwrap();
    let released = system.database.wait_for_status(id, JobStatus::Retry);
    released.await.unwrap();
    assert!(
        leaving.ended().unwrap().is_none(),
        "the worker does not wait for the poll"
    );
    sqs.heal();
    let ended = leaving.wait(Duration::from_secs(10)).await.unwrap();
    assert!(ended.success());

    system.database.cure(Poison::Wait).await.unwrap();
    let other = system.start_worker(&[VISIBILITY_60S]).await.unwrap();
    assert_succeeded(&system.database.wait_until_ended(id).await.unwrap(), 2);
    finish(&system, [api, other]).await;
}

async fn f12_a_second_signal_releases_everything_within_two_seconds(kind: QueueKind) {
    let system = system_alone(kind).await;
    system.database.poison(Poison::Wait, 1).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let worker = system.start_worker(&[VISIBILITY_60S]).await.unwrap();
    let id = client.submit().await.unwrap();
    let started = system.database.wait_for_status(id, JobStatus::Started);
    started.await.unwrap();
    worker.signal(Signal::SIGTERM).unwrap();
    worker.wait_for_log("draining").await.unwrap();
    worker.signal(Signal::SIGTERM).unwrap();
    let signalled = Instant::now();
    assert!(
        worker
            .wait(Duration::from_secs(10))
            .await
            .unwrap()
            .success()
    );
    let elapsed = signalled.elapsed();
    assert!(elapsed <= Duration::from_secs(2), "it took {elapsed:?}");
    assert_nothing_in_flight(&system).await;
    system.database.cure(Poison::Wait).await.unwrap();
    let successor = system.start_worker(&[VISIBILITY_60S]).await.unwrap();
    assert_succeeded(&system.database.wait_until_ended(id).await.unwrap(), 2);
    finish(&system, [api, successor]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f12_a_worker_that_is_still_starting_stops_immediately() {
    let system = system(QueueKind::Sqs).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    let starting = system.start_worker_armed(&[VISIBILITY_60S], |proxies| proxies.database.stall());
    let starting = starting.await.unwrap();
    starting.url().await.unwrap();
    client.submit().await.unwrap();
    starting.signal(Signal::SIGTERM).unwrap();
    // Before the connection times out.
    let status = starting.wait(Duration::from_secs(4)).await.unwrap();
    assert!(status.success(), "{status}");
    assert_nothing_in_flight(&system).await;
    let worker = system.start_worker(&[VISIBILITY_60S]).await.unwrap();
    finish(&system, [api, worker]).await;
}

async fn f13_jobs_longer_than_the_visibility_timeout_are_claimed_once(kind: QueueKind) {
    let system = system(kind).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    // Longer than the visibility timeout.
    let settings = [VISIBILITY_12S, ("RENDER_DELAY", "14s")];
    let one = system.start_worker(&settings).await.unwrap();
    let two = system.start_worker(&settings).await.unwrap();
    let ids = client.submit_many(8).await.unwrap();
    for id in ids {
        assert_succeeded(&system.database.wait_until_ended(id).await.unwrap(), 1);
    }
    finish(&system, [api, one, two]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f13_deliveries_that_wait_in_the_worker_are_extended_and_claimed_once() {
    let system = system(QueueKind::SqsFifo).await;
    // One group: the jobs of one receive run one after the other, and wait in the worker meanwhile.
    let (api, client) = system.start_api(&[("QUEUE_GROUP", "all")]).await.unwrap();
    let api_sqs = api.sqs().unwrap();
    api_sqs.add(Rule::on(action::SEND, Fault::Hold));
    let ids = client.submit_many(4).await.unwrap();
    api_sqs.heal();
    // The last one starts when the visibility timeout would have expired.
    let settings = [VISIBILITY_12S, ("RENDER_DELAY", "4s")];
    let one = system.start_worker(&settings).await.unwrap();
    let two = system.start_worker(&settings).await.unwrap();
    for id in ids {
        assert_succeeded(&system.database.wait_until_ended(id).await.unwrap(), 1);
    }
    let receives: Vec<u32> = [&one, &two]
        .iter()
        .flat_map(|worker| worker.sqs().unwrap().calls_of(action::RECEIVE))
        .flat_map(|call| call.received)
        .map(|(_, count)| count)
        .collect();
    assert_eq!(receives, [1; 4], "a message was delivered twice");
    finish(&system, [api, one, two]).await;
}
