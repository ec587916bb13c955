//! What operators want from a worker: it reports what it does, pauses and drains.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::sql_types::Timestamptz;
use diesel::{QueryDsl, QueryableByName, RunQueryDsl};
use local_services::testing::eventually;
use nix::sys::signal::Signal;
use shared_model::activity::{self, Tally};
use shared_model::database::DatabaseError;
use shared_model::job::{CalendarRequest, JobId, JobStatus};
use shared_model::job_store::failed::Redriver;
use shared_model::job_store::history::{self, Event};
use shared_model::processes::{self, DrainRequested, Process, ProcessState, Role};
use shared_model::processing;
use shared_model::schema::calendar_jobs;

use crate::support::{Database, Sqs, Worker};

impl Database {
    /// Waits until a worker's process has registered itself.
    async fn process_of(&self, worker: &Worker) -> Process {
        let pid = i32::try_from(worker.pid()).unwrap();
        let mut found = None;
        eventually("the worker is registered", async || {
            let listed = self.pool.run(processes::list).await.unwrap();
            found = listed.into_iter().find(|process| process.pid == pid);
            found.is_some()
        })
        .await;
        found.unwrap()
    }

    /// Returns the process that claimed a job.
    async fn worker_of(&self, id: JobId) -> Option<i32> {
        let found = self.pool.run(move |connection| {
            let job = calendar_jobs::table.find(id.0);
            let worker = job.select(calendar_jobs::worker_id).first(connection)?;
            Ok::<_, DatabaseError>(worker)
        });
        found.await.unwrap()
    }

    async fn total_activity(&self) -> Tally {
        let hour = Duration::from_hours(1);
        let since = self
            .pool
            .run(move |connection| activity::since(connection, hour));
        let mut total = Tally::default();
        for point in since.await.unwrap() {
            total.add(&point.tally);
        }
        total
    }

    async fn pause(&self) {
        let paused = self
            .pool
            .run(|connection| processing::pause(connection, Some("ann")));
        paused.await.unwrap();
    }

