//! FIFO groups whose first job loses its worker or fails.

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

use crate::support::{
    NO_RELAY, VISIBILITY_6S, VISIBILITY_60S, assert_succeeded, finish, system, system_with,
};

/// Requests a calendar and sends its message to a group. Returns the job and SQS's id of the message.
async fn submit_to_group(
    system: &System,
    client: &Client,
    group: &str,
    options: &Value,
) -> (JobId, String) {
    let id = client.submit_with(options).await.unwrap();
    let message = JobMessage {
        v: MESSAGE_VERSION,
        job_id: id,
        generation: 1,
        enqueued_at: system.database.job(id).await.unwrap().created_at,
        traceparent: None,
    };
    let queue = system.queue.sqs().unwrap();
    let sent = queue.send_to_group(&message.encode().unwrap(), group).await;
    (id, sent.unwrap())
}

/// Options of a job that contains the poisoned todo.
fn poisoned() -> Value {
    json!({ "completed": false })
}

/// Options of a job without the poisoned todo.
fn harmless() -> Value {
    json!({ "completed": true })
}

async fn has_received(worker: &Process, message_id: &str) -> bool {
    let calls = worker.sqs().unwrap().calls_of(action::RECEIVE);
    let mut received = calls.iter().flat_map(|call| &call.received);
    received.any(|(id, _)| id == message_id)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f14_a_group_whose_first_job_loses_its_worker_keeps_its_order_and_delays_no_other_group() {
    let system = system(QueueKind::SqsFifo).await;
    system.database.add_todos(20).await.unwrap();
    system.database.poison(Poison::Wait, 1).await.unwrap();
    let (api, client) = system.start_api(&[NO_RELAY]).await.unwrap();
    let (head, head_message) = submit_to_group(&system, &client, "a", &poisoned()).await;
    let mut rest = Vec::new();
    for _ in 0..4 {
        rest.push(submit_to_group(&system, &client, "a", &harmless()).await.0);
    }
    // A short timeout, because the message of the killed worker must be received again.
    let workers = [
        system.start_worker(&[VISIBILITY_6S]).await.unwrap(),
        system.start_worker(&[VISIBILITY_6S]).await.unwrap(),
    ];
    let started = system.database.wait_for_status(head, JobStatus::Started);
    started.await.unwrap();
    other_groups_continue(&system, &client, head).await;

    let [one, two] = workers;
    let (killed, staying) = if has_received(&one, &head_message).await {
        (one, two)
    } else {
        (two, one)
    };
    killed.kill().await.unwrap();
    drop(killed);
    other_groups_continue(&system, &client, head).await;
    let taken_over = |job: &shared_model::job::Job| job.attempt == 2;
    let taken = system.database.wait_for(head, "taken over", taken_over);
    taken.await.unwrap();
    for id in &rest {
        let job = system.database.job(*id).await.unwrap();
        assert_eq!(
            job.status,
            JobStatus::Pending,
            "it has overtaken the first job"
        );
    }
    system.database.cure(Poison::Wait).await.unwrap();
    assert_succeeded(&system.database.wait_until_ended(head).await.unwrap(), 2);
    let mut before = system.database.job(head).await.unwrap().finished_at;
    for id in rest {
        let job = system.database.wait_until_ended(id).await.unwrap();
        assert_succeeded(&job, 1);
        assert!(job.started_at >= before, "it has overtaken another job");
        before = job.finished_at;
    }
    finish(&system, [api, staying]).await;
}

async fn other_groups_continue(system: &System, client: &Client, head: JobId) {
    for group in ["b", "c", "b", "c"] {
        let (id, _) = submit_to_group(system, client, group, &harmless()).await;
        assert_succeeded(&system.database.wait_until_ended(id).await.unwrap(), 1);
    }
    let head = system.database.job(head).await.unwrap();
    assert!(!head.status.is_terminal());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f15_an_unreadable_first_message_goes_to_the_dead_letter_queue_alone() {
    let system = system_with(|| Queue::create_with(QueueKind::SqsFifo, 3).unwrap()).await;
    let (api, client) = system.start_api(&[NO_RELAY]).await.unwrap();
    let queue = system.queue.sqs().unwrap();
    system.history.expect_unreadable("unreadable");
    queue.send_to_group("unreadable", "a").await.unwrap();
    let mut rest = Vec::new();
    for _ in 0..4 {
        rest.push(submit_to_group(&system, &client, "a", &json!({})).await.0);
    }
    let worker = system.start_worker(&[VISIBILITY_6S]).await.unwrap();
    for id in rest {
        assert_succeeded(&system.database.wait_until_ended(id).await.unwrap(), 1);
    }
    eventually(
        "the first message is in the dead-letter queue",
        async || queue.dead_letter_depth().await.unwrap().all() == 1,
    )
    .await;
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f15_a_first_job_that_keeps_failing_fails_no_other_job_of_its_group() {
    let system = system_with(|| Queue::create_with(QueueKind::SqsFifo, 6).unwrap()).await;
    system.database.add_todos(20).await.unwrap();
    system.database.poison(Poison::Panic, 1).await.unwrap();
    let (api, client) = system.start_api(&[NO_RELAY]).await.unwrap();
    let (head, _) = submit_to_group(&system, &client, "a", &poisoned()).await;
    system.history.expect_failure(head);
    let mut rest = Vec::new();
    for _ in 0..4 {
        rest.push(submit_to_group(&system, &client, "a", &harmless()).await.0);
    }
    let worker = system
        .start_worker(&[VISIBILITY_60S, ("MAX_ATTEMPTS", "3")])
        .await
        .unwrap();
    let job = system.database.wait_until_ended(head).await.unwrap();
    assert_eq!((job.status, job.attempt), (JobStatus::Failure, 3));
    assert_eq!(job.error.unwrap().code, ErrorCode::AttemptsExhausted);
    for id in rest {
        let job = system.database.wait_until_ended(id).await.unwrap();
        assert_succeeded(&job, 1);
    }
    let queue = system.queue.sqs().unwrap();
    assert_eq!(queue.dead_letter_depth().await.unwrap().all(), 0);
    finish(&system, [api, worker]).await;
}
