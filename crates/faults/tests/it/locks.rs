//! Other sessions of the database that lock a job's row, hold a snapshot, or do not read their notifications.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use faults::database::Session;
use faults::process::Process;
use faults::queue::{Queue, QueueKind};
use faults::system::System;
use local_services::testing::{TIMEOUT, eventually};
use nix::sys::signal::Signal;
use shared_model::job::{JobId, JobStatus};
use shared_model::listener::{JOB_CHANGED, JOB_DUE};

use crate::support::{
    VISIBILITY_6S, VISIBILITY_60S, assert_succeeded, finish, system, system_with,
};

async fn lock(system: &System, id: JobId) -> Session {
    let lock = format!("SELECT FROM calendar_jobs WHERE id = '{id}' FOR UPDATE");
    let locked = Session::open(&system.database, ["BEGIN".to_owned(), lock]);
    locked.await.unwrap()
}

/// Locks the row of a running job for longer than its lease.
async fn delays_only_its_own_job_while_it_runs(kind: QueueKind) {
    let system = system(kind).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    // Longer than the lease, so each claim has to be renewed.
    let settings = [
        VISIBILITY_6S,
        ("RENDER_DELAY", "8s"),
        ("WORKER_CONCURRENCY", "8"),
        ("DATABASE_POOL", "12"),
    ];
    let worker = system.start_worker(&settings).await.unwrap();
    let mut ids = client.submit_many(3).await.unwrap();
    for id in &ids {
        let started = system.database.wait_for_status(*id, JobStatus::Started);
        started.await.unwrap();
    }
    let locked = ids.remove(1);
    let session = lock(&system, locked).await;
    ids.extend(client.submit_many(3).await.unwrap());
    for id in ids {
        assert_succeeded(&system.database.wait_until_ended(id).await.unwrap(), 1);
    }
    let status = system.database.job(locked).await.unwrap().status;
    assert_eq!(status, JobStatus::Started);
    drop(session);
    let job = system.database.wait_until_ended(locked).await.unwrap();
    assert_eq!(job.status, JobStatus::Success, "{job:?}");
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f32_a_locked_row_of_a_running_job_delays_no_other_job() {
    delays_only_its_own_job_while_it_runs(QueueKind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f32_a_locked_row_of_a_running_job_delays_no_other_job_with_sqs() {
    delays_only_its_own_job_while_it_runs(QueueKind::Sqs).await;
}

/// Locks the row of a job that waits to be claimed, for five times its lease. The queue moves a message to the dead-letter queue after six
/// receives.
async fn delays_only_its_own_job_while_it_waits(kind: QueueKind) {
    let system = system_with(move || Queue::create_with(kind, 6).unwrap()).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    let mut ids = client.submit_many(8).await.unwrap();
    let locked = ids.remove(0);
    let session = lock(&system, locked).await;
    let locked_at = Instant::now();
    let worker = system.start_worker(&[]).await.unwrap();
    for id in ids {
        assert_succeeded(&system.database.wait_until_ended(id).await.unwrap(), 1);
    }
    tokio::time::sleep_until((locked_at + Duration::from_secs(10)).into()).await;
    let later = client.submit().await.unwrap();
    assert_succeeded(&system.database.wait_until_ended(later).await.unwrap(), 1);
    let status = system.database.job(locked).await.unwrap().status;
    assert_eq!(status, JobStatus::Pending);
    drop(session);
    assert_succeeded(&system.database.wait_until_ended(locked).await.unwrap(), 1);
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f32_a_locked_row_of_a_waiting_job_delays_no_other_job_and_costs_no_attempt() {
    delays_only_its_own_job_while_it_waits(QueueKind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f32_a_locked_row_of_a_waiting_job_delays_no_other_job_and_costs_no_attempt_with_sqs() {
    delays_only_its_own_job_while_it_waits(QueueKind::Sqs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f33_listeners_that_never_read_their_notifications_disturb_nobody() {
    const JOBS: usize = 300;
    let system = system(QueueKind::Postgres).await;
    let (paused, _) = system.start_api(&[]).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let worker = system.start_worker(&[VISIBILITY_60S]).await.unwrap();
    // One process that is stopped, and one session that never ends its transaction, so that the server has to keep
    // every notification for it.
    paused.signal(Signal::SIGSTOP).unwrap();
    let listens = [JOB_CHANGED, JOB_DUE].map(|channel| format!("LISTEN {channel}"));
    let stuck = listens
        .into_iter()
        .chain(["BEGIN".to_owned(), "SELECT 1".to_owned()]);
    let stuck = Session::open(&system.database, stuck).await.unwrap();
    for id in client.submit_concurrently(JOBS).await.unwrap() {
        client.wait_for(id, JobStatus::Success).await.unwrap();
    }
    let kept = "SELECT 1000000 * pg_notification_queue_usage()";
    let kept = system.database.number(kept).await.unwrap();
    // A millionth of the queue is one page. A notification takes about 100 bytes, and a job has three states.
    assert!(kept <= 50, "{kept} pages of notifications");
    drop(stuck);
    paused.signal(Signal::SIGCONT).unwrap();
    let after = system.client(&paused).await.unwrap();
    let id = after.submit().await.unwrap();
    after.wait_for(id, JobStatus::Success).await.unwrap();
    finish(&system, [paused, api, worker]).await;
}

/// Returns how many pages of the jobs' table and its indexes have been visited.
async fn visited_pages(system: &System) -> i64 {
    let pages = "SELECT heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit
                 FROM pg_statio_user_tables WHERE relname = 'calendar_jobs'";
    system.database.number(pages).await.unwrap()
}

/// Inserts and deletes jobs that are older than all others.
async fn leave_dead_rows(system: &System, count: i64) {
    let statements = format!(
        "-- without triggers
         SET session_replication_role = replica;
         INSERT INTO calendar_jobs (id, request, expiry, expires_at)
             SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, '{{}}', '1 h', now() + interval '1 h'
             FROM generate_series(1, {count}) AS n;
         DELETE FROM calendar_jobs;
         RESET session_replication_role;
         SELECT pg_stat_force_next_flush()"
    );
    let run = system
        .database
        .run(move |connection| Ok(connection.batch_execute(&statements)?));
    run.await.unwrap();
}

/// Stops the worker. The server counts all that its sessions have done when they end.
async fn stop(system: &System, worker: Process) {
    worker.signal(Signal::SIGTERM).unwrap();
    assert!(worker.wait(TIMEOUT).await.unwrap().success());
    drop(worker);
    eventually("the worker's sessions have ended", async || {
        let sessions = "SELECT count(*) FROM pg_stat_activity
                        WHERE datname = current_database() AND application_name LIKE 'taskoverflow-worker%'";
        system.database.number(sessions).await.unwrap() == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f34_a_long_snapshot_does_not_make_each_claim_visit_the_jobs_that_ended_since() {
    const ENDED: i64 = 300_000;
    const JOBS: i64 = 100;
    let system = system(QueueKind::Postgres).await;
    let hold = ["BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT FROM todos"];
    let snapshot = Session::open(&system.database, hold).await.unwrap();
    leave_dead_rows(&system, ENDED).await;
    let (api, client) = system.start_api(&[("SWEEP_INTERVAL", "1h")]).await.unwrap();
    let before = visited_pages(&system).await;
    let worker = system.start_worker(&[]).await.unwrap();
    let began = Instant::now();
    for _ in 0..JOBS {
        let id = client.submit().await.unwrap();
        client.wait_for(id, JobStatus::Success).await.unwrap();
    }
    stop(&system, worker).await;
    let seconds = i64::try_from(began.elapsed().as_secs()).unwrap();
    let visited = visited_pages(&system).await - before;
    // A worker may look at all jobs a few times a second, in case it has missed one.
    let full_looks = (3 + 4 * seconds) * ENDED;
    assert!(
        visited <= full_looks + JOBS * 200,
        "{visited} pages for {JOBS} jobs in {seconds} s"
    );
    drop(snapshot);
    finish(&system, [api]).await;
}
