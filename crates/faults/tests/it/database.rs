//! A database that closes connections, restarts, crashes, stalls, is slow or cannot be reached.

use std::time::{Duration, Instant};

use diesel::{Connection, PgConnection, RunQueryDsl};
use faults::client::Client;
use faults::cluster::{DurableCluster, Storage};
use faults::database::Database;
use faults::history::Outcome;
use faults::poison::Poison;
use faults::queue::{Queue, QueueKind};
use faults::sqs_proxy::{Fault, Rule, action};
use faults::system::System;
use local_services::testing::eventually;
use serde_json::json;
use shared_model::job::{JobId, JobStatus};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::{VISIBILITY_60S, assert_succeeded, finish, system, system_of};

/// Starts a client that requests calendars until `stop` is cancelled. The history records the outcomes.
fn keep_submitting(client: Client, stop: CancellationToken) -> JoinHandle<()> {
    tokio::spawn(async move {
        while !stop.is_cancelled() {
            // Any outcome is fine here; the checks read it from the history.
            let _ = client.try_submit(&json!({})).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
}

/// Counts the requests that got a 503.
fn count_refused(system: &System) -> usize {
    let exchanges = system.history.exchanges();
    let refused = exchanges
        .iter()
        .filter(|exchange| matches!(exchange.outcome, Outcome::Response { status: 503, .. }));
    refused.count()
}

async fn wait_until_accepted(system: &System, more: usize) {
    let before = system.history.accepted().len();
    eventually("more jobs are accepted", async || {
        system.history.accepted().len() >= before + more
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f17_terminated_connections_lose_no_job() {
    let system = system(QueueKind::Sqs).await;
    system.database.add_todos(20).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let slow = [("RENDER_DELAY", "200ms")];
    let workers = [
        system.start_worker(&slow).await.unwrap(),
        system.start_worker(&slow).await.unwrap(),
    ];
    let stop = CancellationToken::new();
    let submitting = keep_submitting(client, stop.clone());
    for _ in 0..5 {
        wait_until_accepted(&system, 5).await;
        let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name LIKE 'taskoverflow%'";
        system.database.execute(terminate).await.unwrap();
    }
    stop.cancel();
    submitting.await.unwrap();
    finish(&system, [api].into_iter().chain(workers)).await;
}

/// The statement of a worker that claims the jobs of delivered messages.
const CLAIM: &str = "SET status = 'STARTED'";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f17_jobs_whose_claim_was_committed_without_an_answer_run_once() {
    for kind in [QueueKind::Sqs, QueueKind::SqsFifo] {
        let system = system(kind).await;
        system.database.add_todos(20).await.unwrap();
        let (api, client) = system.start_api(&[]).await.unwrap();
        let worker = system.start_worker(&[VISIBILITY_60S]).await.unwrap();
        worker.database.hold_answer(CLAIM);
        let ids = client.submit_many(5).await.unwrap();
        worker.database.wait_until_held(1).await.unwrap();
        eventually("the claim is committed", async || {
            let started = "SELECT count(*) FROM calendar_jobs WHERE status = 'STARTED'";
            system.database.number(started).await.unwrap() > 0
        })
        .await;
        worker.database.disconnect();
        for id in ids {
            assert_succeeded(&system.database.wait_until_ended(id).await.unwrap(), 1);
        }
        let sqs = worker.sqs().unwrap();
        let received: Vec<u32> = sqs
            .calls_of(action::RECEIVE)
            .into_iter()
            .flat_map(|call| call.received)
            .map(|(_, count)| count)
            .collect();
        assert_eq!(received, [1; 5], "a message was delivered twice");
        finish(&system, [api, worker]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f17_a_database_restart_only_delays_jobs() {
    let create = || {
        (
            DurableCluster::start(Storage::Memory).unwrap(),
            Queue::create(QueueKind::Sqs).unwrap(),
        )
    };
    let (mut cluster, queue) = tokio::task::spawn_blocking(create).await.unwrap();
    let system = system_of(Database::new(cluster.url()).unwrap(), queue).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    let worker = system.start_worker(&[]).await.unwrap();
    let stop = CancellationToken::new();
    let submitting = keep_submitting(client, stop.clone());
    wait_until_accepted(&system, 10).await;
    let cluster = tokio::task::spawn_blocking(move || {
        cluster.restart().unwrap();
        cluster
    })
    .await
    .unwrap();
    wait_until_accepted(&system, 10).await;
    stop.cancel();
    submitting.await.unwrap();
    finish(&system, [api, worker]).await;
    tokio::task::spawn_blocking(move || drop(cluster))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn f17_an_exhausted_pool_causes_503_responses_and_recovers() {
    let system = system(QueueKind::Postgres).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    let worker = system.start_worker(&[]).await.unwrap();
    client.submit().await.unwrap();
    let url = system
        .database
        .url_through(system.database.port().unwrap())
        .unwrap();
    let (locked, release) = (
        tokio::sync::oneshot::channel(),
        std::sync::mpsc::channel::<()>(),
    );
    let (is_locked, may_release) = (locked.0, release.1);
    let holder = tokio::task::spawn_blocking(move || {
        let mut connection = PgConnection::establish(&url).unwrap();
        let held = connection.transaction(|connection| {
            diesel::sql_query("LOCK TABLE calendar_jobs IN ACCESS EXCLUSIVE MODE")
                .execute(connection)?;
            is_locked.send(()).unwrap();
            may_release.recv().unwrap();
            diesel::QueryResult::Ok(())
        });
        held.unwrap();
    });
    locked.1.await.unwrap();
    let requests: Vec<_> = (0..8)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.try_submit(&json!({})).await })
        })
        .collect();
    eventually("requests are refused", async || count_refused(&system) >= 4).await;
    release.0.send(()).unwrap();
    holder.await.unwrap();
    for request in requests {
        let status = request.await.unwrap().unwrap().status;
        assert!([202, 503].contains(&status), "{status}");
    }
    let id = client.submit().await.unwrap();
    client.wait_for(id, JobStatus::Success).await.unwrap();
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f17_a_slow_database_only_delays_jobs() {
    let system = system(QueueKind::Sqs).await;
    system.database.add_todos(20).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let worker = system.start_worker(&[VISIBILITY_60S]).await.unwrap();
    for process in [&api, &worker] {
        process.database.slow_down(Duration::from_millis(20));
    }
    for id in client.submit_many(8).await.unwrap() {
        assert_succeeded(&system.database.wait_until_ended(id).await.unwrap(), 1);
    }
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f17_a_database_that_stalls_past_the_lease_costs_an_attempt_but_no_worker() {
    let system = system(QueueKind::Sqs).await;
    system.database.add_todos(20).await.unwrap();
    system.database.poison(Poison::Wait, 1).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let worker = system.start_worker(&[]).await.unwrap();
    let ids = client.submit_many(4).await.unwrap();
    for id in &ids {
        client.wait_for(*id, JobStatus::Started).await.unwrap();
    }
    worker.database.stall();
    let mut stalled = Vec::new();
    for id in &ids {
        stalled.push(system.database.job(*id).await.unwrap().attempt);
    }
    eventually("every attempt is given up", async || {
        let lines = worker.logged("could not be renewed");
        let is_given_up = |id: &JobId| lines.iter().any(|line| line.contains(&id.to_string()));
        ids.iter().all(is_given_up)
    })
    .await;
    system.database.cure(Poison::Wait).await.unwrap();
    worker.heal();
    for (id, before) in ids.into_iter().zip(stalled) {
        let job = system.database.wait_until_ended(id).await.unwrap();
        assert_eq!(job.status, JobStatus::Success);
        // A claim that was waiting in the stalled connection is applied when the connection continues.
        assert!([before + 1, before + 2].contains(&job.attempt), "{job:?}");
    }
    finish(&system, [api, worker]).await;
}

/// Stalls the database for ten seconds while many clients request calendars.
async fn survives_a_stall_under_load(kind: QueueKind) {
    let system = system(kind).await;
    system.database.add_todos(20).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let (other_api, other_client) = system.start_api(&[]).await.unwrap();
    let workers = [
        system.start_worker(&[]).await.unwrap(),
        system.start_worker(&[]).await.unwrap(),
    ];
    let stop = CancellationToken::new();
    let submitting: Vec<_> = [client, other_client]
        .iter()
        .cycle()
        .take(16)
        .map(|client| keep_submitting(client.clone(), stop.clone()))
        .collect();
    wait_until_accepted(&system, 100).await;
    let processes: Vec<_> = [api, other_api].into_iter().chain(workers).collect();
    for process in &processes {
        process.database.stall();
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    for process in &processes {
        process.heal();
    }
    wait_until_accepted(&system, 100).await;
    stop.cancel();
    for client in submitting {
        client.await.unwrap();
    }
    finish(&system, processes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f36_a_database_that_stalls_for_ten_seconds_under_full_load_loses_and_doubles_nothing() {
    survives_a_stall_under_load(QueueKind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f36_a_database_that_stalls_for_ten_seconds_under_full_load_loses_and_doubles_nothing_with_sqs()
 {
    survives_a_stall_under_load(QueueKind::Sqs).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f18_a_worker_without_its_database_wastes_at_most_one_receive_per_message() {
    let system = system(QueueKind::Sqs).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    let worker = system.start_worker(&[VISIBILITY_60S]).await.unwrap();
    let sqs = worker.sqs().unwrap();
    let polled =
        |calls: &[faults::sqs_proxy::Call]| calls.iter().any(|call| call.action == action::RECEIVE);
    sqs.wait_until("a poll", polled).await.unwrap();
    worker.database.cut();
    let ids = client.submit_many(12).await.unwrap();
    // Long enough to receive the released messages again, if the worker polled.
    eventually(
        "the worker has tried to reach the database four times",
        async || {
            let attempts = worker.logged("the database does not answer").len();
            attempts >= 4
        },
    )
    .await;
    worker.heal();
    for id in ids {
        assert_succeeded(&system.database.wait_until_ended(id).await.unwrap(), 1);
    }
    let calls = sqs.calls_of(action::RECEIVE);
    let counts = calls
        .iter()
        .flat_map(|call| &call.received)
        .map(|(_, count)| *count);
    let most = counts.max().unwrap();
    assert!(most <= 2, "a message was received {most} times");
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f18_a_worker_without_sqs_stores_its_result_and_wastes_one_receive() {
    let system = system(QueueKind::Sqs).await;
    system.database.poison(Poison::Wait, 1).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let cut = system.start_worker(&[("VISIBILITY_TIMEOUT", "8s")]).await;
    let cut = cut.unwrap();
    let id = client.submit().await.unwrap();
    let started = system.database.wait_for_status(id, JobStatus::Started);
    started.await.unwrap();
    cut.sqs()
        .unwrap()
        .add(Rule::on_every_call(Fault::Disconnect));
    system.database.cure(Poison::Wait).await.unwrap();
    let done = system.database.wait_until_ended(id).await.unwrap();
    assert_succeeded(&done, 1);
    let other = system.start_worker(&[]).await.unwrap();
    let other_sqs = other.sqs().unwrap();
    other_sqs
        .wait_until("the second receive of the message", |calls| {
            calls
                .iter()
                .any(|call| call.received.iter().any(|(_, count)| *count == 2))
        })
        .await
        .unwrap();
    system.drain().await.unwrap();
    assert_eq!(system.database.job(id).await.unwrap(), done);
    finish(&system, [api, cut, other]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f27_a_database_crash_during_requests_loses_no_accepted_job() {
    let create = || {
        (
            DurableCluster::start(Storage::Memory).unwrap(),
            Queue::create(QueueKind::Postgres).unwrap(),
        )
    };
    let (mut cluster, queue) = tokio::task::spawn_blocking(create).await.unwrap();
    let system = system_of(Database::new(cluster.url()).unwrap(), queue).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    let (other_api, other_client) = system.start_api(&[]).await.unwrap();
    let worker = system.start_worker(&[]).await.unwrap();
    let stop = CancellationToken::new();
    let submitting = [&client, &other_client, &client]
        .map(|client| keep_submitting(client.clone(), stop.clone()));
    for _ in 0..3 {
        wait_until_accepted(&system, 20).await;
        cluster = tokio::task::spawn_blocking(move || {
            cluster.crash().unwrap();
            cluster
        })
        .await
        .unwrap();
    }
    wait_until_accepted(&system, 20).await;
    stop.cancel();
    for client in submitting {
        client.await.unwrap();
    }
    let accepted: Vec<JobId> = system.history.accepted().into_iter().collect();
    let began = Instant::now();
    for id in accepted {
        system.database.job(id).await.unwrap();
    }
    assert!(began.elapsed() < Duration::from_secs(30));
    finish(&system, [api, other_api, worker]).await;
    tokio::task::spawn_blocking(move || drop(cluster))
        .await
        .unwrap();
}
