//! APIs and relays that die between two steps.

use std::collections::HashSet;

use faults::client::promised;
use faults::queue::QueueKind;
use faults::sqs_proxy::action;
use faults::system::System;
use local_services::testing::eventually;
use serde_json::json;
use shared_model::job::JobStatus;

use crate::support::{finish, system};

/// Waits until one job is committed, whatever its client was told.
async fn wait_for_one_job(system: &System) {
    eventually("the job is committed", async || {
        let jobs = "SELECT count(*) FROM calendar_jobs";
        system.database.number(jobs).await.unwrap() == 1
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f03_a_job_whose_api_died_before_it_answered_is_done_all_the_same() {
    let system = system(QueueKind::Sqs).await;
    let (doomed, client) = system.start_api(&[]).await.unwrap();
    doomed
        .database
        .hold_answer_to_prepared("INSERT INTO \"calendar_jobs\"");
    let asking = tokio::spawn(async move { client.ask().await });
    wait_for_one_job(&system).await;
    doomed.kill().await.unwrap();
    asking.await.unwrap().unwrap_err();
    let (api, _) = system.start_api(&[]).await.unwrap();
    let worker = system.start_worker(&[]).await.unwrap();
    system.drain().await.unwrap();
    let done = "SELECT count(*) FROM calendar_jobs WHERE status = 'SUCCESS'";
    assert_eq!(system.database.number(done).await.unwrap(), 1);
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f04_a_relay_killed_between_send_and_mark_sends_twice_to_one_effect() {
    let system = system(QueueKind::Sqs).await;
    let (doomed, client) = system.start_api(&[]).await.unwrap();
    doomed.database.hold_request("SET \"published_at\"");
    let id = client.ask().await.unwrap();
    doomed.database.wait_until_held(1).await.unwrap();
    doomed.kill().await.unwrap();
    let first = doomed.sqs().unwrap().calls_of(action::SEND);
    drop(doomed);
    // as if the dead relay's lease were over
    let lease_over = "UPDATE calendar_jobs SET publish_lease_until = now()";
    system.database.execute(lease_over).await.unwrap();
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
async fn f03_who_asks_again_with_the_key_gets_the_job_of_the_api_that_died() {
    let system = system(QueueKind::Sqs).await;
    let (doomed, client) = system.start_api(&[]).await.unwrap();
    doomed
        .database
        .hold_answer_to_prepared("INSERT INTO \"calendar_jobs\"");
    let asking = tokio::spawn(async move { client.ask_once("mine", &json!({})).await });
    wait_for_one_job(&system).await;
    doomed.kill().await.unwrap();
    asking.await.unwrap().unwrap_err();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let answer = client.ask_once("mine", &json!({})).await.unwrap();
    assert_eq!(answer.header("idempotency-replayed"), Some("true"));
    let id = promised(&answer).unwrap();
    let worker = system.start_worker(&[]).await.unwrap();
    client.wait_for(id, JobStatus::Success).await.unwrap();
    let jobs = "SELECT count(*) FROM calendar_jobs";
    assert_eq!(system.database.number(jobs).await.unwrap(), 1);
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f20_fifty_clients_with_one_key_make_one_job() {
    let system = system(QueueKind::Sqs).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    let (other_api, other_client) = system.start_api(&[]).await.unwrap();
    let asking: Vec<_> = (0..50)
        .map(|number| {
            let client = if number % 4 < 2 {
                &client
            } else {
                &other_client
            };
            let client = client.clone();
            let wanted = json!({ "completed": number % 2 == 0 });
            tokio::spawn(async move { client.ask_once("one", &wanted).await.unwrap() })
        })
        .collect();
    let mut jobs = HashSet::new();
    let (mut new, mut replayed, mut refused) = (0, 0, 0);
    for asked in asking {
        let answer = asked.await.unwrap();
        match answer.status {
            202 => {
                jobs.insert(promised(&answer).unwrap());
                match answer.header("idempotency-replayed") {
                    Some(_) => replayed += 1,
                    None => new += 1,
                }
            }
            422 => refused += 1,
            other => panic!("{other}: {}", answer.json()),
        }
    }
    assert_eq!((jobs.len(), new, replayed, refused), (1, 1, 24, 25));
    let worker = system.start_worker(&[]).await.unwrap();
    finish(&system, [api, other_api, worker]).await;
}
