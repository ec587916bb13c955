//! Jobs that are cancelled at every point of their life.

use std::time::Duration;

use faults::poison::Poison;
use faults::queue::QueueKind;
use faults::system::System;
use local_services::testing::eventually;
use serde_json::json;
use shared_model::job::{JobId, JobStatus};

use crate::support::{VISIBILITY_60S, finish, system, with_each};

with_each! {
    sqs, redis, activemq, rabbitmq, kafka: (
        f21_a_pending_job_is_cancelled_immediately_and_never_starts,
        f21_a_job_cancelled_between_receive_and_claim_never_starts,
        f21_a_job_between_two_attempts_is_cancelled_immediately,
    );
}

const CLAIM: &str = "SET status = 'STARTED'";
const COMPLETE: &str = "INSERT INTO calendar_results";

async fn assert_ends(system: &System, id: JobId, status: JobStatus) {
    let job = system.database.wait_until_ended(id).await.unwrap();
    assert_eq!(job.status, status, "{job:?}");
}

async fn f21_a_pending_job_is_cancelled_immediately_and_never_starts(kind: QueueKind) {
    let system = system(kind).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    let id = client.submit().await.unwrap();
    assert_eq!(client.cancel(id).await.unwrap().status, 200);
    assert_eq!(client.cancel(id).await.unwrap().status, 200);
    let worker = system.start_worker(&[]).await.unwrap();
    system.drain().await.unwrap();
    let job = system.database.job(id).await.unwrap();
    assert_eq!((job.status, job.attempt), (JobStatus::Revoked, 0));
    finish(&system, [api, worker]).await;
}

async fn f21_a_job_cancelled_between_receive_and_claim_never_starts(kind: QueueKind) {
    let system = system(kind).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    let worker = system.start_worker(&[]).await.unwrap();
    worker.database.hold_request(CLAIM);
    let id = client.submit().await.unwrap();
    worker.database.wait_until_held(1).await.unwrap();
    assert_eq!(client.cancel(id).await.unwrap().status, 200);
    worker.heal();
    system.drain().await.unwrap();
    let job = system.database.job(id).await.unwrap();
    assert_eq!((job.status, job.attempt), (JobStatus::Revoked, 0));
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f21_a_running_job_is_cancelled_within_a_heartbeat() {
    let system = system(QueueKind::Sqs).await;
    system.database.poison(Poison::Wait, 1).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let worker = system.start_worker(&[VISIBILITY_60S]).await.unwrap();
    let id = client.submit().await.unwrap();
    client.wait_for(id, JobStatus::Started).await.unwrap();
    assert_eq!(client.cancel(id).await.unwrap().status, 202);
    let revoked = client.wait_for(id, JobStatus::Revoked);
    // Heartbeats are at most a second apart. If they depended on this lease, they would be ten seconds apart.
    tokio::time::timeout(Duration::from_secs(8), revoked)
        .await
        .unwrap()
        .unwrap();
    system.database.cure(Poison::Wait).await.unwrap();
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f21_a_cancelled_job_whose_worker_died_is_revoked_by_the_next_worker() {
    let system = system(QueueKind::Sqs).await;
    system.database.poison(Poison::Wait, 1).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let doomed = system.start_worker(&[]).await.unwrap();
    let id = client.submit().await.unwrap();
    client.wait_for(id, JobStatus::Started).await.unwrap();
    doomed.kill().await.unwrap();
    assert_eq!(client.cancel(id).await.unwrap().status, 202);
    let successor = system.start_worker(&[]).await.unwrap();
    assert_ends(&system, id, JobStatus::Revoked).await;
    system.database.cure(Poison::Wait).await.unwrap();
    finish(&system, [api, successor]).await;
}

async fn f21_a_job_between_two_attempts_is_cancelled_immediately(kind: QueueKind) {
    let system = system(kind).await;
    system.database.poison(Poison::Panic, 1).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let worker = system.start_worker(&[]).await.unwrap();
    let id = client.submit().await.unwrap();
    // Prolongs the pause, so that it lasts until the job is cancelled.
    let prolong =
        "UPDATE calendar_jobs SET retry_at = now() + interval '20 s' WHERE status = 'RETRY'";
    eventually("the job is between two attempts", async || {
        system.database.execute(prolong).await.unwrap() == 1
    })
    .await;
    assert_eq!(client.cancel(id).await.unwrap().status, 200);
    assert_ends(&system, id, JobStatus::Revoked).await;
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f21_a_job_cancelled_while_its_result_is_stored_ends_once() {
    let system = system(QueueKind::Sqs).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    let worker = system.start_worker(&[]).await.unwrap();
    worker.database.hold_request(COMPLETE);
    let id = client.submit().await.unwrap();
    worker.database.wait_until_held(1).await.unwrap();
    assert_eq!(client.cancel(id).await.unwrap().status, 202);
    worker.heal();
    let job = system.database.wait_until_ended(id).await.unwrap();
    assert!([JobStatus::Success, JobStatus::Revoked].contains(&job.status));
    let second = client.cancel(id).await.unwrap().status;
    assert_eq!(
        second,
        if job.status == JobStatus::Success {
            409
        } else {
            200
        }
    );
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f21_jobs_cancelled_at_different_moments_end_once() {
    let system = system(QueueKind::Postgres).await;
    system.database.add_todos(20).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let worker = system
        .start_worker(&[("RENDER_DELAY", "5ms")])
        .await
        .unwrap();
    let other = system.start_worker(&[]).await.unwrap();
    let racing: Vec<_> = (0..60)
        .map(|number| {
            let client = client.clone();
            tokio::spawn(async move {
                let id = client.submit_with(&json!({})).await.unwrap();
                // Each job is cancelled at another time between its acceptance and its end.
                tokio::time::sleep(Duration::from_millis(number)).await;
                let status = client.cancel(id).await.unwrap().status;
                (id, status)
            })
        })
        .collect();
    for race in racing {
        let (id, status) = race.await.unwrap();
        let job = system.database.wait_until_ended(id).await.unwrap();
        let expected = match status {
            200 => [JobStatus::Revoked].as_slice(),
            202 => &[JobStatus::Revoked, JobStatus::Success],
            409 => &[JobStatus::Success],
            other => panic!("cancelling returned {other}"),
        };
        assert!(
            expected.contains(&job.status),
            "cancelling returned {status}, then {job:?}"
        );
    }
    finish(&system, [api, worker, other]).await;
}
