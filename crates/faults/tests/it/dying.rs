//! Workers that are killed at every point of a job, and workers that are paused.

use std::time::Instant;

use faults::poison::Poison;
use faults::process::Process;
use faults::queue::QueueKind;
use faults::sqs_proxy::{Fault, Rule, Stage, action};
use faults::system::System;
use local_services::testing::eventually;
use nix::sys::signal::Signal;
use shared_model::job::{JobId, JobStatus};

use crate::support::{
    RECOVERY_LIMIT, VISIBILITY_6S, VISIBILITY_60S, assert_succeeded, finish, system,
};

/// The statement that claims a job.
const CLAIM: &str = "SET status = 'STARTED'";
/// The statement that stores a result.
const COMPLETE: &str = "INSERT INTO calendar_results";

/// The point of a job at which its worker is killed.
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
    /// Prepares a hold that stops the worker at this point.
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

    /// Waits until the worker is at this point.
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
                sqs.wait_until_injected(action::DELETE, stage, 1)
                    .await
                    .unwrap();
            }
        }
    }
}

/// Does what [`survives_with`] does, with each kind of SQS queue.
async fn survives_with_sqs(moment: Moment, attempts: i32) {
    let with_standard = survives_with(QueueKind::Sqs, moment, attempts);
    let with_fifo = survives_with(QueueKind::SqsFifo, moment, attempts);
    tokio::join!(with_standard, with_fifo);
}

/// Kills a worker at a point of a job. The job must succeed with this number of attempts.
async fn survives_with(kind: QueueKind, moment: Moment, attempts: i32) {
    let system = system(kind).await;
    system.database.add_todos(20).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let doomed = system.start_worker(&[VISIBILITY_6S]).await.unwrap();
    moment.arm(&system, &doomed).await;
    let id = client.submit().await.unwrap();
    moment.reached(&system, &doomed, id).await;
    doomed.kill().await.unwrap();
    let killed = Instant::now();
    // Dropping the proxies makes sure that nothing they hold is ever forwarded.
    drop(doomed);
    system.database.cure(Poison::Wait).await.unwrap();
    let successor = system.start_worker(&[VISIBILITY_60S]).await.unwrap();
    let job = system.database.wait_until_ended(id).await.unwrap();
    assert_succeeded(&job, attempts);
    assert!(
        killed.elapsed() <= RECOVERY_LIMIT,
        "G5: {:?} with {kind:?}",
        killed.elapsed()
    );
    client.wait_for(id, JobStatus::Success).await.unwrap();
    finish(&system, [api, successor]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f01_a_worker_killed_after_a_receive_costs_no_attempt() {
    survives_with(QueueKind::Postgres, Moment::AfterReceive, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f01_a_worker_killed_after_a_receive_costs_no_attempt_with_sqs() {
    survives_with_sqs(Moment::AfterReceive, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f01_a_worker_killed_after_a_claim_costs_one_attempt() {
    survives_with(QueueKind::Postgres, Moment::AfterClaim, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f01_a_worker_killed_after_a_claim_costs_one_attempt_with_sqs() {
    survives_with_sqs(Moment::AfterClaim, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f01_a_worker_killed_during_a_render_costs_one_attempt() {
    survives_with(QueueKind::Postgres, Moment::MidRender, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f01_a_worker_killed_during_a_render_costs_one_attempt_with_sqs() {
    survives_with_sqs(Moment::MidRender, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f01_a_worker_killed_before_its_commit_costs_one_attempt() {
    survives_with(QueueKind::Postgres, Moment::BeforeCommit, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f01_a_worker_killed_before_its_commit_costs_one_attempt_with_sqs() {
    survives_with_sqs(Moment::BeforeCommit, 2).await;
}

// With PostgreSQL as the queue there is no delete: a job leaves the queue when it ends.

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f01_a_worker_killed_before_its_delete_costs_one_delivery() {
    survives_with_sqs(Moment::AfterCommit, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f01_a_worker_killed_during_its_delete_costs_nothing() {
    survives_with_sqs(Moment::DuringDelete, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f02_a_worker_paused_past_its_lease_gives_up_its_job() {
    let system = system(QueueKind::Sqs).await;
    system.database.add_todos(20).await.unwrap();
    system.database.poison(Poison::Wait, 1).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let paused = system.start_worker(&[VISIBILITY_6S]).await.unwrap();
    let id = client.submit().await.unwrap();
    let started = system.database.wait_for_status(id, JobStatus::Started);
    started.await.unwrap();
    paused.signal(Signal::SIGSTOP).unwrap();
    let successor = system.start_worker(&[VISIBILITY_60S]).await.unwrap();
    let taken_over = |job: &shared_model::job::Job| job.attempt == 2;
    let taken = system.database.wait_for(id, "taken over", taken_over);
    taken.await.unwrap();
    paused.signal(Signal::SIGCONT).unwrap();
    paused.wait_for_log("could not be renewed").await.unwrap();
    eventually("the lost claim is counted", async || {
        let lost = paused.counter("worker_claims_lost_total").await.unwrap();
        lost == 1
    })
    .await;
    system.database.cure(Poison::Wait).await.unwrap();
    assert_succeeded(&system.database.wait_until_ended(id).await.unwrap(), 2);
    finish(&system, [api, paused, successor]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f02_a_write_that_arrives_after_the_lease_is_refused_and_counted() {
    let system = system(QueueKind::Sqs).await;
    system.database.add_todos(20).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let late = system.start_worker(&[VISIBILITY_6S]).await.unwrap();
    late.database.hold_request(COMPLETE);
    let id = client.submit().await.unwrap();
    late.database.wait_until_held(1).await.unwrap();
    late.signal(Signal::SIGSTOP).unwrap();
    let successor = system.start_worker(&[VISIBILITY_60S]).await.unwrap();
    let done = system.database.wait_until_ended(id).await.unwrap();
    assert_succeeded(&done, 2);
    // Only now does the result of the first worker arrive.
    late.database.heal();
    late.signal(Signal::SIGCONT).unwrap();
    eventually("the late write is counted", async || {
        let refused = late
            .counter("worker_late_writes_refused_total")
            .await
            .unwrap();
        refused == 1
    })
    .await;
    assert_eq!(system.database.job(id).await.unwrap(), done);
    finish(&system, [api, late, successor]).await;
}
