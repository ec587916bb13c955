//! Workers that die, sleep, and are told to stop.

use std::time::{Duration, Instant};

use faults::poison::Poison;
use faults::process::Process;
use faults::queue::QueueKind;
use faults::sqs_proxy::{Fault, Rule, Stage, action};
use faults::system::{RECOVERY, System, VISIBILITY};
use faults::waiting::eventually;
use nix::sys::signal::Signal;
use shared_model::job::{JobId, JobStatus};

use crate::support::{assert_done, assert_nothing_in_flight, finish, system};

/// The claim's statement.
const CLAIM: &str = "SET status = 'STARTED'";
/// The statement that stores a result.
const COMPLETE: &str = "INSERT INTO calendar_results";

/// Where in a job's life its worker dies.
#[derive(Debug, Clone, Copy)]
enum Moment {
    AfterReceive,
    AfterClaim,
    MidRender,
    BeforeCommit,
    AfterCommit,
    DuringDelete,
}

impl Moment {
    /// Prepares what holds the worker at this moment.
    async fn arm(self, system: &System, worker: &Process) {
        match self {
            Self::AfterReceive => worker.database.hold_request(CLAIM),
            Self::AfterClaim => worker.database.hold_answer(CLAIM),
            Self::MidRender => system.database.poison(Poison::Wait, 1).await.unwrap(),
            Self::BeforeCommit => worker.database.hold_request(COMPLETE),
            Self::AfterCommit => {
                let sqs = worker.sqs().unwrap();
                sqs.add(Rule::on(action::DELETE, Fault::Hold));
            }
            Self::DuringDelete => {
                let sqs = worker.sqs().unwrap();
                sqs.add(Rule::on(action::DELETE, Fault::HoldAnswer));
            }
        }
    }

    /// Waits until the worker is at this moment.
    async fn reached(self, system: &System, worker: &Process, id: JobId) {
        match self {
            Self::AfterReceive | Self::BeforeCommit => {
                worker.database.wait_until_held(1).await.unwrap();
            }
            Self::AfterClaim | Self::MidRender => {
                let started = system.database.wait_for_status(id, JobStatus::Started);
                started.await.unwrap();
            }
            Self::AfterCommit | Self::DuringDelete => {
                let done = system.database.wait_for_status(id, JobStatus::Success);
                done.await.unwrap();
                let stage = match self {
                    Self::DuringDelete => Stage::Applied,
                    _ => Stage::Arrived,
                };
                let sqs = worker.sqs().unwrap();
                sqs.wait_until_struck(action::DELETE, stage, 1)
                    .await
                    .unwrap();
            }
        }
    }
}

