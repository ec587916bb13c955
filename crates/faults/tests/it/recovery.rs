//! Messages that are lost, repeated or dead-lettered, jobs that are redriven, and results that expire.

use faults::poison::Poison;
use faults::queue::{Queue, QueueKind};
use faults::sqs_proxy::{Fault, Rule, action};
use local_services::testing::{TIMEOUT, eventually, within};
use serde_json::json;
use shared_model::job::{ErrorCode, JobStatus};
use shared_model::message::{JobMessage, MESSAGE_VERSION};

use crate::support::{
    NO_RELAY, VISIBILITY_6S, VISIBILITY_60S, assert_succeeded, finish, operate, system,
    system_with, with_each,
};

with_each! {
    sqs: (
        f22_a_message_sent_twenty_times_has_one_effect,
        f24_a_redriven_job_starts_again_and_its_old_message_is_stale,
        f24_a_purged_queue_is_filled_again,
        f25_a_job_that_no_worker_takes_in_time_fails,
        f28_a_deleted_message_is_published_again,
    );
    redis, activemq, rabbitmq, kafka: (
        f22_a_message_sent_twenty_times_has_one_effect,
        f15_a_message_that_cannot_be_read_goes_to_the_dead_letter_queue_alone,
        f24_a_redriven_job_starts_again_and_its_old_message_is_stale,
        f24_a_purged_queue_is_filled_again,
        f25_a_job_that_no_worker_takes_in_time_fails,
        f28_a_deleted_message_is_published_again,
    );
}

async fn f22_a_message_sent_twenty_times_has_one_effect(kind: QueueKind) {
    let system = system(kind).await;
    system.database.add_todos(20).await.unwrap();
    let (accepting, client) = system.start_api(&[NO_RELAY]).await.unwrap();
    let ids = client.submit_many(3).await.unwrap();
    let sent = "UPDATE calendar_jobs SET sends = 1, sent_at = now()";
    assert_eq!(system.database.execute(sent).await.unwrap(), ids.len());
    for _ in 0..20 {
        for id in &ids {
            let message = JobMessage {
                v: MESSAGE_VERSION,
                job_id: *id,
                generation: 1,
                enqueued_at: system.database.job(*id).await.unwrap().created_at,
                traceparent: None,
            };
            let body = message.encode().unwrap();
            system.queue.send(&body).await.unwrap();
        }
    }
    // Its relay sends what the workers postpone.
    let (api, _) = system.start_api(&[]).await.unwrap();
    let workers = [
        system.start_worker(&[VISIBILITY_6S]).await.unwrap(),
        system.start_worker(&[VISIBILITY_6S]).await.unwrap(),
    ];
    eventually("every message is delivered", async || {
        let mut deliveries = 0;
        for worker in &workers {
            deliveries += worker.counter("worker_deliveries_total").await.unwrap();
        }
        deliveries >= 60
    })
    .await;
    system.drain().await.unwrap();
    let changes = system.database.job_changes().await.unwrap();
    for id in ids {
        assert_succeeded(&system.database.job(id).await.unwrap(), 1);
        let of_job = changes.iter().filter(|change| change.job_id == id.0);
        let mut statuses: Vec<_> = of_job.map(|change| change.status).collect();
        // Progress is a change, too.
        statuses.dedup();
        let once = [JobStatus::Pending, JobStatus::Started, JobStatus::Success];
        assert_eq!(statuses, once);
    }
    finish(&system, [accepting, api].into_iter().chain(workers)).await;
}

async fn f15_a_message_that_cannot_be_read_goes_to_the_dead_letter_queue_alone(kind: QueueKind) {
    let system = system(kind).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    system.history.expect_unreadable("unreadable");
    system.queue.send("unreadable").await.unwrap();
    let ids = client.submit_many(3).await.unwrap();
    let worker = system.start_worker(&[VISIBILITY_60S]).await.unwrap();
    for id in ids {
        assert_succeeded(&system.database.wait_until_ended(id).await.unwrap(), 1);
    }
    let dead = within(
        TIMEOUT,
        "the message is in the dead-letter queue",
        async || {
            let dead = system.queue.take_dead_letters().await?;
            anyhow::Ok((!dead.is_empty()).then_some(dead))
        },
    );
    assert_eq!(dead.await.unwrap(), ["unreadable"]);
    finish(&system, [api, worker]).await;
}

