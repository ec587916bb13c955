//! Rows that another session has locked for a long time, for example an API process that hangs while it cancels a job.

use shared_model::job::JobStatus;

use crate::support::{Database, Worker};

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_row_is_locked_completes_once_it_is_unlocked() {
    let database = Database::new();
    let ids = database.accept_many(2).await;
    let todos = database.lock_todos();
    let _worker = Worker::start(&database, "postgres:", &[]);
    for id in &ids {
        database
            .wait_for(*id, |job| job.status == JobStatus::Started)
            .await;
    }
    let locked = database.lock_job(ids[0]);
    drop(todos);
    let other = database.wait_until_ended(ids[1]).await;
    assert_eq!((other.status, other.attempt), (JobStatus::Success, 1));
    assert_eq!(database.find(ids[0]).await.status, JobStatus::Started);
    drop(locked);
    let job = database.wait_until_ended(ids[0]).await;
    assert_eq!((job.status, job.attempt), (JobStatus::Success, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_row_is_locked_the_claims_on_other_jobs_are_renewed() {
    let database = Database::new();
    let ids = database.accept_many(3).await;
    // the renders take three times as long as a claim lasts
    let settings = [("VISIBILITY_TIMEOUT", "3s"), ("RENDER_DELAY", "9s")];
    let mut worker = Worker::start(&database, "postgres:", &settings);
    for id in &ids {
        database
            .wait_for(*id, |job| job.status == JobStatus::Started)
            .await;
    }
    let locked = database.lock_job(ids[1]);
    // its claim can't be renewed
    worker.wait_for_log("could not be renewed");
    for id in [ids[0], ids[2]] {
        let job = database.wait_until_ended(id).await;
        assert_eq!((job.status, job.attempt), (JobStatus::Success, 1));
    }
    drop(locked);
    let job = database.wait_until_ended(ids[1]).await;
    assert_eq!((job.status, job.attempt), (JobStatus::Success, 2));
}
