//! The process: its settings, its admin endpoint, and how it goes down.

use std::process::Command;
use std::time::{Duration, Instant};

use local_services::testing::eventually;
use nix::sys::signal::Signal;
use shared_model::job::{CalendarRequest, ErrorCode, JobStatus};

use crate::support::{Database, Worker, in_one_of_three_tries};

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_lets_running_jobs_finish_and_begins_no_other() {
    let database = Database::new();
    let running = database.accept_many(2).await;
    let mut worker = Worker::start(
        &database,
        "postgres:",
        &[("RENDER_DELAY", "5s"), ("WORKER_CONCURRENCY", "2")],
    );
    for id in &running {
        database
            .wait_for(*id, |job| job.status == JobStatus::Started)
            .await;
    }
    worker.signal(Signal::SIGTERM);
    worker.wait_for_log("draining");
    let late = database.accept(CalendarRequest::default()).await;
    assert!(worker.wait().success(), "{:#?}", worker.seen);
    for id in running {
        let job = database.find(id).await;
        assert_eq!((job.status, job.attempt), (JobStatus::Success, 1));
    }
    let job = database.find(late).await;
    assert_eq!((job.status, job.attempt), (JobStatus::Pending, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_gives_everything_back_within_two_seconds() {
    in_one_of_three_tries(async || {
        let database = Database::new();
        let id = database.accept(CalendarRequest::default()).await;
        let mut worker = Worker::start(&database, "postgres:", &[("RENDER_DELAY", "9m")]);
        database
            .wait_for(id, |job| job.status == JobStatus::Started)
            .await;
        worker.signal(Signal::SIGTERM);
        worker.wait_for_log("draining");
        worker.signal(Signal::SIGTERM);
        let hurried = Instant::now();
        assert!(worker.wait().success());
        let took = hurried.elapsed();
        let job = database.find(id).await;
        if took >= Duration::from_secs(2) || job.status != JobStatus::Retry {
            return Err(format!("it took {took:?} and left {job:?}"));
        }
        assert_eq!(job.error.unwrap().code, ErrorCode::WorkerStopped);

        let _heir = Worker::start(&database, "postgres:", &[]);
        assert_eq!(
            database.wait_until_ended(id).await.status,
            JobStatus::Success
        );
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_finish_within_the_drain_timeout_is_given_back() {
    in_one_of_three_tries(async || {
        let database = Database::new();
        let id = database.accept(CalendarRequest::default()).await;
        let mut worker = Worker::start(
            &database,
            "postgres:",
            &[("RENDER_DELAY", "9m"), ("DRAIN_TIMEOUT", "200ms")],
        );
        database
            .wait_for(id, |job| job.status == JobStatus::Started)
            .await;
        worker.signal(Signal::SIGINT);
        assert!(worker.wait().success());
        match database.find(id).await.status {
            JobStatus::Retry => Ok(()),
            status => Err(format!("it is {status:?}")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_before_the_database_is_there_ends_the_process() {
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
async fn the_admin_endpoint_tells_how_the_worker_is() {
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
    // counted a moment after the job has ended
    eventually("the delivery is counted", async || {
        let (status, metrics) = get("/metrics").await;
        assert_eq!(status, 200);
        metrics.contains(r#"worker_deliveries_total{outcome="succeeded"} 1"#)
    })
    .await;
}

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
fn every_wrong_setting_is_named_at_once() {
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
fn what_is_missing_is_named() {
    let message = refused(&[("DATABASE_URL", ""), ("QUEUE_URL", "")]);
    assert!(
        message.contains("--queue-url") && message.contains("--database-url"),
        "{message}"
    );
}

#[test]
fn settings_that_can_not_work_together_are_refused() {
    let message = refused(&[
        ("DATABASE_URL", "postgres://x/y"),
        ("QUEUE_URL", "postgres:"),
        ("QUEUE_GROUP", "all"),
        ("DATABASE_POOL", "5"),
        ("RECEIVE_WAIT", "21s"),
    ]);
    for name in ["QUEUE_GROUP", "DATABASE_POOL", "RECEIVE_WAIT"] {
        assert!(message.contains(name), "{name} is not named in {message}");
    }
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
