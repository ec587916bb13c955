//! What operators do: pause, resume and drain, with a real database.

use api::authentication::scope::Scope;
use serde_json::{Value, json};

use crate::support::tokens::with_token;
use crate::support::{ApiResponse, Service, execute, send};

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
    let paused = paused.json();
    assert_eq!(
        (&paused["paused"], &paused["paused_by"]),
        (&json!(true), &json!("night-shift"))
    );
    let seconds = &paused["paused_at"].as_str().unwrap()[..19];
    let again = post("pause").await;
    let words = format!("paused since {seconds}Z, by the token \"night-shift\"");
    assert_refused(&again, 409, &words);

    let snapshot = send(with_token(service.request("GET", OPERATIONS), &token)).await;
    assert_eq!(snapshot.json()["processing"], paused);
    let resumed = post("resume").await;
    assert_eq!(resumed.status, 200);
    assert_eq!(
        resumed.json(),
        json!({"paused": false, "paused_at": null, "paused_by": null})
    );
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
    assert_eq!(drained.json(), json!({"id": 1001, "state": "draining"}));
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
