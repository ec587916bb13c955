//! An SQS that loses answers, refuses, lies about batches, hangs, repeats and forgets.

use std::time::{Duration, Instant};

use faults::process::Process;
use faults::queue::QueueKind;
use faults::sqs_proxy::{Entries, EntryError, Fault, Refusal, Rule, Stage, action};
use faults::system::RECEIVE_WAIT;
use shared_model::job::JobStatus;

use crate::support::{BRIEF, EXTENDED, PATIENT, UNHURRIED, assert_done, finish, system};

/// Long enough to tell pauses that grow from pauses that do not, although each has a random length.
const STORM: Duration = Duration::from_secs(25);

#[tokio::test(flavor = "multi_thread")]
async fn f05_an_answer_lost_after_the_queue_did_its_part_costs_no_attempt() {
    let system = system(QueueKind::Sqs).await;
    system.database.add_todos(20).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let settings = [BRIEF, ("RENDER_DELAY", "2s")];
    let worker = system.start_worker(&settings).await.unwrap();
    let (api_sqs, worker_sqs) = (api.sqs().unwrap(), worker.sqs().unwrap());
    api_sqs.add(Rule::on(action::SEND, Fault::DropAnswer).times(3));
    for action in [action::DELETE, action::HIDE] {
        worker_sqs.add(Rule::on(action, Fault::DropAnswer).times(3));
    }
    for id in client.ask_many(10).await.unwrap() {
        assert_done(&system.database.wait_until_ended(id).await.unwrap(), 1);
    }
    for (sqs, action) in [
        (api_sqs, action::SEND),
        (worker_sqs, action::DELETE),
        (worker_sqs, action::HIDE),
    ] {
        sqs.wait_until_struck(action, Stage::Over, 3).await.unwrap();
    }
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f06_a_storm_of_errors_slows_the_calls_down_and_loses_nothing() {
    let system = system(QueueKind::Sqs).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    let worker = system.start_worker(&[]).await.unwrap();
    // a queue that answers nobody keeps nobody waiting
    let api_sqs = api.sqs().unwrap();
    api_sqs.add(Rule::on(action::SEND, Fault::Hold));
    let mut ids = client.ask_many(20).await.unwrap();
    api_sqs.heal();
    let began = Instant::now();
    for sqs in [api_sqs, worker.sqs().unwrap()] {
        for refusal in [
            Refusal::InternalError,
            Refusal::Unavailable,
            Refusal::Throttled,
        ] {
            sqs.add(Rule::always(Fault::Refuse(refusal)).times(1));
        }
        sqs.add(Rule::always(Fault::Refuse(Refusal::Throttled)));
    }
    ids.extend(client.ask_many(20).await.unwrap());
    tokio::time::sleep_until((began + STORM).into()).await;
    for (process, action) in [(&api, action::SEND), (&worker, action::RECEIVE)] {
        let mut calls = process.sqs().unwrap().calls_of(action);
        calls.retain(|call| call.fault.is_some() && (began..began + STORM).contains(&call.at));
        // 5 to 32 of pauses that grow, 50 and more of pauses that do not
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
async fn f08_a_poll_that_is_never_answered_is_ended_and_polling_goes_on() {
    let system = system(QueueKind::Sqs).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    let worker = system.start_worker(&[]).await.unwrap();
    let sqs = worker.sqs().unwrap();
    sqs.add(Rule::on(action::RECEIVE, Fault::NeverAnswer).times(1));
    sqs.wait_until_struck(action::RECEIVE, Stage::Arrived, 1)
        .await
        .unwrap();
    let hung = Instant::now();
    let id = client.ask().await.unwrap();
    client.wait_for(id, JobStatus::Success).await.unwrap();
    // the poll's own bound, the first back-off after a failure, and what a busy machine takes
    let bound = RECEIVE_WAIT + Duration::from_secs(5) + Duration::from_secs(1);
    assert!(hung.elapsed() <= 2 * bound, "{:?}", hung.elapsed());
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f09_one_heartbeat_that_fails_does_no_harm() {
    let system = system(QueueKind::Sqs).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    let longer = [PATIENT, ("RENDER_DELAY", "10s")];
    let worker = system.start_worker(&longer).await.unwrap();
    let other = system.start_worker(&longer).await.unwrap();
    for process in [&worker, &other] {
        let refused = Fault::Refuse(Refusal::Unavailable);
        process
            .sqs()
            .unwrap()
            .add(Rule::on(action::HIDE, refused).times(1));
    }
    for id in client.ask_many(2).await.unwrap() {
        assert_done(&system.database.wait_until_ended(id).await.unwrap(), 1);
    }
    finish(&system, [api, worker, other]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f09_a_job_whose_heartbeats_fail_for_good_is_given_up_before_another_begins() {
    let system = system(QueueKind::Sqs).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    let losing = system
        .start_worker(&[BRIEF, ("RENDER_DELAY", "9m")])
        .await
        .unwrap();
    let refused = Fault::Refuse(Refusal::Unavailable);
    losing.sqs().unwrap().add(Rule::on(action::HIDE, refused));
    let id = client.ask().await.unwrap();
    let started = system.database.wait_for_status(id, JobStatus::Started);
    started.await.unwrap();
    stop_polling(&losing);
    let heir = system.start_worker(&[UNHURRIED]).await.unwrap();
    let job = system.database.wait_until_ended(id).await.unwrap();
    assert_done(&job, 2);
    let given_up = losing.wait_for_log("given up").await.unwrap();
    let given_up = seconds_since_1970(given_up["time"].as_str().unwrap());
    let changes = system.database.job_changes().await.unwrap();
    let taken_over = changes.iter().find(|change| change.attempt == 2).unwrap();
    assert!(
        given_up < taken_over.at,
        "given up at {given_up}, taken over at {}",
        taken_over.at
    );
    finish(&system, [api, losing, heir]).await;
}

/// Lets a worker receive nothing more, but go on with what it has.
fn stop_polling(worker: &Process) {
    let hung = Rule::on(action::RECEIVE, Fault::NeverAnswer);
    worker.sqs().unwrap().add(hung);
}

/// An RFC 3339 time of a log line, in seconds since 1970.
fn seconds_since_1970(time: &str) -> f64 {
    let time = chrono::DateTime::parse_from_rfc3339(time).unwrap();
    let since_1970 = time.signed_duration_since(chrono::DateTime::UNIX_EPOCH);
    since_1970.to_std().unwrap().as_secs_f64()
}

#[tokio::test(flavor = "multi_thread")]
async fn f10_a_receipt_that_is_no_good_loses_a_delivery_and_never_a_job() {
    let invalid = Fault::FailEntries {
        entries: Entries::All,
        applied: false,
        error: EntryError::InvalidReceipt,
    };
    let whole_call = Fault::Refuse(Refusal::InvalidReceipt);
    // a message that is not deleted comes again when its visibility ends
    let short = [("VISIBILITY_TIMEOUT", "4s")];
    let extended = [PATIENT, EXTENDED];
    for (action, fault, settings, attempts) in [
        (action::DELETE, invalid, short.as_slice(), 1),
        (action::DELETE, whole_call, &short, 1),
        // the delivery is not this worker's any more, so its attempt ends
        (action::HIDE, invalid, &extended, 2),
        (action::HIDE, whole_call, &extended, 1),
    ] {
        let system = system(QueueKind::Sqs).await;
        let (api, client) = system.start_api(&[]).await.unwrap();
        let worker = system.start_worker(settings).await.unwrap();
        let sqs = worker.sqs().unwrap();
        sqs.add(Rule::on(action, fault).times(1));
        let id = client.ask().await.unwrap();
        sqs.wait_until_struck(action, Stage::Over, 1).await.unwrap();
        let job = system.database.wait_until_ended(id).await.unwrap();
        assert_done(&job, attempts);
        finish(&system, [api, worker]).await;
    }
}
