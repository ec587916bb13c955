//! APIs and relays that are killed between two steps, and concurrent requests with one key.

use std::collections::HashSet;

use faults::client::accepted_job;
use faults::queue::QueueKind;
use faults::sqs_proxy::{Fault, Rule, Stage, action};
use faults::system::System;
use local_services::testing::eventually;
use serde_json::json;
use shared_model::job::JobStatus;

use crate::support::{assert_succeeded, finish, system};

/// The statement that accepts jobs.
const ACCEPT: &str = "INSERT INTO calendar_jobs";

/// As if the lease had ended that a dead process holds on the messages that it had to send.
async fn end_send_leases(system: &System) {
    let end = "UPDATE calendar_jobs SET send_after = now() WHERE send_after IS NOT NULL";
    assert!(system.database.execute(end).await.unwrap() > 0);
}

/// Waits until one job is committed, even if its client has not got a response.
async fn wait_for_one_job(system: &System) {
    eventually("the job is committed", async || {
        let jobs = "SELECT count(*) FROM calendar_jobs";
        system.database.number(jobs).await.unwrap() == 1
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f03_a_job_is_done_even_if_its_api_died_before_responding() {
    let system = system(QueueKind::Sqs).await;
    let (doomed, client) = system.start_api(&[]).await.unwrap();
    doomed.database.hold_answer(ACCEPT);
    let request = tokio::spawn(async move { client.submit().await });
    wait_for_one_job(&system).await;
    doomed.kill().await.unwrap();
    request.await.unwrap().unwrap_err();
    end_send_leases(&system).await;
    let (api, _) = system.start_api(&[]).await.unwrap();
    let worker = system.start_worker(&[]).await.unwrap();
    system.drain().await.unwrap();
    let done = "SELECT count(*) FROM calendar_jobs WHERE status = 'SUCCESS'";
    assert_eq!(system.database.number(done).await.unwrap(), 1);
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f04_a_message_sent_twice_because_its_relay_was_killed_has_one_effect() {
    let system = system(QueueKind::Sqs).await;
    let (doomed, client) = system.start_api(&[]).await.unwrap();
    doomed
        .database
        .hold_request("SET send_after = NULL, sent_at = now()");
    let id = client.submit().await.unwrap();
    doomed.database.wait_until_held(1).await.unwrap();
    doomed.kill().await.unwrap();
    let first = doomed.sqs().unwrap().calls_of(action::SEND);
    drop(doomed);
    end_send_leases(&system).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    let sent =
        |calls: &[faults::sqs_proxy::Call]| calls.iter().any(|call| call.action == action::SEND);
    let sqs = api.sqs().unwrap();
    sqs.wait_until("a second send", sent).await.unwrap();
    for calls in [&first, &sqs.calls_of(action::SEND)] {
        assert!(calls.iter().any(|call| {
            call.entries
                .iter()
                .any(|body| body.contains(&id.to_string()))
        }));
    }
    let worker = system.start_worker(&[]).await.unwrap();
    client.wait_for(id, JobStatus::Success).await.unwrap();
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f03_a_repeated_request_with_the_same_key_returns_the_job_of_the_dead_api() {
    let system = system(QueueKind::Sqs).await;
    let (doomed, client) = system.start_api(&[]).await.unwrap();
    doomed.database.hold_answer(ACCEPT);
    let request = tokio::spawn(async move { client.submit_with_key("mine", &json!({})).await });
    wait_for_one_job(&system).await;
    doomed.kill().await.unwrap();
    request.await.unwrap().unwrap_err();
    end_send_leases(&system).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    let response = client.submit_with_key("mine", &json!({})).await.unwrap();
    assert_eq!(response.header("idempotency-replayed"), Some("true"));
    let id = accepted_job(&response).unwrap();
    let worker = system.start_worker(&[]).await.unwrap();
    client.wait_for(id, JobStatus::Success).await.unwrap();
    let jobs = "SELECT count(*) FROM calendar_jobs";
    assert_eq!(system.database.number(jobs).await.unwrap(), 1);
    finish(&system, [api, worker]).await;
}

async fn an_api_killed_with_jobs_in_memory_has_accepted_none_of_them(kind: QueueKind) {
    let system = system(kind).await;
    let (doomed, client) = system.start_api(&[]).await.unwrap();
    // Far more connections than the process has.
    for _ in 0..100 {
        doomed.database.hold_request(ACCEPT);
    }
    let requests: Vec<_> = (0..30)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.try_submit(&json!({})).await })
        })
        .collect();
    doomed.database.wait_until_held(1).await.unwrap();
    doomed.kill().await.unwrap();
    drop(doomed);
    for request in requests {
        request.await.unwrap().unwrap_err();
    }
    assert_eq!(system.history.acceptances(), 0);
    let jobs = "SELECT count(*) FROM calendar_jobs";
    assert_eq!(system.database.number(jobs).await.unwrap(), 0);
    let (api, client) = system.start_api(&[]).await.unwrap();
    client.submit().await.unwrap();
    let worker = system.start_worker(&[]).await.unwrap();
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f35_an_api_killed_with_jobs_in_memory_has_accepted_none_of_them() {
    an_api_killed_with_jobs_in_memory_has_accepted_none_of_them(QueueKind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f35_an_api_killed_with_jobs_in_memory_has_accepted_none_of_them_with_sqs() {
    an_api_killed_with_jobs_in_memory_has_accepted_none_of_them(QueueKind::Sqs).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f35_jobs_whose_api_was_killed_after_accepting_them_and_before_sending_are_done() {
    let system = system(QueueKind::Sqs).await;
    let (doomed, client) = system.start_api(&[]).await.unwrap();
    let sqs = doomed.sqs().unwrap();
    sqs.add(Rule::on(action::SEND, Fault::Hold));
    let ids = client.submit_concurrently(30).await.unwrap();
    sqs.wait_until_injected(action::SEND, Stage::Arrived, 1)
        .await
        .unwrap();
    doomed.kill().await.unwrap();
    drop(doomed);
    end_send_leases(&system).await;
    let (api, _) = system.start_api(&[]).await.unwrap();
    let worker = system.start_worker(&[]).await.unwrap();
    for id in ids {
        assert_succeeded(&system.database.wait_until_ended(id).await.unwrap(), 1);
    }
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f20_fifty_clients_with_one_key_create_one_job() {
    let system = system(QueueKind::Sqs).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    let (other_api, other_client) = system.start_api(&[]).await.unwrap();
    let requests: Vec<_> = (0..50)
        .map(|number| {
            let client = if number % 4 < 2 {
                &client
            } else {
                &other_client
            };
            let client = client.clone();
            let options = json!({ "completed": number % 2 == 0 });
            tokio::spawn(async move { client.submit_with_key("one", &options).await.unwrap() })
        })
        .collect();
    let mut jobs = HashSet::new();
    let (mut new, mut replayed, mut refused) = (0, 0, 0);
    for request in requests {
        let response = request.await.unwrap();
        match response.status {
            202 => {
                jobs.insert(accepted_job(&response).unwrap());
                match response.header("idempotency-replayed") {
                    Some(_) => replayed += 1,
                    None => new += 1,
                }
            }
            422 => refused += 1,
            other => panic!("{other}: {}", response.json()),
        }
    }
    assert_eq!((jobs.len(), new, replayed, refused), (1, 1, 24, 25));
    let worker = system.start_worker(&[]).await.unwrap();
    finish(&system, [api, other_api, worker]).await;
}