async fn f24_a_redriven_job_starts_again_and_its_old_message_is_stale(kind: QueueKind) {
    let system = system(kind).await;
    system.database.add_todos(20).await.unwrap();
    system.database.poison(Poison::Panic, 1).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let worker = system
        .start_worker(&[VISIBILITY_60S, ("MAX_ATTEMPTS", "1")])
        .await
        .unwrap();
    let id = client.submit().await.unwrap();
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
    // A message of the first generation, which may still be in a dead-letter queue.
    let old = JobMessage {
        v: MESSAGE_VERSION,
        job_id: id,
        generation: 1,
        enqueued_at: failed.created_at,
        traceparent: None,
    };
    let (code, redriven) = operate(&system, &["redrive", &id.to_string()]).await;
    assert!(code == 0 && redriven.contains("PENDING"), "{redriven}");
    system.queue.send(&old.encode().unwrap()).await.unwrap();
    client.wait_for(id, JobStatus::Success).await.unwrap();
    assert_eq!(client.result(id).await.unwrap().status, 200);
    let (code, second) = operate(&system, &["redrive", &id.to_string()]).await;
    assert!(code == 1 && second.contains("not found"), "{second}");
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f24_a_dead_lettered_job_fails_and_can_be_redriven() {
    let system = system_with(|| Queue::create_with(QueueKind::Sqs, 1).unwrap()).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    let doomed = system.start_worker(&[]).await.unwrap();
    doomed.database.hold_request("SET status = 'STARTED'");
    let id = client.submit().await.unwrap();
    doomed.database.wait_until_held(1).await.unwrap();
    doomed.kill().await.unwrap();
    drop(doomed);
    // The next receive would exceed the maximum receive count.
    let worker = system.start_worker(&[VISIBILITY_60S]).await.unwrap();
    let failed = system
        .database
        .wait_for_status(id, JobStatus::Failure)
        .await
        .unwrap();
    assert_eq!(failed.error.unwrap().code, ErrorCode::DeadLettered);
    let (code, redriven) = operate(&system, &["redrive", "--all"]).await;
    assert!(code == 0 && redriven.contains("PENDING"), "{redriven}");
    assert_succeeded(
        &system
            .database
            .wait_for_status(id, JobStatus::Success)
            .await
            .unwrap(),
        1,
    );
    finish(&system, [api, worker]).await;
}

async fn f24_a_purged_queue_is_filled_again(kind: QueueKind) {
    let system = system(kind).await;
    let (api, client) = system
        .start_api(&[("REPUBLISH_AFTER", "2s")])
        .await
        .unwrap();
    let ids = client.submit_many(15).await.unwrap();
    let queue = &system.queue;
    eventually("every message is in the queue", async || {
        queue.depth().await.unwrap().waiting >= 15
    })
    .await;
    queue.purge().await.unwrap();
    let worker = system.start_worker(&[VISIBILITY_6S]).await.unwrap();
    for id in ids {
        assert_succeeded(&system.database.wait_until_ended(id).await.unwrap(), 1);
    }
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f25_an_expiring_result_is_complete_or_gone() {
    let system = system(QueueKind::Postgres).await;
    system.database.add_todos(3000).await.unwrap();
    let (api, client) = system.start_api(&[("JOB_EXPIRY", "10s")]).await.unwrap();
    let worker = system.start_worker(&[]).await.unwrap();
    worker.url().await.unwrap();
    let id = client.submit().await.unwrap();
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
                        200 => assert!(answer.body == whole.body, "only a part of the calendar"),
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
    eventually("the result is deleted", async || {
        let results = "SELECT count(*) FROM calendar_results";
        system.database.number(results).await.unwrap() == 0
    })
    .await;
    assert_eq!(client.result(id).await.unwrap().status, 410);
    assert_eq!(client.status(id).await.unwrap().status, 410);
    finish(&system, [api, worker]).await;
}

async fn f25_a_job_that_no_worker_takes_in_time_fails(kind: QueueKind) {
    let system = system(kind).await;
    let (api, client) = system.start_api(&[("JOB_EXPIRY", "2s")]).await.unwrap();
    let id = client.submit_with(&json!({})).await.unwrap();
    system.history.expect_failure(id);
    let job = system.database.wait_until_ended(id).await.unwrap();
    assert_eq!(job.error.unwrap().code, ErrorCode::ExpiredInQueue);
    // Its message is received late, and the job has ended.
    let worker = system.start_worker(&[]).await.unwrap();
    finish(&system, [api, worker]).await;
}

async fn f28_a_deleted_message_is_published_again(kind: QueueKind) {
    let system = system(kind).await;
    let (api, client) = system
        .start_api(&[("REPUBLISH_AFTER", "2s")])
        .await
        .unwrap();
    let id = client.submit().await.unwrap();
    let queue = &system.queue;
    eventually("the message is in the queue", async || {
        queue.depth().await.unwrap().waiting >= 1
    })
    .await;
    queue.delete_one().await.unwrap();
    let worker = system.start_worker(&[]).await.unwrap();
    client.wait_for(id, JobStatus::Success).await.unwrap();
    let sends = format!("SELECT sends FROM calendar_jobs WHERE id = '{id}' AND generation = 1");
    assert!(system.database.number(sends).await.unwrap() >= 2);
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f28_jobs_end_although_the_queue_loses_one_message_in_a_hundred() {
    let system = system(QueueKind::Sqs).await;
    let (api, client) = system
        .start_api(&[("REPUBLISH_AFTER", "2s")])
        .await
        .unwrap();
    let lose = Rule::on(action::SEND, Fault::LoseOneIn(100));
    api.sqs().unwrap().add(lose);
    let ids = client.submit_concurrently(400).await.unwrap();
    let worker = system.start_worker(&[VISIBILITY_60S]).await.unwrap();
    for id in ids {
        assert_succeeded(&system.database.wait_until_ended(id).await.unwrap(), 1);
    }
    let sent_again = "SELECT count(*) FROM calendar_jobs WHERE sends > 1 AND generation = 1";
    assert!(system.database.number(sent_again).await.unwrap() >= 4);
    finish(&system, [api, worker]).await;
}
