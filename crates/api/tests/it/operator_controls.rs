//! What operators do: pause, resume and drain, with a real database.

use api::authentication::scope::Scope;
use api::store::operations::{self, Gauges};
use serde_json::{Value, json};
use shared_model::job::JobId;
use shared_model::job_store::{claims, sweeps};
use uuid::Uuid;

use crate::support::jobs::accept_many;
use crate::support::tokens::with_token;
use crate::support::{ApiResponse, Service, execute, send, split_at, time};

const OPERATIONS: &str = "/api/v1/operations";

async fn post(service: &Service, path: &str) -> ApiResponse {
    send(service.request("POST", &format!("{OPERATIONS}/{path}"))).await
}

/// Checks that a call was refused, with a text for people that contains `words`.
#[track_caller]
fn assert_refused(response: &ApiResponse, status: u16, words: &str) {
    let detail = response.json()["detail"].as_str().unwrap().to_owned();
    response.assert_problem(status, &detail);
    assert!(detail.contains(words), "{detail}");
}

#[tokio::test]
async fn pausing_twice_and_resuming_twice_are_refused_with_the_reason() {
    let service = Service::start_with_tokens().await;
    let token = service
        .new_token("night-shift", Scope::Operator, None)
        .await;
    let post = async |path: &str| {
        let path = format!("{OPERATIONS}/{path}");
        send(with_token(service.request("POST", &path), &token)).await
    };
    assert_refused(&post("resume").await, 409, "processing is not paused");
    let paused = post("pause").await;
    assert_eq!(paused.status, 200, "{}", paused.text());
    let (paused, paused_at) = split_at(paused.json());
    assert_eq!(
        (&paused["paused"], &paused["paused_by"]),
        (&json!(true), &json!("night-shift"))
    );
    let seconds = &paused["paused_at"].as_str().unwrap()[..19];
    let again = post("pause").await;
    let words = format!("paused since {seconds}Z, by the token \"night-shift\"");
    assert_refused(&again, 409, &words);

    let snapshot = send(with_token(service.request("GET", OPERATIONS), &token)).await;
    let snapshot = snapshot.json();
    assert_eq!(snapshot["processing"], paused);
    assert!(time(&snapshot["at"]) > time(&paused_at));
    let resumed = post("resume").await;
    assert_eq!(resumed.status, 200);
    let (resumed, resumed_at) = split_at(resumed.json());
    assert_eq!(
        resumed,
        json!({"paused": false, "paused_at": null, "paused_by": null})
    );
    assert!(time(&resumed_at) > time(&paused_at));
    assert_refused(&post("resume").await, 409, "processing is not paused");
}

#[tokio::test]
async fn jobs_are_accepted_while_processing_is_paused() {
    let service = Service::start().await;
    let paused = post(&service, "pause").await.json();
    // without tokens, nobody knows who
    assert_eq!(paused["paused_by"], Value::Null);
    service.new_job().await;
}

#[tokio::test]
async fn only_a_worker_that_runs_can_be_drained_and_only_once() {
    let service = Service::start().await;
    execute(
        &service.pool,
        "INSERT INTO processes (id, role, host, pid, version, heartbeat_at, stopped_at) OVERRIDING SYSTEM VALUE
         VALUES (1001, 'worker', 'a', 1, '0', now(), NULL), (1002, 'api', 'a', 2, '0', now(), NULL),
                (1003, 'worker', 'a', 3, '0', now(), now()), (1004, 'worker', 'a', 4, '0', now() - interval '31 s', NULL)",
    )
    .await;
    let drain = async |id: &str| post(&service, &format!("processes/{id}/drain")).await;
    let drained = drain("1001").await;
    assert_eq!(drained.status, 202, "{}", drained.text());
    let (drained, _) = split_at(drained.json());
    assert_eq!(drained, json!({"id": 1001, "state": "draining"}));
    assert_refused(&drain("1001").await, 409, "already draining");
    assert_refused(&drain("1002").await, 409, "only workers can be drained");
    assert_refused(&drain("1003").await, 409, "has stopped");
    assert_refused(&drain("1004").await, 409, "has stopped");
    for unknown in ["0", "999999", "99999999999", "-1", "x"] {
        assert_refused(&drain(unknown).await, 404, "no process has this id");
    }
}

