//! Jobs that two workers died over: they run in a process of their own.

use std::fs;

use local_services::testing::eventually;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use shared_model::job::{CalendarRequest, ErrorCode, JobId, JobStatus};
use shared_model::job_store::requests;

use crate::support::{Database, Worker};

const LONG_BACKOFF_IS_OVER: &str =
    "UPDATE calendar_jobs SET retry_at = now() WHERE status = 'RETRY'";

/// Stores a job that two workers have died over.
async fn suspect(database: &Database) -> JobId {
    let id = database.accept(CalendarRequest::default()).await;
    database
        .execute(&format!(
            "UPDATE calendar_jobs SET status = 'STARTED', attempt = 2, claim = gen_random_uuid(),
                 lease_until = now() - interval '1 s' WHERE id = '{id}'"
        ))
        .await;
    id
}

/// Returns the processes that a process has started.
fn children(parent: u32) -> Vec<i32> {
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let name = entry.unwrap().file_name();
        name.to_str()?.parse::<i32>().ok()
    });
    let is_child = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        // a zombie is waiting to be reaped
        matches!(fields.as_slice(), [state, ppid, ..] if *state != "Z" && *ppid == parent.to_string())
    };
    pids.filter(is_child).collect()
}

/// Waits until the worker runs an attempt in a process of its own, and returns the process.
async fn wait_for_process(worker: &Worker) -> i32 {
    let mut processes = Vec::new();
    eventually("the attempt runs in a process of its own", async || {
        processes = children(worker.pid());
        !processes.is_empty()
    })
    .await;
    assert_eq!(processes.len(), 1);
    processes[0]
}

async fn wait_until_gone(pid: i32) {
    eventually("the process has ended", async || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_jobs_complete_while_a_suspect_runs_in_a_process_of_its_own() {
    let database = Database::new();
    database.add_todos(10).await;
    let suspect = suspect(&database).await;
    // all results of the suspect's size wait: the others are empty calendars
    let blocked = database.block_results(1000).await;
    let worker = Worker::start(&database, "postgres:", &[]);
    database.wait_until_a_result_is_blocked().await;
    wait_for_process(&worker).await;
    let nothing = CalendarRequest {
        filter: shared_model::todo::TodoFilter {
            completed: None,
            window: Some(-36_000),
        },
        ..CalendarRequest::default()
    };
    for _ in 0..3 {
        let other = database.accept(nothing.clone()).await;
        let job = database.wait_until_ended(other).await;
        assert_eq!((job.status, job.attempt), (JobStatus::Success, 1));
    }
    drop(blocked);
    let job = database.wait_until_ended(suspect).await;
    assert_eq!((job.status, job.attempt), (JobStatus::Success, 3));
    let calendar = database.calendar(suspect).await.unwrap();
    assert_eq!(calendar.matches("BEGIN:VEVENT").count(), 9);
}

/// If they waited with their claims, they would lose their attempts when the worker dies.
#[tokio::test(flavor = "multi_thread")]
async fn suspects_that_wait_for_a_process_hold_no_claim_and_have_lost_no_attempt() {
    let database = Database::new();
    let mut suspects = Vec::new();
    for _ in 0..6 {
        suspects.push(suspect(&database).await);
    }
    let todos = database.lock_todos();
    let worker = Worker::start(&database, "postgres:", &[]);
    eventually("four run and the others wait", async || {
        let mut states = Vec::new();
        for id in &suspects {
            let job = database.find(*id).await;
            states.push((job.status, job.attempt));
        }
        let count = |state| states.iter().filter(|other| **other == state).count();
        count((JobStatus::Started, 3)) == 4 && count((JobStatus::Retry, 2)) == 2
    })
    .await;
    assert_eq!(children(worker.pid()).len(), 4);
    drop(todos);
    for id in suspects {
        let job = database.wait_until_ended(id).await;
        assert_eq!((job.status, job.attempt), (JobStatus::Success, 3));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_crash_of_the_process_costs_an_attempt_and_never_harms_the_worker() {
    let database = Database::new();
    let suspect = suspect(&database).await;
    let _todos = database.lock_todos();
    let mut worker = Worker::start(&database, "postgres:", &[("MAX_ATTEMPTS", "4")]);
    for attempt in [3, 4] {
        let job = database
            .wait_for(suspect, |job| {
                job.status == JobStatus::Started && job.attempt == attempt
            })
            .await;
        assert_eq!(job.error.is_some(), attempt == 4);
        let process = wait_for_process(&worker).await;
        kill(Pid::from_raw(process), Signal::SIGKILL).unwrap();
        wait_until_gone(process).await;
        database
            .wait_for(suspect, |job| job.status != JobStatus::Started)
            .await;
        database.execute(LONG_BACKOFF_IS_OVER).await;
    }
    let job = database.find(suspect).await;
    let error = job.error.unwrap();
    assert_eq!((job.status, job.attempt), (JobStatus::Failure, 4));
    assert_eq!(
        (error.code, error.cause),
        (ErrorCode::AttemptsExhausted, Some(ErrorCode::WorkerStopped))
    );
    worker.signal(Signal::SIGTERM);
    assert!(worker.wait().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_a_job_kills_the_process_of_its_attempt() {
    let database = Database::new();
    let suspect = suspect(&database).await;
    let _todos = database.lock_todos();
    let worker = Worker::start(&database, "postgres:", &[]);
    let process = wait_for_process(&worker).await;
    let cancelled = database
        .pool
        .run(move |connection| requests::cancel(connection, suspect));
    cancelled.await.unwrap();
    let job = database.wait_until_ended(suspect).await;
    assert_eq!(job.status, JobStatus::Revoked);
    wait_until_gone(process).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_times_out_is_killed_with_its_process() {
    let database = Database::new();
    let suspect = suspect(&database).await;
    let _todos = database.lock_todos();
    let settings = [("JOB_TIMEOUT", "2s"), ("MAX_ATTEMPTS", "3")];
    let worker = Worker::start(&database, "postgres:", &settings);
    let process = wait_for_process(&worker).await;
    let job = database.wait_until_ended(suspect).await;
    let error = job.error.unwrap();
    assert_eq!((job.status, job.attempt), (JobStatus::Failure, 3));
    assert_eq!(error.cause, Some(ErrorCode::Timeout));
    wait_until_gone(process).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_process_of_an_attempt_ends_with_its_worker() {
    let database = Database::new();
    suspect(&database).await;
    let _todos = database.lock_todos();
    let worker = Worker::start(&database, "postgres:", &[]);
    let process = wait_for_process(&worker).await;
    worker.signal(Signal::SIGKILL);
    wait_until_gone(process).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_to_all_processes_lets_an_isolated_attempt_finish() {
    let database = Database::new();
    let suspect = suspect(&database).await;
    let todos = database.lock_todos();
    let mut worker = Worker::start(&database, "postgres:", &[]);
    let process = wait_for_process(&worker).await;
    database.wait_until_a_read_is_blocked().await;
    kill(Pid::from_raw(process), Signal::SIGTERM).unwrap();
    worker.signal(Signal::SIGTERM);
    worker.wait_for_log("draining");
    drop(todos);
    assert!(worker.wait().success());
    let job = database.find(suspect).await;
    assert_eq!((job.status, job.attempt), (JobStatus::Success, 3));
}
