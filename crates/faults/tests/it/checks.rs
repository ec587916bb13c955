//! The checks themselves: each finds the violation that it exists for. And the database of the soak.

use faults::check::{Verdict, check};
use faults::cluster::{DurableCluster, Storage};
use faults::database::Database;
use faults::queue::QueueKind;
use faults::system::{RECOVERY, System};
use shared_model::job::JobId;

use crate::support::{TestSystem, finish, system};

async fn verdict(system: &System) -> Verdict {
    check(system, RECOVERY).await.unwrap()
}

/// Runs some jobs without a violation.
async fn valid_run() -> (TestSystem, Vec<JobId>) {
    let system = system(QueueKind::Postgres).await;
    system.database.add_todos(5).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let worker = system.start_worker(&[]).await.unwrap();
    let ids = client.submit_many(3).await.unwrap();
    finish(&system, [api, worker]).await;
    (system, ids)
}

/// Returns the guarantees that the checks find broken after `sql` has manipulated the database.
async fn violations_after(sql: &str) -> Vec<&'static str> {
    let (system, ids) = valid_run().await;
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
async fn an_accepted_job_that_disappeared_is_found() {
    let found = violations_after("DELETE FROM calendar_jobs WHERE id = '{id}'").await;
    assert_eq!(found, ["G1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_no_client_requested_is_found() {
    let sql = "INSERT INTO calendar_jobs (id, status, request, expiry, finished_at, expires_at)
               VALUES (gen_random_uuid(), 'REVOKED', '{}', '1 hour', now(), now())";
    assert_eq!(violations_after(sql).await, ["G2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_differs_from_a_fresh_render_is_found() {
    let sql =
        "UPDATE todos SET title = 'changed afterwards' WHERE id = (SELECT min(id) FROM todos)";
    assert_eq!(violations_after(sql).await, ["G3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_result_is_found() {
    let sql = "CREATE TEMP TABLE kept ON COMMIT PRESERVE ROWS AS SELECT * FROM calendar_results WHERE job_id = '{id}'";
    let (system, ids) = valid_run().await;
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
async fn a_job_whose_state_goes_back_is_found() {
    let sql =
        "UPDATE calendar_jobs SET status = 'REVOKED', version = version + 1 WHERE id = '{id}';
               DELETE FROM calendar_results WHERE job_id = '{id}'";
    assert_eq!(violations_after(sql).await, ["G4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unexpected_failure_is_found() {
    let sql = "DELETE FROM calendar_results WHERE job_id = '{id}';
               UPDATE calendar_jobs SET status = 'FAILURE', version = version + 1 WHERE id = '{id}'";
    assert_eq!(violations_after(sql).await, ["G1", "G4"]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn an_unexpected_message_in_the_dead_letter_queue_is_found() {
    let system = system(QueueKind::Sqs).await;
    let queue = system.queue.sqs().unwrap();
    queue
        .send_to_dead_letters("an unreadable body that the run does not expect")
        .await
        .unwrap();
    let verdict = verdict(&system).await;
    assert_eq!(verdict.violations[0].guarantee, "G8");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_of_a_soak_writes_every_commit_to_the_disk() {
    let start = || DurableCluster::start(Storage::Disk).unwrap();
    let cluster = tokio::task::spawn_blocking(start).await.unwrap();
    let database = Database::new(cluster.url()).unwrap();
    let on = "SELECT count(*) FROM pg_settings
              WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'on'";
    assert_eq!(database.number(on).await.unwrap(), 3);
    tokio::task::spawn_blocking(move || drop(cluster))
        .await
        .unwrap();
}
