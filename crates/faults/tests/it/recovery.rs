//! Messages that are lost, repeated or given up, jobs that are brought back, results that expire.

use faults::poison::Poison;
use faults::queue::{Queue, QueueKind};
use faults::sqs_proxy::{Fault, Rule, action};
use local_services::testing::eventually;
use serde_json::json;
use shared_model::job::{ErrorCode, JobStatus};
use shared_model::message::{JobMessage, MESSAGE_VERSION};

use crate::support::{BRIEF, UNHURRIED, assert_done, finish, operate, system, system_with};

#[tokio::test(flavor = "multi_thread")]
async fn f22_a_message_that_is_sent_twenty_times_has_one_effect() {
    let system = system(QueueKind::Sqs).await;
    system.database.add_todos(20).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    api.sqs()
        .unwrap()
        .add(Rule::on(action::SEND, Fault::Repeat(20)));
    let workers = [
        system.start_worker(&[BRIEF]).await.unwrap(),
        system.start_worker(&[BRIEF]).await.unwrap(),
    ];
    let ids = client.ask_many(3).await.unwrap();
    system.drain().await.unwrap();
    let changes = system.database.job_changes().await.unwrap();
    for id in ids {
        assert_done(&system.database.job(id).await.unwrap(), 1);
        let of_job = changes.iter().filter(|change| change.job_id == id.0);
        let mut statuses: Vec<_> = of_job.map(|change| change.status).collect();
        // its progress is a change too
        statuses.dedup();
        let once = [JobStatus::Pending, JobStatus::Started, JobStatus::Success];
        assert_eq!(statuses, once);
    }
    let received: usize = workers
        .iter()
        .flat_map(|worker| worker.sqs().unwrap().calls_of(action::RECEIVE))
        .map(|call| call.received.len())
        .sum();
    assert!(received >= 60, "only {received} deliveries");
    finish(&system, [api].into_iter().chain(workers)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f24_a_redriven_job_begins_anew_and_its_old_message_is_void() {
    let system = system(QueueKind::Sqs).await;
    system.database.add_todos(20).await.unwrap();
    system.database.poison(Poison::Panic, 1).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let worker = system
        .start_worker(&[UNHURRIED, ("MAX_ATTEMPTS", "1")])
        .await
        .unwrap();
    let id = client.ask().await.unwrap();
    let failed = system
        .database
        .wait_for_status(id, JobStatus::Failure)
        .await
        .unwrap();
    assert_eq!(failed.error.unwrap().code, ErrorCode::AttemptsExhausted);
    assert_eq!(client.result(id).await.unwrap().status, 409);
    let (code, listed) = operate(&system, &["dead-letters"]).await;
    assert!(code == 0 && listed.contains(&id.to_string()), "{listed}");

    system.database.cure(Poison::Panic).await.unwrap();
    // what an old dead-letter queue may still hold
    let old = JobMessage {
        v: MESSAGE_VERSION,
        job_id: id,
        generation: 1,
        enqueued_at: failed.created_at,
    };
    let (code, back) = operate(&system, &["redrive", &id.to_string()]).await;
    assert!(code == 0 && back.contains("PENDING"), "{back}");
    let queue = system.queue.sqs().unwrap();
    queue.send(&old.encode().unwrap()).await.unwrap();
    client.wait_for(id, JobStatus::Success).await.unwrap();
    assert_eq!(client.result(id).await.unwrap().status, 200);
    let (code, again) = operate(&system, &["redrive", &id.to_string()]).await;
    assert!(code == 1 && again.contains("not found"), "{again}");
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f24_a_job_that_the_queue_gave_up_fails_and_can_be_brought_back() {
    let system = system_with(|| Queue::create_with(QueueKind::Sqs, 1).unwrap()).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    let doomed = system.start_worker(&[]).await.unwrap();
    doomed.database.hold_request("SET status = 'STARTED'");
    let id = client.ask().await.unwrap();
    doomed.database.wait_until_held(1).await.unwrap();
    doomed.kill().await.unwrap();
    drop(doomed);
    // its next receive would be one too many
    let worker = system.start_worker(&[UNHURRIED]).await.unwrap();
    let failed = system
        .database
        .wait_for_status(id, JobStatus::Failure)
        .await
        .unwrap();
    assert_eq!(failed.error.unwrap().code, ErrorCode::DeadLettered);
    let (code, back) = operate(&system, &["redrive", "--all"]).await;
    assert!(code == 0 && back.contains("PENDING"), "{back}");
    assert_done(
        &system
            .database
            .wait_for_status(id, JobStatus::Success)
            .await
            .unwrap(),
        1,
    );
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f24_a_purged_queue_is_filled_again() {
    let system = system(QueueKind::Sqs).await;
    let (api, client) = system
        .start_api(&[("REPUBLISH_AFTER", "2s")])
        .await
        .unwrap();
    let ids = client.ask_many(15).await.unwrap();
    let queue = system.queue.sqs().unwrap();
    eventually("every message is in the queue", async || {
        queue.depth().await.unwrap().waiting >= 15
    })
    .await;
    queue.purge().await.unwrap();
    let worker = system.start_worker(&[BRIEF]).await.unwrap();
    for id in ids {
        assert_done(&system.database.wait_until_ended(id).await.unwrap(), 1);
    }
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f25_a_result_that_expires_is_whole_or_gone() {
    let system = system(QueueKind::Postgres).await;
    system.database.add_todos(3000).await.unwrap();
    let (api, client) = system.start_api(&[("JOB_EXPIRY", "10s")]).await.unwrap();
    let worker = system.start_worker(&[]).await.unwrap();
    worker.url().await.unwrap();
    let id = client.ask().await.unwrap();
    client.wait_for(id, JobStatus::Success).await.unwrap();
    let whole = client.result(id).await.unwrap();
    assert_eq!(whole.status, 200);
    let reading: Vec<_> = (0..4)
        .map(|_| {
            let (client, whole) = (client.clone(), whole.clone());
            tokio::spawn(async move {
                loop {
                    let answer = client.result(id).await.unwrap();
                    match answer.status {
                        200 => assert!(answer.body == whole.body, "a part of a calendar"),
                        410 => return,
                        other => panic!("{other}: {}", answer.json()),
                    }
                }
            })
        })
        .collect();
    for read in reading {
        read.await.unwrap();
    }
    eventually("the result is swept away", async || {
        let results = "SELECT count(*) FROM calendar_results";
        system.database.number(results).await.unwrap() == 0
    })
    .await;
    assert_eq!(client.result(id).await.unwrap().status, 410);
    assert_eq!(client.status(id).await.unwrap().status, 410);
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f25_a_job_that_nobody_does_in_time_fails() {
    let system = system(QueueKind::Sqs).await;
    let (api, client) = system.start_api(&[("JOB_EXPIRY", "2s")]).await.unwrap();
    let id = client.ask_for(&json!({})).await.unwrap();
    system.history.expect_failure(id);
    let job = system.database.wait_until_ended(id).await.unwrap();
    assert_eq!(job.error.unwrap().code, ErrorCode::ExpiredInQueue);
    // its message comes late and finds it ended
    let worker = system.start_worker(&[]).await.unwrap();
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f28_a_message_that_somebody_deleted_is_published_again() {
    let system = system(QueueKind::Sqs).await;
    let (api, client) = system
        .start_api(&[("REPUBLISH_AFTER", "2s")])
        .await
        .unwrap();
    let id = client.ask().await.unwrap();
    let queue = system.queue.sqs().unwrap();
    eventually("the message is in the queue", async || {
        queue.depth().await.unwrap().waiting >= 1
    })
    .await;
    queue.delete_one().await.unwrap();
    let worker = system.start_worker(&[]).await.unwrap();
    client.wait_for(id, JobStatus::Success).await.unwrap();
    let generation = format!("SELECT generation FROM calendar_jobs WHERE id = '{id}'");
    assert!(system.database.number(generation).await.unwrap() >= 2);
    finish(&system, [api, worker]).await;
}
