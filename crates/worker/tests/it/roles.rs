//! A worker whose database password changes. (The workers of all tests of this crate log in with the role of a worker.)

use std::fs;

use local_services::testing::eventually;
use shared_model::job::{CalendarRequest, JobStatus};

use crate::support::{BRIEF, Database, Worker, login};

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_goes_on_after_its_password_was_changed_and_loses_no_job() {
    let mut database = Database::new();
    database
        .execute("CREATE ROLE rotating_worker LOGIN PASSWORD 'first' IN ROLE worker_of_the_tests")
        .await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    fs::write(&file, "first\n").unwrap();
    database.url = login(&database.owner, "rotating_worker", "replaced-by-the-file");
    let running = database.accept(CalendarRequest::default()).await;
    let todos = database.lock_todos();
    let settings = [BRIEF, ("DATABASE_PASSWORD_FILE", file.to_str().unwrap())];
    let mut worker = Worker::start(&database, "postgres:", &settings);
    let ready_url = format!("http://{}/readyz", worker.admin_addr());
    let is_ready = async || {
        let answer = reqwest::get(&ready_url).await.unwrap();
        answer.status() == 200
    };
    database.wait_until_a_read_is_blocked().await;

    database
        .execute("ALTER ROLE rotating_worker PASSWORD 'second'")
        .await;
    let waiting = database.accept(CalendarRequest::default()).await;
    // more than once, because a session that was opened with the old password may not be listed yet
    let end_sessions = "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE usename = 'rotating_worker'";
    eventually("the worker has no database", async || {
        database.execute(end_sessions).await;
        !is_ready().await
    })
    .await;
    drop(todos);

    fs::write(&file, "second\n").unwrap();
    for job in [running, waiting] {
        let job = database.wait_until_ended(job).await;
        assert_eq!(job.status, JobStatus::Success);
    }
    eventually("the worker is ready", is_ready).await;
}
