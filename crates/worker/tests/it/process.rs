//! The process: its settings, its admin endpoint and its signals. How long a shutdown takes is tested in
//! `paused_clock`.

use std::process::Command;

use diesel::{Connection, PgConnection};
use local_services::postgres::Cluster;
use local_services::testing::{eventually, login};
use nix::sys::signal::Signal;
use shared_model::job::{CalendarRequest, JobStatus};
use shared_model::migrations;

use crate::support::{Database, Worker};

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_lets_running_jobs_finish_and_starts_no_others() {
    let database = Database::new();
    let running = database.accept(CalendarRequest::default()).await;
    let todos = database.lock_todos();
    // one slot is free
    let mut worker = Worker::start(&database, "postgres:", &[("WORKER_CONCURRENCY", "2")]);
    // A job is claimed a moment before its attempt begins, and a worker that drains begins no attempt.
    database.wait_until_a_read_is_blocked().await;
    worker.signal(Signal::SIGTERM);
    worker.wait_for_log("draining");
    let late = database.accept(CalendarRequest::default()).await;
    drop(todos);
    assert!(worker.wait().success(), "{:#?}", worker.seen);
    let job = database.find(running).await;
    assert_eq!((job.status, job.attempt), (JobStatus::Success, 1));
    let job = database.find(late).await;
    assert_eq!((job.status, job.attempt), (JobStatus::Pending, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_the_process_and_another_worker_does_its_job() {
    let database = Database::new();
    let id = database.accept(CalendarRequest::default()).await;
    let settings = [("RENDER_DELAY", "9m"), ("DRAIN_TIMEOUT", "9m")];
    let todos = database.lock_todos();
    let mut worker = Worker::start(&database, "postgres:", &settings);
    // A job is claimed a moment before its attempt begins, and a worker that drains begins no attempt.
    database.wait_until_a_read_is_blocked().await;
    drop(todos);
    worker.signal(Signal::SIGTERM);
    worker.wait_for_log("draining");
    worker.signal(Signal::SIGTERM);
    assert!(worker.wait().success(), "{:#?}", worker.seen);

    let _other = Worker::start(&database, "postgres:", &[]);
    let job = database.wait_until_ended(id).await;
    assert_eq!((job.status, job.attempt), (JobStatus::Success, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_ends_after_the_drain_timeout() {
    let database = Database::new();
    database.accept(CalendarRequest::default()).await;
    let settings = [("RENDER_DELAY", "9m"), ("DRAIN_TIMEOUT", "200ms")];
    let todos = database.lock_todos();
    let mut worker = Worker::start(&database, "postgres:", &settings);
    // A job is claimed a moment before its attempt begins, and a worker that drains begins no attempt.
    database.wait_until_a_read_is_blocked().await;
    drop(todos);
    worker.signal(Signal::SIGINT);
    worker.wait_for_log("DRAIN_TIMEOUT has passed");
    assert!(worker.wait().success(), "{:#?}", worker.seen);
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_a_worker_that_waits_for_the_database() {
    let database = Database {
        url: "postgres://nobody@127.0.0.1:1/nothing".to_owned(),
        ..Database::new()
    };
    let mut worker = Worker::start(&database, "postgres:", &[]);
    worker.wait_for_log("waiting for it");
    worker.signal(Signal::SIGTERM);
    assert!(worker.wait().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_endpoint_shows_the_state_of_the_worker() {
    let database = Database::new();
    let id = database.accept(CalendarRequest::default()).await;
    let mut worker = Worker::start(&database, "postgres:", &[]);
    let addr = worker.admin_addr();
    database.wait_until_ended(id).await;
    let get = async |path: &str| {
        let answer = reqwest::get(format!("http://{addr}{path}")).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(get("/livez").await.0, 200);
    let (status, ready) = get("/readyz").await;
    assert_eq!(status, 200, "{ready}");
    assert!(
        ready.contains(r#""database":"ok""#) && !ready.contains("postgres://"),
        "{ready}"
    );
    eventually("the delivery is counted", async || {
        let (status, metrics) = get("/metrics").await;
        assert_eq!(status, 200);
        metrics.contains(r#"worker_deliveries_total{outcome="succeeded"} 1"#)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_has_been_ready_has_started_even_if_its_database_goes_away() {
    let mut cluster = Cluster::ephemeral().unwrap();
    let database = Database {
        url: cluster.url(),
        ..Database::new()
    };
    let mut worker = Worker::start(&database, "postgres:", &[]);
    let addr = worker.admin_addr();
    let get = async |path: &str| {
        let answer = reqwest::get(format!("http://{addr}{path}")).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    // there are no tables
    let (status, body) = get("/startedz").await;
    assert_eq!(status, 503, "{body}");
    migrations::run_for(&mut PgConnection::establish(&cluster.url()).unwrap(), &[]).unwrap();
    eventually("the worker has started", async || {
        get("/startedz").await.0 == 200
    })
    .await;

    cluster.stop_immediately().unwrap();
    eventually("the worker is not ready", async || {
        get("/readyz").await.0 == 503
    })
    .await;
    let (status, body) = get("/startedz").await;
    assert_eq!(status, 200, "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_password_was_replaced_is_to_be_replaced_too() {
    let database = Database::new();
    database
        .execute("CREATE ROLE replaced LOGIN SUPERUSER PASSWORD 'first'")
        .await;
    let database = Database {
        url: login(&database.owner, "replaced", "first"),
        ..database
    };
    let mut worker = Worker::start(&database, "postgres:", &[]);
    let addr = worker.admin_addr();
    let started = async || {
        let answer = reqwest::get(format!("http://{addr}/startedz")).await;
        answer.unwrap().status().as_u16()
    };
    eventually("the worker has started", async || started().await == 200).await;

    database
        .execute("ALTER ROLE replaced PASSWORD 'second'")
        .await;
    database
        .execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'replaced'",
        )
        .await;
    eventually("an orchestrator replaces the worker", async || {
        started().await == 503
    })
    .await;
}

/// Starts a worker whose settings are invalid, and returns what it prints.
fn refused(settings: &[(&str, &str)]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_taskoverflow-worker"))
        .env_clear()
        .envs(settings.iter().copied())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn every_invalid_setting_is_reported_in_one_run() {
    let message = refused(&[
        ("DATABASE_URL", "mysql://x/y"),
        ("QUEUE_URL", "redis://x"),
        ("VISIBILITY_TIMEOUT", "soon"),
        ("MAX_ATTEMPTS", "0"),
    ]);
    for name in [
        "DATABASE_URL",
        "QUEUE_URL",
        "VISIBILITY_TIMEOUT",
        "MAX_ATTEMPTS",
    ] {
        assert!(message.contains(name), "{name} is not named in {message}");
    }
}

#[test]
fn missing_settings_are_reported() {
    let message = refused(&[("DATABASE_URL", ""), ("QUEUE_URL", "")]);
    assert!(
        message.contains("--queue-url") && message.contains("--database-url"),
        "{message}"
    );
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let message = refused(&[
        ("DATABASE_URL", "postgres://x/y"),
        ("QUEUE_URL", "postgres:"),
        ("QUEUE_GROUP", "all"),
        ("DATABASE_POOL", "3"),
        ("RECEIVE_WAIT", "21s"),
    ]);
    for name in ["QUEUE_GROUP", "DATABASE_POOL", "RECEIVE_WAIT"] {
        assert!(message.contains(name), "{name} is not named in {message}");
    }
}

#[test]
fn polls_that_do_not_wait_are_refused() {
    let message = refused(&[
        ("DATABASE_URL", "postgres://x/y"),
        ("QUEUE_URL", "sqs://ical"),
        ("RECEIVE_WAIT", "0s"),
    ]);
    assert!(
        message.contains("RECEIVE_WAIT must be at least 1s"),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_ends_the_process_with_code_2() {
    let mut database = Database::new();
    let (user, rest) = database.url.rsplit_once('@').unwrap();
    let (user, _) = user.rsplit_once(':').unwrap();
    database.url = format!("{user}:wrong@{rest}");
    let mut worker = Worker::start(&database, "postgres:", &[]);
    assert_eq!(worker.wait().code(), Some(2));
    assert!(
        worker.seen.iter().any(|line| line.contains("DATABASE_URL")),
        "{:#?}",
        worker.seen
    );
    assert!(!worker.seen.concat().contains(":wrong@"));
}
