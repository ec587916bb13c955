//! Jobs that wait in the queue for longer than `REPUBLISH_AFTER`.

use std::time::Duration;

use faults::process::Process;
use faults::queue::QueueKind;
use faults::system::System;
use local_services::testing::within;
use shared_model::message::{JobMessage, MESSAGE_VERSION};

use crate::support::{NO_RELAY, VISIBILITY_60S, finish, system, with_each};

with_each! {
    sqs, redis, activemq, rabbitmq, kafka: (
        f31_a_backlog_older_than_the_republishing_time_drains_without_a_stale_message,
    );
}

/// Makes a worker complete at most 20 jobs per second.
const SLOW: [(&str, &str); 3] = [
    VISIBILITY_60S,
    ("WORKER_CONCURRENCY", "1"),
    ("RENDER_DELAY", "50ms"),
];

/// Waits much longer than a worker with [`SLOW`] needs for this number of jobs.
async fn wait_until_all_have_ended(system: &System, jobs: usize) {
    let patience = Duration::from_secs(30 + jobs as u64 / 10);
    within(patience, "every job has ended", async || {
        anyhow::Ok((system.database.open_jobs().await? == 0).then_some(()))
    })
    .await
    .unwrap();
}

/// Makes sure that each job needed one message and one attempt, and that no message was stale.
async fn assert_one_delivery_each(system: &System, worker: &Process, jobs: usize) {
    let direct = "SELECT count(*) FROM calendar_jobs
                  WHERE status = 'SUCCESS' AND attempt = 1 AND sends = 1 AND generation = 1";
    let direct = system.database.number(direct).await.unwrap();
    assert_eq!(usize::try_from(direct).unwrap(), jobs);
    let stale = worker.labelled_counter("worker_deliveries_total", "outcome=\"void\"");
    assert_eq!(stale.await.unwrap(), 0, "stale deliveries");
}

async fn drains_without_a_stale_message(
    kind: QueueKind,
    jobs: usize,
    republish_after: &'static str,
    sweep_interval: &'static str,
) {
    let system = system(kind).await;
    let sweeps = [
        ("REPUBLISH_AFTER", republish_after),
        ("SWEEP_INTERVAL", sweep_interval),
    ];
    let (api, client) = system.start_api(&sweeps).await.unwrap();
    client.submit_concurrently(jobs).await.unwrap();
    let worker = system.start_worker(&SLOW).await.unwrap();
    wait_until_all_have_ended(&system, jobs).await;
    assert_one_delivery_each(&system, &worker, jobs).await;
    finish(&system, [api, worker]).await;
}

async fn f31_a_backlog_older_than_the_republishing_time_drains_without_a_stale_message(
    kind: QueueKind,
) {
    drains_without_a_stale_message(kind, 300, "3s", "500ms").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv, and takes a minute"]
async fn f31_a_thousand_jobs_at_twenty_per_second_drain_without_a_stale_message() {
    drains_without_a_stale_message(QueueKind::Sqs, 1000, "10s", "2s").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f31_a_backlog_of_an_hour_drains_without_a_stale_message() {
    const JOBS: usize = 100;
    let system = system(QueueKind::Sqs).await;
    let (accepting, client) = system.start_api(&[NO_RELAY]).await.unwrap();
    let ids = client.submit_concurrently(JOBS).await.unwrap();
    // As if the jobs had been accepted and their messages sent an hour ago.
    let age = "UPDATE calendar_jobs SET sends = 1, created_at = created_at - interval '1 hour',
                      sent_at = created_at - interval '1 hour', expires_at = expires_at - interval '1 hour'";
    assert_eq!(system.database.execute(age).await.unwrap(), JOBS);
    let queue = system.queue.sqs().unwrap();
    for id in ids {
        let message = JobMessage {
            v: MESSAGE_VERSION,
            job_id: id,
            generation: 1,
            enqueued_at: system.database.job(id).await.unwrap().created_at,
            traceparent: None,
        };
        queue.send(&message.encode().unwrap()).await.unwrap();
    }
    // The sweeper of this API looks for lost messages twice a second.
    let (api, _) = system.start_api(&[]).await.unwrap();
    let worker = system.start_worker(&SLOW).await.unwrap();
    wait_until_all_have_ended(&system, JOBS).await;
    assert_one_delivery_each(&system, &worker, JOBS).await;
    finish(&system, [accepting, api, worker]).await;
}
