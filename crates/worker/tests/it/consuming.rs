//! Deliveries and their outcomes, over the queue.

use std::time::Duration;

use diesel::{Connection, PgConnection, RunQueryDsl};
use local_services::sqs::LocalSqs;
use local_services::testing::eventually;
use nix::sys::signal::Signal;
use serde_json::json;
use shared_model::job::{CalendarRequest, ErrorCode, JobId, JobStatus};
use shared_model::job_store::requests;
use shared_model::message::{JobMessage, MESSAGE_VERSION};

use crate::support::{BRIEF, Database, Worker};

const FOR_EVER: (&str, &str) = ("RENDER_DELAY", "9m");

struct Sqs {
    url: String,
    is_fifo: bool,
    environment: Vec<(&'static str, String)>,
}

impl Sqs {
    fn new(suffix: &str, max_receive_count: u32) -> Self {
        let name = format!("worker-{}{suffix}", JobId::new());
        let url = LocalSqs::shared()
            .create_queue_with_dead_letters(&name, max_receive_count)
            .unwrap();
        Self {
            is_fifo: !suffix.is_empty(),
            url,
            environment: LocalSqs::shared().environment().to_vec(),
        }
    }

    fn settings(&self) -> Vec<(&str, &str)> {
        self.environment
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect()
    }

    fn start_worker(&self, database: &Database, more: &[(&str, &str)]) -> Worker {
        let settings = [self.settings(), more.to_vec()].concat();
        Worker::start(database, &self.url, &settings)
    }

    fn send(&self, body: &str) {
        let message = json!({ "QueueUrl": self.url, "MessageBody": body });
        LocalSqs::shared().call("SendMessage", &message).unwrap();
    }

    fn dead_letters_url(&self) -> String {
        let (base, name) = self.url.rsplit_once('/').unwrap();
        format!("{base}/{name}-dead-letters")
    }

    fn send_job(&self, job: &shared_model::job::Job) {
        let message = JobMessage {
            v: MESSAGE_VERSION,
            job_id: job.id,
            generation: 1,
            enqueued_at: job.created_at,
        };
        self.send(&message.encode().unwrap());
    }