#[tokio::test]
async fn the_activity_of_the_last_hour_is_the_sum_of_all_processes_in_each_period() {
    let service = Service::start().await;
    execute(
        &service.pool,
        "INSERT INTO activity (period, process_id, started, succeeded, wait_seconds, run_seconds)
         SELECT date_bin('10 s', now(), 'epoch') - age, process, 10, 9, '{0,0,0,0,10,0,0,0,0,0,0,0,0,0,0}', '{}'
         FROM unnest(ARRAY[interval '30 minutes', interval '61 minutes']) AS age, unnest(ARRAY[1001, 1002]) AS process",
    )
    .await;
    let activity = service.get(&format!("{OPERATIONS}/activity")).await;
    assert_eq!(activity.status, 200, "{}", activity.text());
    let points = activity.json()["points"].as_array().unwrap().clone();
    assert_eq!(points.len(), 1, "{points:?}");
    let point = &points[0];
    assert_eq!(
        ["seconds", "accepted", "started", "succeeded"].map(|name| &point[name]),
        [10, 0, 20, 18]
    );
    for (quantile, seconds) in [("p50", 0.075), ("p95", 0.0975), ("p99", 0.0995)] {
        let estimate = point["wait_seconds"][quantile].as_f64().unwrap();
        assert!((estimate - seconds).abs() < 1e-6, "{quantile}: {estimate}");
        assert_eq!(point["run_seconds"][quantile], Value::Null);
    }
}

/// What the metrics show. The recorder of metrics is shared by all tests, so its values are of no use here.
async fn gauges(service: &Service) -> Gauges {
    service.pool.run(operations::read_gauges).await.unwrap()
}

#[tokio::test]
async fn each_job_that_failed_in_the_last_ten_minutes_is_counted_whoever_ended_it() {
    let service = Service::start_with(&["--queue-url=postgres:"]).await;
    let failed = async || gauges(&service).await.jobs.failed_in_ten_minutes;
    let [attempted, died, overdue] = accept_many(&service.pool, 3).await[..] else {
        panic!("there are three jobs");
    };
    assert_eq!(failed().await, 0);
    service.fail(attempted, true).await;
    assert_eq!(failed().await, 1);
    service.claim_silently(died).await;
    execute(
        &service.pool,
        format!(
            "UPDATE calendar_jobs SET lease_until = now() WHERE id = '{died}';
             UPDATE calendar_jobs SET expires_at = now() WHERE id = '{overdue}'"
        ),
    )
    .await;
    let end = service.pool.run(|c| claims::end_unclaimable(c, 1, None));
    assert_eq!(end.await.unwrap().len(), 1);
    assert_eq!(failed().await, 2);
    let start = JobId(Uuid::nil());
    let end = service.pool.run(move |c| sweeps::fail_overdue(c, start));
    assert_eq!(end.await.unwrap().jobs, [overdue]);
    assert_eq!(failed().await, 3);
    let earlier = "finished_at = now() - interval '601 s'";
    execute(
        &service.pool,
        format!("UPDATE calendar_jobs SET {earlier} WHERE id = '{attempted}'"),
    )
    .await;
    assert_eq!(failed().await, 2);
    post(&service, &format!("jobs/{died}/retry")).await;
    assert_eq!(failed().await, 1);
}

#[tokio::test]
async fn no_job_waits_during_a_pause_and_for_no_longer_than_since_its_end() {
    let service = Service::start_with(&["--queue-url=postgres:"]).await;
    accept_many(&service.pool, 1).await;
    let accepted = "UPDATE calendar_jobs SET expires_at = expires_at - interval '2 hours'";
    execute(&service.pool, accepted).await;
    let waiting = async || gauges(&service).await.waiting_seconds;
    assert!(waiting().await >= 7200.0);
    post(&service, "pause").await;
    assert!(waiting().await < f64::EPSILON);
    post(&service, "resume").await;
    assert!(waiting().await < 3600.0);
    let resumed = "UPDATE processing SET resumed_at = now() - interval '1 hour'";
    execute(&service.pool, resumed).await;
    assert!((3600.0..7200.0).contains(&waiting().await));
    let resumed = "UPDATE processing SET resumed_at = now() - interval '1 day'";
    execute(&service.pool, resumed).await;
    let seconds = waiting().await;
    assert!((7200.0..80000.0).contains(&seconds), "{seconds}");
}