async fn a_job_survives_a_worker_killed(moment: Moment, attempts: i32) {
    let system = system(QueueKind::Sqs).await;
    system.database.add_todos(20).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let doomed = system.start_worker(&[]).await.unwrap();
    moment.arm(&system, &doomed).await;
    let id = client.ask().await.unwrap();
    moment.reached(&system, &doomed, id).await;
    doomed.kill().await.unwrap();
    let killed = Instant::now();
    // what the dead worker had sent and the proxy held never arrives
    drop(doomed);
    system.database.cure(Poison::Wait).await.unwrap();
    let heir = system.start_worker(&[]).await.unwrap();
    assert_done(
        &system.database.wait_until_ended(id).await.unwrap(),
        attempts,
    );
    assert!(killed.elapsed() <= RECOVERY, "G5: {:?}", killed.elapsed());
    client.wait_for(id, JobStatus::Success).await.unwrap();
    finish(&system, [api, heir]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f01_a_worker_killed_after_a_receive_costs_no_attempt() {
    a_job_survives_a_worker_killed(Moment::AfterReceive, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f01_a_worker_killed_after_a_claim_costs_an_attempt() {
    a_job_survives_a_worker_killed(Moment::AfterClaim, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f01_a_worker_killed_in_a_render_costs_an_attempt() {
    a_job_survives_a_worker_killed(Moment::MidRender, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f01_a_worker_killed_before_its_commit_costs_an_attempt() {
    a_job_survives_a_worker_killed(Moment::BeforeCommit, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f01_a_worker_killed_before_its_delete_costs_a_delivery() {
    a_job_survives_a_worker_killed(Moment::AfterCommit, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f01_a_worker_killed_during_its_delete_costs_nothing() {
    a_job_survives_a_worker_killed(Moment::DuringDelete, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f02_a_worker_paused_past_its_lease_gives_its_job_up() {
    let system = system(QueueKind::Sqs).await;
    system.database.add_todos(20).await.unwrap();
    system.database.poison(Poison::Wait, 1).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let sleeper = system.start_worker(&[]).await.unwrap();
    let id = client.ask().await.unwrap();
    let started = system.database.wait_for_status(id, JobStatus::Started);
    started.await.unwrap();
    sleeper.signal(Signal::SIGSTOP).unwrap();
    let heir = system.start_worker(&[]).await.unwrap();
    let taken_over = |job: &shared_model::job::Job| job.attempt == 2;
    let taken = system.database.wait_for(id, "taken over", taken_over);
    taken.await.unwrap();
    sleeper.signal(Signal::SIGCONT).unwrap();
    sleeper.wait_for_log("given up").await.unwrap();
    assert_eq!(
        sleeper.counter("worker_claims_lost_total").await.unwrap(),
        1
    );
    system.database.cure(Poison::Wait).await.unwrap();
    assert_done(&system.database.wait_until_ended(id).await.unwrap(), 2);
    finish(&system, [api, sleeper, heir]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f02_a_write_that_arrives_after_the_lease_is_refused_and_counted() {
    let system = system(QueueKind::Sqs).await;
    system.database.add_todos(20).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let late = system.start_worker(&[]).await.unwrap();
    late.database.hold_request(COMPLETE);
    let id = client.ask().await.unwrap();
    late.database.wait_until_held(1).await.unwrap();
    late.signal(Signal::SIGSTOP).unwrap();
    let heir = system.start_worker(&[]).await.unwrap();
    let done = system.database.wait_until_ended(id).await.unwrap();
    assert_done(&done, 2);
    // only now does the first worker's result arrive
    late.database.heal();
    late.signal(Signal::SIGCONT).unwrap();
    eventually("the late write is counted", async || {
        let refused = late.counter("worker_late_writes_refused_total").await?;
        Ok((refused == 1).then_some(()))
    })
    .await
    .unwrap();
    assert_eq!(system.database.job(id).await.unwrap(), done);
    finish(&system, [api, late, heir]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f11_what_the_last_poll_brings_is_given_back_and_seen_elsewhere_at_once() {
    let system = system(QueueKind::Sqs).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    let ids = client.ask_many(3).await.unwrap();
    let queue = system.queue.sqs().unwrap();
    eventually("the messages are in the queue", async || {
        Ok((queue.depth().await?.waiting == 3).then_some(()))
    })
    .await
    .unwrap();
    let leaving = system.start_worker(&[]).await.unwrap();
    let sqs = leaving.sqs().unwrap();
    sqs.add(Rule::on(action::RECEIVE, Fault::HoldAnswer));
    sqs.wait_until("messages taken", |calls| {
        calls
            .iter()
            .any(|call| call.fault.is_some() && !call.received.is_empty())
    })
    .await
    .unwrap();
    leaving.signal(Signal::SIGTERM).unwrap();
    let other = system.start_worker(&[]).await.unwrap();
    other
        .sqs()
        .unwrap()
        .wait_until("a poll of the other", |calls| !calls.is_empty())
        .await
        .unwrap();
    sqs.heal();
    let answered = Instant::now();
    assert!(
        leaving
            .wait(Duration::from_secs(10))
            .await
            .unwrap()
            .success()
    );
    for id in ids {
        assert_done(&system.database.wait_until_ended(id).await.unwrap(), 1);
    }
    assert!(
        answered.elapsed() <= Duration::from_secs(2),
        "{:?}",
        answered.elapsed()
    );
    finish(&system, [api, other]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f12_a_worker_told_to_stop_finishes_what_runs_and_holds_nothing() {
    let system = system(QueueKind::Sqs).await;
    system.database.add_todos(20).await.unwrap();
    system.database.poison(Poison::Wait, 1).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let worker = system.start_worker(&[]).await.unwrap();
    let ids = client.ask_many(2).await.unwrap();
    for id in &ids {
        let started = system.database.wait_for_status(*id, JobStatus::Started);
        started.await.unwrap();
    }
    worker.signal(Signal::SIGTERM).unwrap();
    worker.wait_for_log("draining").await.unwrap();
    system.database.cure(Poison::Wait).await.unwrap();
    let drain_timeout = Duration::from_secs(10);
    assert!(worker.wait(drain_timeout).await.unwrap().success());
    assert_nothing_in_flight(&system).await;
    for id in ids {
        assert_done(&system.database.job(id).await.unwrap(), 1);
    }
    finish(&system, [api]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f12_a_second_signal_gives_everything_back_within_two_seconds() {
    let system = system(QueueKind::Sqs).await;
    system.database.poison(Poison::Wait, 1).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let worker = system.start_worker(&[]).await.unwrap();
    let id = client.ask().await.unwrap();
    let started = system.database.wait_for_status(id, JobStatus::Started);
    started.await.unwrap();
    worker.signal(Signal::SIGTERM).unwrap();
    worker.wait_for_log("draining").await.unwrap();
    worker.signal(Signal::SIGTERM).unwrap();
    let hurried = Instant::now();
    assert!(
        worker
            .wait(Duration::from_secs(10))
            .await
            .unwrap()
            .success()
    );
    assert!(
        hurried.elapsed() <= Duration::from_secs(2),
        "{:?}",
        hurried.elapsed()
    );
    assert_nothing_in_flight(&system).await;
    system.database.cure(Poison::Wait).await.unwrap();
    let heir = system.start_worker(&[]).await.unwrap();
    assert_done(&system.database.wait_until_ended(id).await.unwrap(), 2);
    finish(&system, [api, heir]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f12_a_worker_that_is_still_starting_stops_at_once() {
    let system = system(QueueKind::Sqs).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    let starting = system.start_worker(&[]).await.unwrap();
    starting.database.stall();
    starting.url().await.unwrap();
    client.ask().await.unwrap();
    starting.signal(Signal::SIGTERM).unwrap();
    let status = starting.wait(Duration::from_secs(2)).await.unwrap();
    assert!(status.success(), "{status}");
    assert_nothing_in_flight(&system).await;
    let worker = system.start_worker(&[]).await.unwrap();
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f13_jobs_longer_than_the_visibility_are_claimed_once() {
    let system = system(QueueKind::Sqs).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    let longer = format!("{}ms", (VISIBILITY * 3 / 2).as_millis());
    let settings = [("RENDER_DELAY", longer.as_str())];
    let one = system.start_worker(&settings).await.unwrap();
    let two = system.start_worker(&settings).await.unwrap();
    let ids = client.ask_many(12).await.unwrap();
    for id in ids {
        assert_done(&system.database.wait_until_ended(id).await.unwrap(), 1);
    }
    finish(&system, [api, one, two]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f13_deliveries_that_wait_in_the_worker_are_extended_and_claimed_once() {
    let system = system(QueueKind::SqsFifo).await;
    // one group: what one receive brings is done in turn, and waits in the worker meanwhile
    let (api, client) = system.start_api(&[("QUEUE_GROUP", "all")]).await.unwrap();
    let api_sqs = api.sqs().unwrap();
    api_sqs.add(Rule::on(action::SEND, Fault::Hold));
    let ids = client.ask_many(4).await.unwrap();
    api_sqs.heal();
    let settings = [("RENDER_DELAY", "1s")];
    let one = system.start_worker(&settings).await.unwrap();
    let two = system.start_worker(&settings).await.unwrap();
    for id in ids {
        assert_done(&system.database.wait_until_ended(id).await.unwrap(), 1);
    }
    let receives: Vec<u32> = [&one, &two]
        .iter()
        .flat_map(|worker| worker.sqs().unwrap().calls_of(action::RECEIVE))
        .flat_map(|call| call.received)
        .map(|(_, count)| count)
        .collect();
    assert_eq!(receives, [1; 4], "each message was delivered once");
    finish(&system, [api, one, two]).await;
}
