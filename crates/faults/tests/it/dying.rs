//! Workers that are killed at every point of a job, and workers that are paused.

use std::time::Instant;

use faults::poison::Poison;
use faults::process::Process;
use faults::queue::{Queue, QueueKind};
use faults::sqs_proxy::{Fault, Rule, Stage, action};
use faults::system::System;
use local_services::brokers::BrokerKind;
use local_services::testing::eventually;
use nix::sys::signal::Signal;
use queue_tests::Server;
use shared_model::job::{JobId, JobStatus};

use crate::support::{
    RECOVERY_LIMIT, VISIBILITY_6S, VISIBILITY_60S, assert_succeeded, finish, system, with_each,
};

with_each! {
    postgres: (
        f01_a_worker_killed_after_a_receive_costs_no_attempt,
        f01_a_worker_killed_after_a_claim_costs_one_attempt,
        f01_a_worker_killed_during_a_render_costs_one_attempt,
        f01_a_worker_killed_before_its_commit_costs_one_attempt,
    );
    fifo: (
        f01_a_worker_killed_after_a_receive_costs_no_attempt,
        f01_a_worker_killed_after_a_claim_costs_one_attempt,
        f01_a_worker_killed_during_a_render_costs_one_attempt,
        f01_a_worker_killed_before_its_commit_costs_one_attempt,
        f01_a_worker_killed_before_its_delete_costs_one_delivery,
        f01_a_worker_killed_during_its_delete_costs_nothing,
    );
    sqs, redis, activemq, rabbitmq, kafka: (
        f01_a_worker_killed_after_a_receive_costs_no_attempt,
        f01_a_worker_killed_after_a_claim_costs_one_attempt,
        f01_a_worker_killed_during_a_render_costs_one_attempt,
        f01_a_worker_killed_before_its_commit_costs_one_attempt,
        f01_a_worker_killed_before_its_delete_costs_one_delivery,
        f01_a_worker_killed_during_its_delete_costs_nothing,
        f02_a_worker_paused_past_its_lease_gives_up_its_job,
        f02_a_write_that_arrives_after_the_lease_is_refused_and_counted,
    );
}

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

/// Returns the bytes with which a worker tells the broker that a message is done with.
fn settle(system: &System) -> &'static [u8] {
    let Queue::Broker(queue) = &system.queue else {
        panic!("not a broker")
    };
    match queue.server() {
        Server::Local(BrokerKind::Redis) => b"XACK",
        Server::Local(BrokerKind::ActiveMq) => b"ACK\n",
        // the class `basic`, and its method `ack`
        Server::Local(BrokerKind::RabbitMq) => b"\x00\x3c\x00\x50",
        // the request `OffsetCommit`, and its version
        Server::Kafka => b"\x00\x08\x00\x09",
    }
}

impl Moment {
    /// Prepares a hold that stops the worker at this point.
    async fn arm(self, system: &System, worker: &Process) {
        match self {
            Self::AfterReceive => worker.database.hold_request(CLAIM),
            Self::AfterClaim => worker.database.hold_answer(CLAIM),
            Self::MidRender => system.database.poison(Poison::Wait, 1).await.unwrap(),
            Self::BeforeCommit => worker.database.hold_request(COMPLETE),
            Self::AfterCommit => match &worker.sqs {
                Some(sqs) => sqs.add(Rule::on(action::DELETE, Fault::Hold)),
                None => worker.broker().unwrap().hold_request(settle(system)),
            },
            Self::DuringDelete => match &worker.sqs {
                Some(sqs) => sqs.add(Rule::on(action::DELETE, Fault::HoldAnswer)),
                None => worker.broker().unwrap().hold_answer(settle(system)),
            },
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
                let held = match &worker.sqs {
                    Some(sqs) => sqs.wait_until_injected(action::DELETE, stage, 1).await,
                    None => worker.broker().unwrap().wait_until_held(1).await,
                };
                held.unwrap();
            }
        }
    }
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

async fn f01_a_worker_killed_after_a_receive_costs_no_attempt(kind: QueueKind) {
    survives_with(kind, Moment::AfterReceive, 1).await;
}

async fn f01_a_worker_killed_after_a_claim_costs_one_attempt(kind: QueueKind) {
    survives_with(kind, Moment::AfterClaim, 2).await;
}

async fn f01_a_worker_killed_during_a_render_costs_one_attempt(kind: QueueKind) {
    survives_with(kind, Moment::MidRender, 2).await;
}

async fn f01_a_worker_killed_before_its_commit_costs_one_attempt(kind: QueueKind) {
    survives_with(kind, Moment::BeforeCommit, 2).await;
}

// With PostgreSQL as the queue there is no delete: a job leaves the queue when it ends.

async fn f01_a_worker_killed_before_its_delete_costs_one_delivery(kind: QueueKind) {
    survives_with(kind, Moment::AfterCommit, 1).await;
}

async fn f01_a_worker_killed_during_its_delete_costs_nothing(kind: QueueKind) {
    survives_with(kind, Moment::DuringDelete, 1).await;
}

/// Pauses a worker. A broker ends a connection that is silent for long, and delivers its messages to others.
fn stop_for_long(worker: &Process) {
    worker.signal(Signal::SIGSTOP).unwrap();
    if let Some(broker) = &worker.broker {
        broker.disconnect();
    }
}

async fn f02_a_worker_paused_past_its_lease_gives_up_its_job(kind: QueueKind) {
    let system = system(kind).await;
    system.database.add_todos(20).await.unwrap();
    system.database.poison(Poison::Wait, 1).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let paused = system.start_worker(&[VISIBILITY_6S]).await.unwrap();
    let id = client.submit().await.unwrap();
    let started = system.database.wait_for_status(id, JobStatus::Started);
    started.await.unwrap();
    stop_for_long(&paused);
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

async fn f02_a_write_that_arrives_after_the_lease_is_refused_and_counted(kind: QueueKind) {
    let system = system(kind).await;
    system.database.add_todos(20).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let late = system.start_worker(&[VISIBILITY_6S]).await.unwrap();
    late.database.hold_request(COMPLETE);
    let id = client.submit().await.unwrap();
    late.database.wait_until_held(1).await.unwrap();
    stop_for_long(&late);
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
