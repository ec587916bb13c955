//! One client uses its share of what all clients have, and leaves the rest to others.

use local_services::testing::eventually;
use reqwest::{RequestBuilder, Response};
use serde_json::json;

use crate::support::{ApiResponse, Service, lock_todos, send};

const ICAL: &str = "/api/v1/todos/ical";

async fn start(flags: &[&str]) -> Service {
    let share = ["--trust-proxy", "--client-share=25"];
    Service::start_with(&[&share[..], flags].concat()).await
}

fn from_greedy(request: RequestBuilder) -> RequestBuilder {
    request.header("X-Forwarded-For", "192.0.2.1")
}

fn from_other(request: RequestBuilder) -> RequestBuilder {
    request.header("X-Forwarded-For", "192.0.2.2")
}

#[track_caller]
fn assert_refused(response: &ApiResponse, error: &str) {
    response.assert_problem(503, error);
    assert!(response.header("retry-after").is_some());
}

/// Waits until the greedy client may send another such request.
async fn assert_is_answered_again(request: impl Fn() -> RequestBuilder) {
    eventually("the client may send requests again", async || {
        let response = send(from_greedy(request())).await;
        response.status.is_success()
    })
    .await;
}

#[tokio::test]
async fn the_requests_of_one_client_leave_places_for_those_of_others() {
    let service = start(&["--max-requests=4"]).await;
    let locked = lock_todos(&service).await;
    let blocked = tokio::spawn(from_greedy(service.request("GET", "/api/v1/todos")).send());
    service.wait_until_blocked(1).await;
    let page = || service.request("GET", "/");
    assert_refused(
        &send(from_greedy(page())).await,
        "too many requests of this client are being handled; wait until some have ended",
    );
    assert_eq!(send(from_other(page())).await.status, 200);
    let metrics = service.get("/metrics").await;
    let counted = r#"refused_total{limit="requests_of_client"}"#;
    assert!(metrics.text().contains(counted), "{}", metrics.text());
    locked.release().await;
    assert_eq!(blocked.await.unwrap().unwrap().status(), 200);
    assert_is_answered_again(page).await;
}

#[tokio::test]
async fn the_streams_of_one_client_leave_places_for_those_of_others() {
    let service = start(&["--max-streams=4"]).await;
    let id = service.new_job().await;
    let follow = || service.request("GET", &format!("{ICAL}/{id}/events"));
    let stream: Response = from_greedy(follow()).send().await.unwrap();
    assert_eq!(stream.status(), 200);
    assert_refused(
        &send(from_greedy(follow())).await,
        "this client has too many open streams of events; close some, or read the status instead",
    );
    let other = from_other(follow()).send().await.unwrap();
    assert_eq!(other.status(), 200);
    service.complete(id, b"calendar").await;
    stream.bytes().await.unwrap();
    assert_is_answered_again(follow).await;
}

#[tokio::test]
async fn the_waiting_requests_of_one_client_leave_places_for_those_of_others() {
    let service = start(&["--max-waiting-requests=4"]).await;
    let wait = |seconds: u8| {
        let request = service.request("POST", ICAL).json(&json!({}));
        request.header("Prefer", format!("wait={seconds}"))
    };
    let waiting = tokio::spawn(from_greedy(wait(20)).send());
    eventually("the first request has created its job", async || {
        service.count("calendar_jobs").await == 1
    })
    .await;
    assert_refused(
        &send(from_greedy(wait(0))).await,
        "too many requests of this client wait for the end of their jobs, and no job was created; try again later, or without Prefer: wait",
    );
    assert_eq!(service.count("calendar_jobs").await, 1);
    assert_eq!(send(from_other(wait(0))).await.status, 202);
    waiting.abort();
    assert_is_answered_again(|| wait(0)).await;
}

#[tokio::test]
async fn with_a_share_of_100_percent_one_client_may_use_everything() {
    let service = Service::start_with(&["--trust-proxy", "--client-share=100", "--max-streams=2"]);
    let service = service.await;
    let id = service.new_job().await;
    let follow = || from_greedy(service.request("GET", &format!("{ICAL}/{id}/events"))).send();
    let streams = [follow().await.unwrap(), follow().await.unwrap()];
    assert!(streams.iter().all(|stream| stream.status() == 200));
    assert_eq!(follow().await.unwrap().status(), 503);
}