    fn count(&self, attribute: &str) -> u32 {
        let attributes = LocalSqs::shared().queue_attributes(&self.url).unwrap();
        attributes[attribute].parse().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_comes_many_times_has_one_effect() {
    let database = Database::new();
    database.add_todos(3).await;
    let sqs = Sqs::new("", 10);
    let id = database.accept(CalendarRequest::default()).await;
    let job = database.find(id).await;
    for _ in 0..20 {
        sqs.send_job(&job);
    }
    // a copy that comes while the job runs rests for so long
    let mut worker = sqs.start_worker(&database, &[("VISIBILITY_TIMEOUT", "6s")]);
    let job = database.wait_until_ended(id).await;
    assert_eq!((job.status, job.attempt), (JobStatus::Success, 1));
    eventually("every copy is deleted", async || {
        let visible = sqs.count("ApproximateNumberOfMessages");
        visible + sqs.count("ApproximateNumberOfMessagesNotVisible") == 0
    })
    .await;
    assert_eq!(database.find(id).await.version, job.version);
    worker.signal(Signal::SIGTERM);
    assert!(worker.wait().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_message_is_left_to_the_dead_letter_queue_and_harms_no_other() {
    let database = Database::new();
    // more receives than a job needs whose delivery is lost once
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
    let dead_letters = sqs.dead_letters_url();
    eventually("all three are in the dead-letter queue", async || {
        let attributes = LocalSqs::shared().queue_attributes(&dead_letters).unwrap();
        let count = |name: &str| attributes[name].parse::<u32>().unwrap();
        // the worker receives them there too, and leaves them
        count("ApproximateNumberOfMessages") + count("ApproximateNumberOfMessagesNotVisible") == 3
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_the_queue_gave_up_fails_and_can_be_brought_back() {
    let database = Database::new();
    let sqs = Sqs::new("", 10);
    let id = database.accept(CalendarRequest::default()).await;
    let dead_letters = sqs.dead_letters_url();
    let message =
        json!({ "QueueUrl": dead_letters, "MessageBody": body(&database.find(id).await) });
    LocalSqs::shared().call("SendMessage", &message).unwrap();
    let mut worker = sqs.start_worker(&database, &[]);
    let job = database.wait_until_ended(id).await;
    assert_eq!(
        (job.status, job.error.unwrap().code),
        (JobStatus::Failure, ErrorCode::DeadLettered)
    );
    worker.signal(Signal::SIGTERM);
    assert!(worker.wait().success());
    let attributes = LocalSqs::shared().queue_attributes(&dead_letters).unwrap();
    assert_eq!(attributes["ApproximateNumberOfMessages"], "0");

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
async fn a_job_longer_than_the_visibility_is_kept_and_done_once() {
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

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_killed_is_replaced_within_the_visibility() {
    for queue in [None, Some(Sqs::new("", 10)), Some(Sqs::new(".fifo", 10))] {
        let database = Database::new();
        let id = database.accept(CalendarRequest::default()).await;
        let start = |settings: &[(&str, &str)]| match &queue {
            None => Worker::start(&database, "postgres:", settings),
            Some(sqs) => sqs.start_worker(&database, settings),
        };
        if let Some(sqs) = &queue {
            let job = database.find(id).await;
            if sqs.is_fifo {
                let message = json!({
                    "QueueUrl": sqs.url, "MessageBody": body(&job),
                    "MessageGroupId": "group", "MessageDeduplicationId": "dedup",
                });
                LocalSqs::shared().call("SendMessage", &message).unwrap();
            } else {
                sqs.send_job(&job);
            }
        }
        let doomed = start(&[BRIEF, FOR_EVER]);
        database
            .wait_for(id, |job| job.status == JobStatus::Started)
            .await;
        doomed.signal(Signal::SIGKILL);
        let killed = std::time::Instant::now();
        let attempt = database.find(id).await.attempt;
        let _heir = start(&[]);
        let job = database.wait_until_ended(id).await;
        assert_eq!((job.status, job.attempt), (JobStatus::Success, attempt + 1));
        assert!(
            killed.elapsed() < Duration::from_secs(20),
            "it took {:?}",
            killed.elapsed()
        );
    }
}

fn body(job: &shared_model::job::Job) -> String {
    let message = JobMessage {
        v: MESSAGE_VERSION,
        job_id: job.id,
        generation: 1,
        enqueued_at: job.created_at,
    };
    message.encode().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_worker_that_wakes_too_late_gives_its_job_up() {
    let database = Database::new();
    let id = database.accept(CalendarRequest::default()).await;
    let mut sleeper = Worker::start(&database, "postgres:", &[BRIEF, FOR_EVER]);
    database
        .wait_for(id, |job| job.status == JobStatus::Started)
        .await;
    sleeper.signal(Signal::SIGSTOP);
    let attempt = database.find(id).await.attempt;
    let _heir = Worker::start(&database, "postgres:", &[]);
    let job = database.wait_until_ended(id).await;
    assert_eq!((job.status, job.attempt), (JobStatus::Success, attempt + 1));
    sleeper.signal(Signal::SIGCONT);
    sleeper.wait_for_log("could not be renewed");
    sleeper.signal(Signal::SIGTERM);
    assert!(sleeper.wait().success());
    assert_eq!(database.find(id).await, job);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_job_is_cancelled_within_a_heartbeat() {
    let database = Database::new();
    let id = database.accept(CalendarRequest::default()).await;
    let settings = [FOR_EVER, ("VISIBILITY_TIMEOUT", "60s")];
    let _worker = Worker::start(&database, "postgres:", &settings);
    database
        .wait_for(id, |job| job.status == JobStatus::Started)
        .await;
    database
        .pool
        .run(move |connection| requests::cancel(connection, id))
        .await
        .unwrap();
    let asked = std::time::Instant::now();
    assert_eq!(
        database.wait_until_ended(id).await.status,
        JobStatus::Revoked
    );
    // a heartbeat is a second at most; a sixth of this lease is ten
    assert!(
        asked.elapsed() < Duration::from_secs(8),
        "it took {:?}",
        asked.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_takes_too_long_is_tried_again_and_then_fails() {
    let database = Database::new();
    let id = database.accept(CalendarRequest::default()).await;
    // the delay is just below the limit, and reading is slowed down by a lock on the rows' table
    let settings = [
        ("RENDER_DELAY", "100ms"),
        ("JOB_TIMEOUT", "300ms"),
        ("MAX_ATTEMPTS", "2"),
    ];
    let (locked, release) = (
        tokio::sync::oneshot::channel(),
        tokio::sync::oneshot::channel::<()>(),
    );
    let url = database.url.clone();
    let holder = tokio::task::spawn_blocking(move || {
        let mut connection = PgConnection::establish(&url).unwrap();
        let held = connection.transaction(|connection| {
            diesel::sql_query("LOCK TABLE todos IN ACCESS EXCLUSIVE MODE").execute(connection)?;
            let _ = locked.0.send(());
            let _ = release.1.blocking_recv();
            diesel::QueryResult::Ok(())
        });
        held.unwrap();
    });
    locked.1.await.unwrap();
    let _worker = Worker::start(&database, "postgres:", &settings);
    let job = database.wait_until_ended(id).await;
    let error = job.error.unwrap();
    assert_eq!((job.status, job.attempt), (JobStatus::Failure, 2));
    assert_eq!(
        (error.code, error.cause),
        (ErrorCode::AttemptsExhausted, Some(ErrorCode::Timeout))
    );
    release.0.send(()).unwrap();
    holder.await.unwrap();
}
