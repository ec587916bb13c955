//! FIFO groups whose heads crash or fail.

use faults::client::Client;
use faults::poison::Poison;
use faults::process::Process;
use faults::queue::{Queue, QueueKind};
use faults::sqs_proxy::action;
use faults::system::System;
use local_services::testing::eventually;
use serde_json::{Value, json};
use shared_model::job::{ErrorCode, JobId, JobStatus};
use shared_model::message::{JobMessage, MESSAGE_VERSION};

use crate::support::{BRIEF, UNHURRIED, assert_done, finish, system, system_with};

/// An API whose relay sends nothing to SQS, so that a test can choose the groups.
const NO_RELAY: (&str, &str) = ("QUEUE_URL", "postgres:");

/// Asks for a calendar and sends its message to a group; gives the job and SQS's name for the message.
async fn ask_in_group(
    system: &System,
    client: &Client,
    group: &str,
    wanted: &Value,
) -> (JobId, String) {
    let id = client.ask_for(wanted).await.unwrap();
    let message = JobMessage {
        v: MESSAGE_VERSION,
        job_id: id,
        generation: 1,
        enqueued_at: system.database.job(id).await.unwrap().created_at,
    };
    let queue = system.queue.sqs().unwrap();
    let sent = queue.send_to_group(&message.encode().unwrap(), group).await;
    (id, sent.unwrap())
}

/// The job is held by the poisoned todo; others are not.
fn held() -> Value {
    json!({ "completed": false })
}

fn free() -> Value {
    json!({ "completed": true })
}

async fn has_received(worker: &Process, message_id: &str) -> bool {
    let calls = worker.sqs().unwrap().calls_of(action::RECEIVE);
    let mut received = calls.iter().flat_map(|call| &call.received);
    received.any(|(id, _)| id == message_id)
}

#[tokio::test(flavor = "multi_thread")]
async fn f14_a_group_whose_head_crashes_keeps_its_order_and_holds_no_other_up() {
    let system = system(QueueKind::SqsFifo).await;
    system.database.add_todos(20).await.unwrap();
    system.database.poison(Poison::Wait, 1).await.unwrap();
    let (api, client) = system.start_api(&[NO_RELAY]).await.unwrap();
    let (head, head_message) = ask_in_group(&system, &client, "a", &held()).await;
    let mut rest = Vec::new();
    for _ in 0..4 {
        rest.push(ask_in_group(&system, &client, "a", &free()).await.0);
    }
    // the message of the one that crashes has to come again
    let workers = [
        system.start_worker(&[BRIEF]).await.unwrap(),
        system.start_worker(&[BRIEF]).await.unwrap(),
    ];
    let started = system.database.wait_for_status(head, JobStatus::Started);
    started.await.unwrap();
    others_go_on(&system, &client, head).await;

    let [one, two] = workers;
    let (crashing, staying) = if has_received(&one, &head_message).await {
        (one, two)
    } else {
        (two, one)
    };
    crashing.kill().await.unwrap();
    drop(crashing);
    others_go_on(&system, &client, head).await;
    let taken_over = |job: &shared_model::job::Job| job.attempt == 2;
    let taken = system.database.wait_for(head, "taken over", taken_over);
    taken.await.unwrap();
    for id in &rest {
        let job = system.database.job(*id).await.unwrap();
        assert_eq!(job.status, JobStatus::Pending, "it has overtaken its head");
    }
    system.database.cure(Poison::Wait).await.unwrap();
    assert_done(&system.database.wait_until_ended(head).await.unwrap(), 2);
    let mut before = system.database.job(head).await.unwrap().finished_at;
    for id in rest {
        let job = system.database.wait_until_ended(id).await.unwrap();
        assert_done(&job, 1);
        assert!(job.started_at >= before, "it has overtaken another");
        before = job.finished_at;
    }
    finish(&system, [api, staying]).await;
}

async fn others_go_on(system: &System, client: &Client, head: JobId) {
    for group in ["b", "c", "b", "c"] {
        let (id, _) = ask_in_group(system, client, group, &free()).await;
        assert_done(&system.database.wait_until_ended(id).await.unwrap(), 1);
    }
    let head = system.database.job(head).await.unwrap();
    assert!(!head.status.is_terminal());
}

#[tokio::test(flavor = "multi_thread")]
async fn f15_a_head_that_can_not_be_read_goes_to_the_dead_letter_queue_alone() {
    let system = system_with(|| Queue::create_with(QueueKind::SqsFifo, 3).unwrap()).await;
    let (api, client) = system.start_api(&[NO_RELAY]).await.unwrap();
    let queue = system.queue.sqs().unwrap();
    system.history.expect_unreadable("what is this?");
    queue.send_to_group("what is this?", "a").await.unwrap();
    let mut rest = Vec::new();
    for _ in 0..4 {
        rest.push(ask_in_group(&system, &client, "a", &json!({})).await.0);
    }
    let worker = system.start_worker(&[BRIEF]).await.unwrap();
    for id in rest {
        assert_done(&system.database.wait_until_ended(id).await.unwrap(), 1);
    }
    eventually("the head is in the dead-letter queue", async || {
        queue.dead_letter_depth().await.unwrap().all() == 1
    })
    .await;
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f15_a_head_that_fails_for_good_takes_no_other_with_it() {
    let system = system_with(|| Queue::create_with(QueueKind::SqsFifo, 6).unwrap()).await;
    system.database.add_todos(20).await.unwrap();
    system.database.poison(Poison::Panic, 1).await.unwrap();
    let (api, client) = system.start_api(&[NO_RELAY]).await.unwrap();
    let (head, _) = ask_in_group(&system, &client, "a", &held()).await;
    system.history.expect_failure(head);
    let mut rest = Vec::new();
    for _ in 0..4 {
        rest.push(ask_in_group(&system, &client, "a", &free()).await.0);
    }
    let worker = system
        .start_worker(&[UNHURRIED, ("MAX_ATTEMPTS", "3")])
        .await
        .unwrap();
    let job = system.database.wait_until_ended(head).await.unwrap();
    assert_eq!((job.status, job.attempt), (JobStatus::Failure, 3));
    assert_eq!(job.error.unwrap().code, ErrorCode::AttemptsExhausted);
    for id in rest {
        let job = system.database.wait_until_ended(id).await.unwrap();
        assert_done(&job, 1);
    }
    let queue = system.queue.sqs().unwrap();
    assert_eq!(queue.dead_letter_depth().await.unwrap().all(), 0);
    finish(&system, [api, worker]).await;
}
