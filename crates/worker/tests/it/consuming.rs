//! Deliveries and their outcomes, with real worker processes and real queues.

use std::time::Duration;

use local_services::testing::eventually;
use nix::sys::signal::Signal;
use shared_model::job::{CalendarRequest, ErrorCode, JobStatus};

use crate::support::{BRIEF, Database, Sqs, Worker};

const FOREVER: (&str, &str) = ("RENDER_DELAY", "9m");

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn a_message_that_is_delivered_many_times_has_one_effect() {
    let database = Database::new();
    database.add_todos(3).await;
    let sqs = Sqs::new("", 10);
    let id = database.accept(CalendarRequest::default()).await;
    let job = database.find(id).await;
    for _ in 0..20 {
        sqs.send_job(&job);
    }
    // A copy that is delivered while the job runs is hidden until the visibility timeout ends.
    let mut worker = sqs.start_worker(&database, &[("VISIBILITY_TIMEOUT", "6s")]);
    let job = database.wait_until_ended(id).await;
    assert_eq!((job.status, job.attempt), (JobStatus::Success, 1));
    eventually("every copy is deleted", async || sqs.count() == 0).await;
    assert_eq!(database.find(id).await.version, job.version);
    worker.signal(Signal::SIGTERM);
    assert!(worker.wait().success());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn an_unreadable_message_ends_in_the_dead_letter_queue_and_harms_no_job() {
    let database = Database::new();
    // a job whose delivery is lost once needs several receives
    let sqs = Sqs::new("", 4);
    for body in ["hello", "{\"v\":99}", "{}"] {
        sqs.send(body);
    }
    let id = database.accept(CalendarRequest::default()).await;
    sqs.send_job(&database.find(id).await);
    let _worker = sqs.start_worker(&database, &[BRIEF]);
    assert_eq!(
        database.wait_until_ended(id).await.status,
        JobStatus::Success
    );
    eventually("all three are in the dead-letter queue", async || {
        // the worker receives them from there too, and leaves them
        sqs.count_dead_letters() == 3
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn the_job_of_a_dead_letter_fails_and_can_be_redriven() {
    let database = Database::new();
    let sqs = Sqs::new("", 10);
    let id = database.accept(CalendarRequest::default()).await;
    sqs.send_dead_letter(&database.find(id).await);
    let mut worker = sqs.start_worker(&database, &[]);
    let job = database.wait_until_ended(id).await;
    assert_eq!(
        (job.status, job.error.unwrap().code),
        (JobStatus::Failure, ErrorCode::DeadLettered)
    );
    worker.signal(Signal::SIGTERM);
    assert!(worker.wait().success());
    assert_eq!(sqs.count_dead_letters(), 0);

    let listed = Worker::operate(&database, &["dead-letters"]);
    assert!(
        listed.contains(&id.to_string()) && listed.contains("dead_lettered"),
        "{listed}"
    );
    assert_eq!(
        Worker::operate(&database, &["redrive", &id.to_string()]),
        format!("{id} PENDING\n")
    );
    let _worker = Worker::start(&database, "postgres:", &[]);
    assert_eq!(
        database.wait_until_ended(id).await.status,
        JobStatus::Success
    );
    assert_eq!(Worker::operate(&database, &["redrive", "--all"]), "");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn a_dead_letter_of_a_job_that_a_worker_has_claimed_does_not_fail_it() {
    let database = Database::new();
    let sqs = Sqs::new("", 10);
    let running = database.accept(CalendarRequest::default()).await;
    let waiting = database.accept(CalendarRequest::default()).await;
    database
        .execute(&format!(
            "UPDATE calendar_jobs SET status = 'RETRY', attempt = 1, retry_at = now() + interval '1 hour'
             WHERE id = '{waiting}'"
        ))
        .await;
    sqs.send_job(&database.find(running).await);
    let _worker = sqs.start_worker(&database, &[FOREVER]);
    database
        .wait_for(running, |job| job.status == JobStatus::Started)
        .await;
    // copies of their messages that were received too often while the jobs ran
    for id in [running, waiting] {
        sqs.send_dead_letter(&database.find(id).await);
    }
    eventually("both dead letters are deleted", async || {
        sqs.count_dead_letters() == 0
    })
    .await;
    assert_eq!(database.find(running).await.status, JobStatus::Started);
    assert_eq!(database.find(waiting).await.status, JobStatus::Retry);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn jobs_of_one_tenant_on_a_standard_queue_run_at_the_same_time() {
    let database = Database::new();
    let sqs = Sqs::new("", 10);
    let ids = database.accept_many(3).await;
    for id in &ids {
        sqs.send_in_group(&database.find(*id).await, "tenant");
    }
    let _worker = sqs.start_worker(&database, &[("QUEUE_GROUP", "tenant"), FOREVER]);
    for id in ids {
        // none of them ends
        database
            .wait_for(id, |job| job.status == JobStatus::Started)
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn a_job_that_outlasts_the_visibility_timeout_runs_once() {
    let database = Database::new();
    let sqs = Sqs::new("", 10);
    let id = database.accept(CalendarRequest::default()).await;
    sqs.send_job(&database.find(id).await);
    let settings = [("VISIBILITY_TIMEOUT", "12s"), ("RENDER_DELAY", "14s")];
    let (_one, _two) = (
        sqs.start_worker(&database, &settings),
        sqs.start_worker(&database, &settings),
    );
    let job = database.wait_until_ended(id).await;
    assert_eq!((job.status, job.attempt), (JobStatus::Success, 1));
}

async fn a_killed_worker_is_replaced(queue: Option<Sqs>) {
    let database = Database::new();
    let id = database.accept(CalendarRequest::default()).await;
    let start = |settings: &[(&str, &str)]| match &queue {
        None => Worker::start(&database, "postgres:", settings),
        Some(sqs) => sqs.start_worker(&database, settings),
    };
    if let Some(sqs) = &queue {
        let job = database.find(id).await;
        if sqs.is_fifo {
            sqs.send_in_group(&job, "group");
        } else {
            sqs.send_job(&job);
        }
    }
    let doomed = start(&[BRIEF, FOREVER]);
    database
        .wait_for(id, |job| job.status == JobStatus::Started)
        .await;
    doomed.signal(Signal::SIGKILL);
    let killed = std::time::Instant::now();
    let attempt = database.find(id).await.attempt;
    let _other = start(&[]);
    let job = database.wait_until_ended(id).await;
    assert_eq!((job.status, job.attempt), (JobStatus::Success, attempt + 1));
    assert!(
        killed.elapsed() < Duration::from_secs(20),
        "it took {:?}",
        killed.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_is_replaced_soon_after_its_visibility_timeout() {
    a_killed_worker_is_replaced(None).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn a_killed_worker_is_replaced_soon_after_its_visibility_timeout_with_sqs() {
    for suffix in ["", ".fifo"] {
        a_killed_worker_is_replaced(Some(Sqs::new(suffix, 10))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_worker_that_resumes_too_late_gives_up_its_job() {
    let database = Database::new();
    let id = database.accept(CalendarRequest::default()).await;
    let mut paused = Worker::start(&database, "postgres:", &[BRIEF, FOREVER]);
    database
        .wait_for(id, |job| job.status == JobStatus::Started)
        .await;
    paused.signal(Signal::SIGSTOP);
    let attempt = database.find(id).await.attempt;
    let _other = Worker::start(&database, "postgres:", &[]);
    let job = database.wait_until_ended(id).await;
    assert_eq!((job.status, job.attempt), (JobStatus::Success, attempt + 1));
    paused.signal(Signal::SIGCONT);
    paused.wait_for_log("could not be renewed");
    paused.signal(Signal::SIGTERM);
    assert!(paused.wait().success());
    assert_eq!(database.find(id).await, job);
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_that_time_out_are_repeated_until_the_job_fails() {
    let database = Database::new();
    let id = database.accept(CalendarRequest::default()).await;
    let settings = [
        ("RENDER_DELAY", "100ms"),
        ("JOB_TIMEOUT", "300ms"),
        ("MAX_ATTEMPTS", "2"),
    ];
    let _lock = database.lock_todos();
    let _worker = Worker::start(&database, "postgres:", &settings);
    let job = database.wait_until_ended(id).await;
    let error = job.error.unwrap();
    assert_eq!((job.status, job.attempt), (JobStatus::Failure, 2));
    assert_eq!(
        (error.code, error.cause),
        (ErrorCode::AttemptsExhausted, Some(ErrorCode::Timeout))
    );
}
