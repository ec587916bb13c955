//! A database that cuts connections, restarts, crashes, is full, slow or out of reach.

use std::time::{Duration, Instant};

use diesel::{Connection, PgConnection, RunQueryDsl};
use faults::client::Client;
use faults::cluster::DurableCluster;
use faults::database::Database;
use faults::history::Told;
use faults::poison::Poison;
use faults::queue::{Queue, QueueKind};
use faults::sqs_proxy::{Fault, Rule, action};
use faults::system::System;
use local_services::testing::eventually;
use serde_json::json;
use shared_model::job::{JobId, JobStatus};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::{UNHURRIED, assert_done, finish, system, system_of};

/// A client that asks again and again until it is told to stop. The history keeps what it was told.
fn keep_asking(client: Client, stop: CancellationToken) -> JoinHandle<()> {
    tokio::spawn(async move {
        while !stop.is_cancelled() {
            // refused, unanswered or promised: all the same to this one
            let _ = client.ask_for_any(&json!({})).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
}

/// How many requests got a promise, a refusal, and no answer.
fn tally(system: &System) -> (usize, usize, usize) {
    let (mut promised, mut refused, mut unanswered) = (0, 0, 0);
    for exchange in system.history.exchanges() {
        match exchange.told {
            Told::Answer { status: 202, .. } => promised += 1,
            Told::Answer { status: 503, .. } => refused += 1,
            Told::Answer { .. } => {}
            Told::Nothing(_) => unanswered += 1,
        }
    }
    (promised, refused, unanswered)
}

async fn wait_until_promised(system: &System, more: usize) {
    let before = system.history.accepted().len();
    eventually("more jobs are promised", async || {
        system.history.accepted().len() >= before + more
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f17_connections_that_are_terminated_lose_no_job() {
    let system = system(QueueKind::Sqs).await;
    system.database.add_todos(20).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let slow = [("RENDER_DELAY", "200ms")];
    let workers = [
        system.start_worker(&slow).await.unwrap(),
        system.start_worker(&slow).await.unwrap(),
    ];
    let stop = CancellationToken::new();
    let asking = keep_asking(client, stop.clone());
    for _ in 0..5 {
        wait_until_promised(&system, 5).await;
        let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name LIKE 'taskoverflow%'";
        system.database.execute(terminate).await.unwrap();
    }
    stop.cancel();
    asking.await.unwrap();
    finish(&system, [api].into_iter().chain(workers)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f17_a_restart_of_the_database_is_a_pause() {
    let made = || {
        (
            DurableCluster::start().unwrap(),
            Queue::create(QueueKind::Sqs).unwrap(),
        )
    };
    let (mut cluster, queue) = tokio::task::spawn_blocking(made).await.unwrap();
    let system = system_of(Database::new(cluster.url()).unwrap(), queue);
    let (api, client) = system.start_api(&[]).await.unwrap();
    let worker = system.start_worker(&[]).await.unwrap();
    let stop = CancellationToken::new();
    let asking = keep_asking(client, stop.clone());
    wait_until_promised(&system, 10).await;
    let cluster = tokio::task::spawn_blocking(move || {
        cluster.restart().unwrap();
        cluster
    })
    .await
    .unwrap();
    wait_until_promised(&system, 10).await;
    stop.cancel();
    asking.await.unwrap();
    finish(&system, [api, worker]).await;
    tokio::task::spawn_blocking(move || drop(cluster))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn f17_a_pool_without_a_free_connection_answers_503_and_recovers() {
    let system = system(QueueKind::Postgres).await;
    let (api, client) = system.start_api(&[("DATABASE_POOL", "2")]).await.unwrap();
    let worker = system.start_worker(&[]).await.unwrap();
    client.ask().await.unwrap();
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
    let asking: Vec<_> = (0..8)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.ask_for_any(&json!({})).await })
        })
        .collect();
    eventually("requests are refused", async || tally(&system).1 >= 4).await;
    release.0.send(()).unwrap();
    holder.await.unwrap();
    for asked in asking {
        let status = asked.await.unwrap().unwrap().status;
        assert!([202, 503].contains(&status), "{status}");
    }
    let id = client.ask().await.unwrap();
    client.wait_for(id, JobStatus::Success).await.unwrap();
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f17_a_slow_database_costs_time_and_nothing_else() {
    let system = system(QueueKind::Sqs).await;
    system.database.add_todos(20).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let worker = system.start_worker(&[UNHURRIED]).await.unwrap();
    for process in [&api, &worker] {
        process.database.slow_down(Duration::from_millis(20));
    }
    for id in client.ask_many(8).await.unwrap() {
        assert_done(&system.database.wait_until_ended(id).await.unwrap(), 1);
    }
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f17_a_database_that_stalls_for_longer_than_a_lease_costs_an_attempt_and_no_worker() {
    let system = system(QueueKind::Sqs).await;
    system.database.add_todos(20).await.unwrap();
    system.database.poison(Poison::Wait, 1).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let worker = system.start_worker(&[]).await.unwrap();
    let ids = client.ask_many(4).await.unwrap();
    for id in &ids {
        client.wait_for(*id, JobStatus::Started).await.unwrap();
    }
    worker.database.stall();
    eventually("every job is given up", async || {
        let lines = worker.logged("could not be renewed");
        let is_given_up = |id: &JobId| lines.iter().any(|line| line.contains(&id.to_string()));
        ids.iter().all(is_given_up)
    })
    .await;
    system.database.cure(Poison::Wait).await.unwrap();
    worker.heal();
    for id in ids {
        let job = system.database.wait_until_ended(id).await.unwrap();
        assert_eq!(job.status, JobStatus::Success);
        // a claim that stood in the stalled connection is made all the same when it flows again
        assert!([2, 3].contains(&job.attempt), "{job:?}");
    }
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f18_a_worker_cut_from_the_database_burns_one_receive_a_message() {
    let system = system(QueueKind::Sqs).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    let worker = system.start_worker(&[UNHURRIED]).await.unwrap();
    let sqs = worker.sqs().unwrap();
    let polled =
        |calls: &[faults::sqs_proxy::Call]| calls.iter().any(|call| call.action == action::RECEIVE);
    sqs.wait_until("a poll", polled).await.unwrap();
    worker.database.cut();
    let ids = client.ask_many(12).await.unwrap();
    // long enough for what was given back to come again, if it were asked for
    eventually("the worker has looked for the database often", async || {
        let looks = worker.logged("the database does not answer").len();
        looks >= 4
    })
    .await;
    worker.heal();
    for id in ids {
        assert_done(&system.database.wait_until_ended(id).await.unwrap(), 1);
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
async fn f18_a_worker_cut_from_sqs_stores_what_it_has_and_burns_one_receive() {
    let system = system(QueueKind::Sqs).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    let cut = system
        .start_worker(&[("VISIBILITY_TIMEOUT", "8s"), ("RENDER_DELAY", "2s")])
        .await
        .unwrap();
    let id = client.ask().await.unwrap();
    let started = system.database.wait_for_status(id, JobStatus::Started);
    started.await.unwrap();
    cut.sqs().unwrap().add(Rule::always(Fault::Disconnect));
    let done = system.database.wait_until_ended(id).await.unwrap();
    assert_done(&done, 1);
    let other = system.start_worker(&[]).await.unwrap();
    let other_sqs = other.sqs().unwrap();
    other_sqs
        .wait_until("the message again", |calls| {
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
async fn f27_a_database_that_crashes_under_requests_loses_no_promise() {
    let made = || {
        (
            DurableCluster::start().unwrap(),
            Queue::create(QueueKind::Postgres).unwrap(),
        )
    };
    let (mut cluster, queue) = tokio::task::spawn_blocking(made).await.unwrap();
    let system = system_of(Database::new(cluster.url()).unwrap(), queue);
    let (api, client) = system.start_api(&[]).await.unwrap();
    let (other_api, other_client) = system.start_api(&[]).await.unwrap();
    let worker = system.start_worker(&[]).await.unwrap();
    let stop = CancellationToken::new();
    let asking =
        [&client, &other_client, &client].map(|client| keep_asking(client.clone(), stop.clone()));
    for _ in 0..3 {
        wait_until_promised(&system, 20).await;
        cluster = tokio::task::spawn_blocking(move || {
            cluster.crash().unwrap();
            cluster
        })
        .await
        .unwrap();
    }
    wait_until_promised(&system, 20).await;
    stop.cancel();
    for asked in asking {
        asked.await.unwrap();
    }
    let promised: Vec<JobId> = system.history.accepted().into_iter().collect();
    let began = Instant::now();
    for id in promised {
        system.database.job(id).await.unwrap();
    }
    assert!(began.elapsed() < Duration::from_secs(30));
    finish(&system, [api, other_api, worker]).await;
    tokio::task::spawn_blocking(move || drop(cluster))
        .await
        .unwrap();
}
