//! The checks themselves: each finds what it is there for.

use faults::check::{Verdict, check};
use faults::queue::QueueKind;
use faults::system::{RECOVERY, System};
use shared_model::job::JobId;

use crate::support::{finish, system};

async fn verdict(system: &System) -> Verdict {
    check(system, RECOVERY).await.unwrap()
}

/// A run of some jobs that kept every promise.
async fn a_good_run() -> (System, Vec<JobId>) {
    let system = system(QueueKind::Postgres).await;
    system.database.add_todos(5).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let worker = system.start_worker(&[]).await.unwrap();
    let ids = client.ask_many(3).await.unwrap();
    finish(&system, [api, worker]).await;
    (system, ids)
}

/// What the checks find after this was done to the database behind everybody's back.
async fn broken_by(sql: &str) -> Vec<&'static str> {
    let (system, ids) = a_good_run().await;
    let sql = sql.replace("{id}", &ids[0].to_string());
    for statement in sql.split(';') {
        assert!(
            system.database.execute(statement).await.unwrap() > 0,
            "{statement}"
        );
    }
    let mut found: Vec<_> = verdict(&system)
        .await
        .violations
        .iter()
        .map(|violation| violation.guarantee)
        .collect();
    found.dedup();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promised_job_that_is_gone_is_found() {
    let found = broken_by("DELETE FROM calendar_jobs WHERE id = '{id}'").await;
    assert_eq!(found, ["G1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_nobody_asked_for_is_found() {
    let sql = "INSERT INTO calendar_jobs (id, status, request, expiry, finished_at, expires_at)
               VALUES (gen_random_uuid(), 'REVOKED', '{}', '1 hour', now(), now())";
    assert_eq!(broken_by(sql).await, ["G2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_is_not_a_pure_render_is_found() {
    let sql =
        "UPDATE todos SET title = 'changed afterwards' WHERE id = (SELECT min(id) FROM todos)";
    assert_eq!(broken_by(sql).await, ["G3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_result_is_found() {
    let sql = "CREATE TEMP TABLE kept ON COMMIT PRESERVE ROWS AS SELECT * FROM calendar_results WHERE job_id = '{id}'";
    let (system, ids) = a_good_run().await;
    let id = ids[0];
    system
        .database
        .run(move |connection| {
            use diesel::connection::SimpleConnection;
            connection.batch_execute(&sql.replace("{id}", &id.to_string()))?;
            connection.batch_execute(&format!(
                "DELETE FROM calendar_results WHERE job_id = '{id}'"
            ))?;
            Ok(connection.batch_execute("INSERT INTO calendar_results SELECT * FROM kept")?)
        })
        .await
        .unwrap();
    let verdict = verdict(&system).await;
    assert_eq!(verdict.duplicated, 1);
    assert_eq!(verdict.violations[0].guarantee, "G3");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_goes_back_is_found() {
    let sql =
        "UPDATE calendar_jobs SET status = 'REVOKED', version = version + 1 WHERE id = '{id}';
               DELETE FROM calendar_results WHERE job_id = '{id}'";
    assert_eq!(broken_by(sql).await, ["G4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_nothing_explains_is_found() {
    let sql = "DELETE FROM calendar_results WHERE job_id = '{id}';
               UPDATE calendar_jobs SET status = 'FAILURE', version = version + 1 WHERE id = '{id}'";
    assert_eq!(broken_by(sql).await, ["G1", "G4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_innocent_message_in_the_dead_letter_queue_is_found() {
    let system = system(QueueKind::Sqs).await;
    let queue = system.queue.sqs().unwrap();
    queue
        .send_to_dead_letters("unreadable, and nobody said so")
        .await
        .unwrap();
    let verdict = verdict(&system).await;
    assert_eq!(verdict.violations[0].guarantee, "G8");
}
