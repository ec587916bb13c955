//! Cancelling a job at every point of its life.

use std::time::Duration;

use faults::poison::Poison;
use faults::queue::QueueKind;
use faults::system::System;
use serde_json::json;
use shared_model::job::{JobId, JobStatus};

use crate::support::{UNHURRIED, finish, system};

const CLAIM: &str = "SET status = 'STARTED'";
const COMPLETE: &str = "INSERT INTO calendar_results";

async fn assert_ends(system: &System, id: JobId, status: JobStatus) {
    let job = system.database.wait_until_ended(id).await.unwrap();
    assert_eq!(job.status, status, "{job:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn f21_a_job_that_waits_is_cancelled_at_once_and_never_begins() {
    let system = system(QueueKind::Sqs).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    let id = client.ask().await.unwrap();
    assert_eq!(client.cancel(id).await.unwrap().status, 200);
    assert_eq!(client.cancel(id).await.unwrap().status, 200);
    let worker = system.start_worker(&[]).await.unwrap();
    system.drain().await.unwrap();
    let job = system.database.job(id).await.unwrap();
    assert_eq!((job.status, job.attempt), (JobStatus::Revoked, 0));
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f21_a_job_between_its_receive_and_its_claim_is_cancelled_and_not_begun() {
    let system = system(QueueKind::Sqs).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    let worker = system.start_worker(&[]).await.unwrap();
    worker.database.hold_request(CLAIM);
    let id = client.ask().await.unwrap();
    worker.database.wait_until_held(1).await.unwrap();
    assert_eq!(client.cancel(id).await.unwrap().status, 200);
    worker.heal();
    system.drain().await.unwrap();
    let job = system.database.job(id).await.unwrap();
    assert_eq!((job.status, job.attempt), (JobStatus::Revoked, 0));
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f21_a_job_that_runs_is_asked_to_stop_and_does_so_within_a_heartbeat() {
    let system = system(QueueKind::Sqs).await;
    system.database.poison(Poison::Wait, 1).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let worker = system.start_worker(&[UNHURRIED]).await.unwrap();
    let id = client.ask().await.unwrap();
    client.wait_for(id, JobStatus::Started).await.unwrap();
    assert_eq!(client.cancel(id).await.unwrap().status, 202);
    let revoked = client.wait_for(id, JobStatus::Revoked);
    // a heartbeat is a second at most; a sixth of this lease is ten
    tokio::time::timeout(Duration::from_secs(8), revoked)
        .await
        .unwrap()
        .unwrap();
    system.database.cure(Poison::Wait).await.unwrap();
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f21_a_cancelled_job_whose_worker_dies_is_revoked_by_the_next() {
    let system = system(QueueKind::Sqs).await;
    system.database.poison(Poison::Wait, 1).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let doomed = system.start_worker(&[]).await.unwrap();
    let id = client.ask().await.unwrap();
    client.wait_for(id, JobStatus::Started).await.unwrap();
    doomed.kill().await.unwrap();
    assert_eq!(client.cancel(id).await.unwrap().status, 202);
    let heir = system.start_worker(&[]).await.unwrap();
    assert_ends(&system, id, JobStatus::Revoked).await;
    system.database.cure(Poison::Wait).await.unwrap();
    finish(&system, [api, heir]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f21_a_job_between_two_attempts_is_cancelled_at_once() {
    let system = system(QueueKind::Sqs).await;
    system.database.poison(Poison::Panic, 1).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let worker = system.start_worker(&[]).await.unwrap();
    let id = client.ask().await.unwrap();
    // of the later attempts the pauses are long enough to be met
    let between = |job: &shared_model::job::Job| job.status == JobStatus::Retry && job.attempt >= 3;
    let met = system.database.wait_for(id, "between attempts", between);
    met.await.unwrap();
    assert_eq!(client.cancel(id).await.unwrap().status, 200);
    assert_ends(&system, id, JobStatus::Revoked).await;
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f21_a_job_that_is_cancelled_while_its_result_is_stored_ends_once() {
    let system = system(QueueKind::Sqs).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    let worker = system.start_worker(&[]).await.unwrap();
    worker.database.hold_request(COMPLETE);
    let id = client.ask().await.unwrap();
    worker.database.wait_until_held(1).await.unwrap();
    assert_eq!(client.cancel(id).await.unwrap().status, 202);
    worker.heal();
    let job = system.database.wait_until_ended(id).await.unwrap();
    assert!([JobStatus::Success, JobStatus::Revoked].contains(&job.status));
    let again = client.cancel(id).await.unwrap().status;
    assert_eq!(
        again,
        if job.status == JobStatus::Success {
            409
        } else {
            200
        }
    );
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f21_jobs_that_are_cancelled_while_they_are_done_end_once() {
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
                let id = client.ask_for(&json!({})).await.unwrap();
                // at some point between its acceptance and its end
                tokio::time::sleep(Duration::from_millis(number)).await;
                let told = client.cancel(id).await.unwrap().status;
                (id, told)
            })
        })
        .collect();
    for race in racing {
        let (id, told) = race.await.unwrap();
        let job = system.database.wait_until_ended(id).await.unwrap();
        let expected = match told {
            200 => [JobStatus::Revoked].as_slice(),
            202 => &[JobStatus::Revoked, JobStatus::Success],
            409 => &[JobStatus::Success],
            other => panic!("cancelling answered {other}"),
        };
        assert!(expected.contains(&job.status), "told {told}, then {job:?}");
    }
    finish(&system, [api, worker, other]).await;
}
