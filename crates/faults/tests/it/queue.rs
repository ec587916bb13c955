//! An SQS that loses answers, returns errors, never answers, or rejects receipts.

use std::time::{Duration, Instant};

use faults::process::Process;
use faults::queue::QueueKind;
use faults::sqs_proxy::{Entries, EntryError, Fault, Refusal, Rule, Stage, action};
use faults::system::RECEIVE_WAIT;
use shared_model::job::JobStatus;

use crate::support::{
    RENDER_DELAY_4S, VISIBILITY_6S, VISIBILITY_12S, VISIBILITY_60S, assert_succeeded, finish,
    system,
};

/// Long enough to distinguish growing pauses from constant ones, although each has a random length.
const STORM: Duration = Duration::from_secs(25);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f05_a_response_lost_after_sqs_applied_the_call_costs_no_attempt() {
    let system = system(QueueKind::Sqs).await;
    system.database.add_todos(20).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let settings = [VISIBILITY_6S, ("RENDER_DELAY", "2s")];
    let worker = system.start_worker(&settings).await.unwrap();
    let (api_sqs, worker_sqs) = (api.sqs().unwrap(), worker.sqs().unwrap());
    api_sqs.add(Rule::on(action::SEND, Fault::DropAnswer).times(3));
    for action in [action::DELETE, action::CHANGE_VISIBILITY] {
        worker_sqs.add(Rule::on(action, Fault::DropAnswer).times(3));
    }
    for id in client.submit_many(10).await.unwrap() {
        assert_succeeded(&system.database.wait_until_ended(id).await.unwrap(), 1);
    }
    for (sqs, action) in [
        (api_sqs, action::SEND),
        (worker_sqs, action::DELETE),
        (worker_sqs, action::CHANGE_VISIBILITY),
    ] {
        sqs.wait_until_injected(action, Stage::Over, 3)
            .await
            .unwrap();
    }
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f06_a_storm_of_errors_slows_the_calls_and_loses_no_job() {
    let system = system(QueueKind::Sqs).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    let worker = system.start_worker(&[]).await.unwrap();
    // Clients do not wait for a queue that does not answer.
    let api_sqs = api.sqs().unwrap();
    api_sqs.add(Rule::on(action::SEND, Fault::Hold));
    let mut ids = client.submit_many(20).await.unwrap();
    api_sqs.heal();
    let began = Instant::now();
    for sqs in [api_sqs, worker.sqs().unwrap()] {
        for refusal in [
            Refusal::InternalError,
            Refusal::Unavailable,
            Refusal::Throttled,
        ] {
            sqs.add(Rule::on_every_call(Fault::Refuse(refusal)).times(1));
        }
        sqs.add(Rule::on_every_call(Fault::Refuse(Refusal::Throttled)));
    }
    ids.extend(client.submit_many(20).await.unwrap());
    tokio::time::sleep_until((began + STORM).into()).await;
    for (process, action) in [(&api, action::SEND), (&worker, action::RECEIVE)] {
        let mut calls = process.sqs().unwrap().calls_of(action);
        calls.retain(|call| call.fault.is_some() && (began..began + STORM).contains(&call.at));
        // Growing pauses lead to 5 to 32 calls, constant pauses to at least 50.
        assert!((4..40).contains(&calls.len()), "{calls:#?}");
    }
    for process in [&api, &worker] {
        process.heal();
    }
    let healed = Instant::now();
    for id in ids {
        client.wait_for(id, JobStatus::Success).await.unwrap();
    }
    assert!(
        healed.elapsed() < Duration::from_secs(30),
        "{:?}",
        healed.elapsed()
    );
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f08_a_poll_that_is_never_answered_times_out_and_polling_continues() {
    let system = system(QueueKind::Sqs).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    let worker = system.start_worker(&[]).await.unwrap();
    let sqs = worker.sqs().unwrap();
    sqs.add(Rule::on(action::RECEIVE, Fault::NeverAnswer).times(1));
    sqs.wait_until_injected(action::RECEIVE, Stage::Arrived, 1)
        .await
        .unwrap();
    let hung = Instant::now();
    let id = client.submit().await.unwrap();
    client.wait_for(id, JobStatus::Success).await.unwrap();
    // The poll's own timeout plus the first backoff after a failure. Twice the sum allows for a busy machine.
    let limit = RECEIVE_WAIT + Duration::from_secs(5) + Duration::from_secs(1);
    assert!(hung.elapsed() <= 2 * limit, "{:?}", hung.elapsed());
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f09_one_failed_heartbeat_does_no_harm() {
    let system = system(QueueKind::Sqs).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    let longer = [VISIBILITY_12S, ("RENDER_DELAY", "10s")];
    let worker = system.start_worker(&longer).await.unwrap();
    let other = system.start_worker(&longer).await.unwrap();
    for process in [&worker, &other] {
        let refused = Fault::Refuse(Refusal::Unavailable);
        process
            .sqs()
            .unwrap()
            .add(Rule::on(action::CHANGE_VISIBILITY, refused).times(1));
    }
    for id in client.submit_many(2).await.unwrap() {
        assert_succeeded(&system.database.wait_until_ended(id).await.unwrap(), 1);
    }
    finish(&system, [api, worker, other]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f09_an_attempt_whose_heartbeats_keep_failing_is_cancelled_before_the_next_begins() {
    let system = system(QueueKind::Sqs).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    let failing = system
        .start_worker(&[VISIBILITY_6S, ("RENDER_DELAY", "9m")])
        .await
        .unwrap();
    let refused = Fault::Refuse(Refusal::Unavailable);
    failing
        .sqs()
        .unwrap()
        .add(Rule::on(action::CHANGE_VISIBILITY, refused));
    let id = client.submit().await.unwrap();
    let started = system.database.wait_for_status(id, JobStatus::Started);
    started.await.unwrap();
    stop_polling(&failing);
    let successor = system.start_worker(&[VISIBILITY_60S]).await.unwrap();
    let job = system.database.wait_until_ended(id).await.unwrap();
    assert_succeeded(&job, 2);
    let given_up = failing.wait_for_log("could not be renewed").await.unwrap();
    let given_up = seconds_since_1970(given_up["time"].as_str().unwrap());
    let changes = system.database.job_changes().await.unwrap();
    let taken_over = changes.iter().find(|change| change.attempt == 2).unwrap();
    assert!(
        given_up < taken_over.at,
        "given up at {given_up}, taken over at {}",
        taken_over.at
    );
    finish(&system, [api, failing, successor]).await;
}

/// Makes a worker receive nothing more, but continue with its jobs.
fn stop_polling(worker: &Process) {
    let hung = Rule::on(action::RECEIVE, Fault::NeverAnswer);
    worker.sqs().unwrap().add(hung);
}

/// Converts the RFC 3339 time of a log line to seconds since 1970.
fn seconds_since_1970(time: &str) -> f64 {
    let time = chrono::DateTime::parse_from_rfc3339(time).unwrap();
    let since_1970 = time.signed_duration_since(chrono::DateTime::UNIX_EPOCH);
    since_1970.to_std().unwrap().as_secs_f64()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f10_an_invalid_receipt_loses_a_delivery_but_never_a_job() {
    let invalid = Fault::FailEntries {
        entries: Entries::All,
        applied: false,
        error: EntryError::InvalidReceipt,
    };
    let whole_call = Fault::Refuse(Refusal::InvalidReceipt);
    // A message that is not deleted reappears after its visibility timeout.
    let short = [("VISIBILITY_TIMEOUT", "4s")];
    let extended = [VISIBILITY_12S, RENDER_DELAY_4S];
    for (action, fault, settings, attempts) in [
        (action::DELETE, invalid, short.as_slice(), 1),
        (action::DELETE, whole_call, &short, 1),
        // The worker has lost the delivery, so its attempt ends.
        (action::CHANGE_VISIBILITY, invalid, &extended, 2),
        (action::CHANGE_VISIBILITY, whole_call, &extended, 1),
    ] {
        let system = system(QueueKind::Sqs).await;
        let (api, client) = system.start_api(&[]).await.unwrap();
        let worker = system.start_worker(settings).await.unwrap();
        let sqs = worker.sqs().unwrap();
        sqs.add(Rule::on(action, fault).times(1));
        let id = client.submit().await.unwrap();
        sqs.wait_until_injected(action, Stage::Over, 1)
            .await
            .unwrap();
        let job = system.database.wait_until_ended(id).await.unwrap();
        assert_succeeded(&job, attempts);
        finish(&system, [api, worker]).await;
    }
}