    /// Resumes processing, and returns the database's time before that.
    async fn resume(&self) -> DateTime<Utc> {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = Timestamptz)]
            now: DateTime<Utc>,
        }
        let resumed = self.pool.run(|connection| {
            let row: Row =
                diesel::sql_query("SELECT clock_timestamp() AS now").get_result(connection)?;
            processing::resume(connection)?;
            Ok::<_, DatabaseError>(row.now)
        });
        resumed.await.unwrap()
    }

    /// Resumes processing, and checks that no attempt at these jobs began before that, and that each succeeds at its first
    /// attempt.
    async fn assert_begin_after_resume(&self, jobs: &[JobId]) {
        let resumed_at = self.resume().await;
        for id in jobs {
            let job = self.wait_until_ended(*id).await;
            assert_eq!((job.status, job.attempt), (JobStatus::Success, 1));
            assert!(job.started_at.unwrap() >= resumed_at, "{job:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_listed_with_what_it_does_until_it_stops() {
    let database = Database::new();
    let jobs = database.accept_many(3).await;
    let mut worker = Worker::start(&database, "postgres:", &[("WORKER_CONCURRENCY", "7")]);
    for id in &jobs {
        database.wait_until_ended(*id).await;
    }
    let listed = database.process_of(&worker).await;
    assert_eq!((listed.role, listed.slots), (Role::Worker, Some(7)));
    assert_eq!(listed.state, ProcessState::Running);
    worker.signal(Signal::SIGTERM);
    assert!(worker.wait().success());
    assert_eq!(
        database.process_of(&worker).await.state,
        ProcessState::Stopped
    );
    for id in jobs {
        assert_eq!(database.worker_of(id).await, Some(listed.id));
    }
    let total = database.total_activity().await;
    assert_eq!((total.started, total.succeeded, total.failed), (3, 3, 0));
    assert_eq!((total.wait.count(), total.run.count()), (3, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_cannot_register_claims_nothing_and_begins_when_it_can() {
    let database = Database::new();
    database
        .execute("ALTER TABLE processes RENAME TO unavailable")
        .await;
    let id = database.accept(CalendarRequest::default()).await;
    let mut worker = Worker::start(&database, "postgres:", &[]);
    let admin = worker.admin_addr();
    worker.wait_for_log("could not report");
    assert_eq!(database.find(id).await.attempt, 0);
    let ready = async || {
        let response = reqwest::get(format!("http://{admin}/readyz")).await;
        response.unwrap().status().as_u16()
    };
    assert_eq!(ready().await, 503);
    database
        .execute("ALTER TABLE unavailable RENAME TO processes")
        .await;
    let job = database.wait_until_ended(id).await;
    assert_eq!(job.status, JobStatus::Success);
    assert!(database.worker_of(id).await.is_some());
    assert_eq!(ready().await, 200);
    worker.signal(Signal::SIGTERM);
    assert!(worker.wait().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_cannot_register_drains() {
    let database = Database::new();
    database.execute("DROP TABLE processes").await;
    let mut worker = Worker::start(&database, "postgres:", &[]);
    worker.wait_for_log("could not report");
    worker.signal(Signal::SIGTERM);
    assert!(worker.wait().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_worker_finishes_what_runs_and_claims_no_other_job_of_postgres() {
    let database = Database::new();
    let running = database.accept(CalendarRequest::default()).await;
    let todos = database.lock_todos();
    let mut worker = Worker::start(&database, "postgres:", &[("RECEIVE_WAIT", "20s")]);
    database.wait_until_a_read_is_blocked().await;
    database.pause().await;
    worker.wait_for_log("processing is paused");
    let waiting = database.accept_many(3).await;
    drop(todos);
    assert_eq!(
        database.wait_until_ended(running).await.status,
        JobStatus::Success
    );
    database.assert_begin_after_resume(&waiting).await;
    worker.wait_for_log("processing is resumed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_starts_during_a_pause_claims_nothing() {
    let database = Database::new();
    database.pause().await;
    let waiting = database.accept_many(3).await;
    let mut worker = Worker::start(&database, "postgres:", &[]);
    worker.wait_for_log("processing is paused");
    database.assert_begin_after_resume(&waiting).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_registration_takes_long_during_a_pause_claims_nothing() {
    let database = Database::new();
    database.pause().await;
    let waiting = database.accept_many(3).await;
    let registrations = database.begin("LOCK TABLE processes IN ACCESS EXCLUSIVE MODE");
    let mut worker = Worker::start(&database, "postgres:", &[]);
    // the statement has waited for the lock for as long as one may
    worker.wait_for_log("could not report");
    for id in &waiting {
        assert_eq!(database.find(*id).await.attempt, 0);
    }
    drop(registrations);
    worker.wait_for_log("processing is paused");
    database.assert_begin_after_resume(&waiting).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn a_job_of_sqs_names_the_worker_that_claimed_it() {
    let database = Database::new();
    let sqs = Sqs::new("", 10);
    let worker = sqs.start_worker(&database, &[]);
    let process = database.process_of(&worker).await;
    let id = database.accept(CalendarRequest::default()).await;
    sqs.send_job(&database.find(id).await);
    database.wait_until_ended(id).await;
    assert_eq!(database.worker_of(id).await, Some(process.id));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn a_paused_worker_returns_the_messages_that_an_open_poll_of_sqs_still_receives() {
    let database = Database::new();
    let sqs = Sqs::new("", 10);
    let mut worker = sqs.start_worker(&database, &[("RECEIVE_WAIT", "20s")]);
    let first = database.accept(CalendarRequest::default()).await;
    sqs.send_job(&database.find(first).await);
    database.wait_until_ended(first).await;
    // the next poll is open, and goes on for 20 s
    database.pause().await;
    worker.wait_for_log("processing is paused");
    let waiting = database.accept_many(3).await;
    for id in &waiting {
        sqs.send_job(&database.find(*id).await);
    }
    eventually("the messages are visible again", async || {
        sqs.count_visible() == 3
    })
    .await;
    database.assert_begin_after_resume(&waiting).await;
    eventually("every message is deleted", async || sqs.count() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn a_dead_letter_waits_until_processing_is_resumed() {
    let database = Database::new();
    let sqs = Sqs::new("", 10);
    database.pause().await;
    let mut worker = sqs.start_worker(&database, &[]);
    worker.wait_for_log("processing is paused");
    let id = database.accept(CalendarRequest::default()).await;
    sqs.send_dead_letter(&database.find(id).await);
    let resumed_at = database.resume().await;
    let job = database.wait_until_ended(id).await;
    assert_eq!(job.status, JobStatus::Failure);
    assert!(job.finished_at.unwrap() >= resumed_at, "{job:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_postgres_that_no_worker_can_end_counts_as_failed() {
    let database = Database::new();
    let id = database.accept(CalendarRequest::default()).await;
    let sql = format!(
        "UPDATE calendar_jobs SET status = 'STARTED', claim = id, started_at = now(), attempt = 100, lease_until = now()
         WHERE id = '{id}'"
    );
    database.execute(&sql).await;
    let mut worker = Worker::start(&database, "postgres:", &[]);
    assert_eq!(
        database.wait_until_ended(id).await.status,
        JobStatus::Failure
    );
    worker.signal(Signal::SIGTERM);
    assert!(worker.wait().success());
    let total = database.total_activity().await;
    assert_eq!((total.started, total.failed), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_an_operator_drains_finishes_its_jobs_and_ends_with_code_0() {
    let database = Database::new();
    let running = database.accept(CalendarRequest::default()).await;
    let todos = database.lock_todos();
    let mut worker = Worker::start(&database, "postgres:", &[("WORKER_CONCURRENCY", "2")]);
    database.wait_until_a_read_is_blocked().await;
    let id = database.process_of(&worker).await.id;
    let requested = database
        .pool
        .run(move |connection| processes::request_drain(connection, id));
    assert_eq!(requested.await.unwrap(), DrainRequested::Requested);
    worker.wait_for_log("draining");
    let late = database.accept(CalendarRequest::default()).await;
    assert_eq!(
        database.process_of(&worker).await.state,
        ProcessState::Draining
    );
    drop(todos);
    assert_eq!(worker.wait().code(), Some(0), "{:#?}", worker.seen);
    let job = database.find(running).await;
    assert_eq!((job.status, job.attempt), (JobStatus::Success, 1));
    let job = database.find(late).await;
    assert_eq!((job.status, job.attempt), (JobStatus::Pending, 0));
    assert_eq!(
        database.process_of(&worker).await.state,
        ProcessState::Stopped
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_list_and_redrive_any_number_of_failed_jobs() {
    let database = Database::new();
    database
        .execute(
            "INSERT INTO calendar_jobs (id, status, request, error, finished_at, expiry, expires_at)
             SELECT ('00000000-0000-7000-8000-' || lpad(number::text, 12, '0'))::uuid, 'FAILURE', '{}',
                    '{\"code\": \"panic\", \"detail\": \"x\"}', now(), interval '1 hour', now() + interval '1 hour'
             FROM generate_series(1, 1200) AS number",
        )
        .await;
    let listed = Worker::operate(&database, &["dead-letters"]);
    let ids = |output: &str| -> BTreeSet<String> {
        let id = |line: &str| line.split(' ').next().map(str::to_owned);
        output.lines().filter_map(id).collect()
    };
    assert_eq!(ids(&listed).len(), 1200);
    assert!(listed.lines().all(|line| line.ends_with("  panic: x")));
    let redriven = Worker::operate(&database, &["redrive", "--all"]);
    assert!(redriven.lines().all(|line| line.ends_with(" PENDING")));
    assert_eq!(ids(&redriven), ids(&listed));
    let id = JobId(redriven.split(' ').next().unwrap().parse().unwrap());
    let history = database.pool.run(move |c| history::history(c, id)).await;
    let redriven = history.unwrap().unwrap().steps.pop().unwrap().event;
    let by = Some(Redriver::Command);
    assert_eq!(redriven, Event::Redriven { by });
    assert_eq!(Worker::operate(&database, &["dead-letters"]), "");
}
