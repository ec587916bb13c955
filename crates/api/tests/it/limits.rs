//! Clients that use more of the service than they may.

use std::io::ErrorKind;

use api::limits::SURPLUS_CONNECTIONS;
use local_services::testing::eventually;
use serde_json::{Value, json};
use shared_model::job::JobId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{ApiResponse, Service, execute, lock_todos, send};

const ICAL: &str = "/api/v1/todos/ical";

/// Sends `request` on a new connection.
async fn connect(service: &Service, request: &str) -> TcpStream {
    let host = service.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let request = request.replace("HOST", host);
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Sends `request` on a new connection, and returns everything that the server sends before it closes the connection.
pub(crate) async fn exchange(service: &Service, request: &str) -> String {
    let mut response = String::new();
    let mut stream = connect(service, request).await;
    stream.read_to_string(&mut response).await.unwrap();
    response
}

#[track_caller]
fn assert_refused(response: &ApiResponse, error: &str) {
    response.assert_problem(503, error);
    assert!(response.header("retry-after").is_some());
}

#[tokio::test]
async fn requests_on_more_connections_than_allowed_are_refused_except_probes() {
    let service = Service::start_with(&["--max-connections=1"]).await;
    let request = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: HOST\r\n\r\n");
    let response = exchange(&service, &request("/api/v1/todos")).await;
    assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
    assert!(response.contains("connection: close\r\n"), "{response}");
    assert!(response.contains("retry-after: 5\r\n"), "{response}");
    assert!(
        response.contains("too many clients are connected"),
        "{response}"
    );
    for path in [
        "/livez",
        "/readyz",
        "/startedz",
        "/metrics",
        "/api/v1/health",
    ] {
        // ends because the server closes the connection
        let response = exchange(&service, &request(path)).await;
        assert!(response.starts_with("HTTP/1.1 200 "), "{path}: {response}");
        assert!(response.contains("connection: close\r\n"), "{response}");
    }
    // the first connection is still open
    assert_eq!(service.get("/api/v1/todos").await.status, 200);
}

#[tokio::test]
async fn connections_that_not_even_probes_need_are_closed_at_once() {
    let service = Service::start_with(&["--max-connections=1", "--header-timeout=10m"]).await;
    let count = 2 * SURPLUS_CONNECTIONS.get();
    let mut silent = Vec::new();
    for _ in 0..count {
        silent.push(connect(&service, "GET").await);
    }
    eventually("the server keeps no more than it needs", async || {
        let is_open = |client: &TcpStream| {
            let read = client.try_read(&mut [0]);
            read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
        };
        let open = silent.iter().filter(|client| is_open(client)).count();
        // the connection of `service` may be one of those for which there is room
        (SURPLUS_CONNECTIONS.get()..=SURPLUS_CONNECTIONS.get() + 1).contains(&open)
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_ends_makes_room_for_another() {
    let service = Service::start_with(&["--max-connections=2"]).await;
    let open = "GET /api/v1/todos HTTP/1.1\r\nHost: HOST\r\n\r\n";
    let mut idle = connect(&service, open).await;
    let mut status = [0; 12];
    idle.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");

    let close = open.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    let response = exchange(&service, &close).await;
    assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
    drop(idle);
    eventually("there is room again", async || {
        let response = exchange(&service, &close).await;
        response.starts_with("HTTP/1.1 200 ")
    })
    .await;
}

#[tokio::test]
async fn more_requests_than_allowed_are_refused_except_probes() {
    let service = Service::start_with(&["--max-requests=1"]).await;
    let locked = lock_todos(&service).await;
    let blocked = tokio::spawn(service.request("GET", "/api/v1/todos").send());
    service.wait_until_blocked(1).await;
    let refused = service.get("/api/v1/todos/1").await;
    assert_refused(
        &refused,
        "too many requests are being handled; try again later",
    );
    assert_eq!(service.get("/readyz").await.status, 200);
    let metrics = service.get("/metrics").await;
    assert!(
        metrics
            .text()
            .contains(r#"refused_total{limit="requests"}"#),
        "{}",
        metrics.text()
    );
    locked.release().await;
    assert_eq!(blocked.await.unwrap().unwrap().status(), 200);
    eventually("the first request has ended", async || {
        service.get("/api/v1/todos/1").await.status == 404
    })
    .await;
}

#[tokio::test]
async fn more_streams_than_allowed_are_refused() {
    let service = Service::start_with(&["--max-streams=1", "--max-requests=1"]).await;
    let id = service.new_job().await;
    let path = format!("{ICAL}/{id}/events");
    let stream = service.request("GET", &path).send().await.unwrap();
    assert_eq!(stream.status(), 200);
    let refused =
        "too many streams of events are open; try again later, or read the status instead";
    assert_refused(&service.get(&path).await, refused);
    // a stream is not one of the requests that are being handled
    assert_eq!(
        service.get(&format!("{ICAL}/{id}/status")).await.status,
        200
    );
    service.complete(id, b"calendar").await;
    stream.bytes().await.unwrap();
    eventually("the first stream has ended", async || {
        service.get(&path).await.status == 200
    })
    .await;
}

#[tokio::test]
async fn more_waiting_requests_than_allowed_are_refused_and_create_no_job() {
    let service = Service::start_with(&["--max-waiting-requests=1", "--max-requests=1"]).await;
    let wait = || {
        let request = service.request("POST", ICAL).json(&json!({}));
        request.header("Prefer", "wait=20")
    };
    let waiting = tokio::spawn(wait().send());
    eventually("the first request has created its job", async || {
        service.count("calendar_jobs").await == 1
    })
    .await;
    let refused = "too many requests wait for the end of their jobs, and no job was created; try again later, or without Prefer: wait";
    assert_refused(&send(wait()).await, refused);
    assert_eq!(service.count("calendar_jobs").await, 1);

    let jobs = service.get(ICAL).await.json();
    let id = jobs[0]["task_id"].as_str().unwrap().parse().unwrap();
    service.complete(JobId(id), b"calendar").await;
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
    eventually("the first request has ended", async || {
        let request = service.request("POST", ICAL).json(&json!({}));
        send(request.header("Prefer", "wait=0")).await.status == 202
    })
    .await;
}

/// Creates things until the API refuses another one, and returns the refusal.
async fn create_until_refused(service: &Service, path: &str, body: &Value) -> ApiResponse {
    eventually("the API refuses another one", async || {
        !service.post(path, body).await.status.is_success()
    })
    .await;
    service.post(path, body).await
}

#[tokio::test]
async fn more_outstanding_jobs_than_allowed_are_refused_until_some_have_ended() {
    let service = Service::start_with(&["--max-outstanding-jobs=1"]).await;
    let refused = create_until_refused(&service, ICAL, &json!({})).await;
    assert_refused(
        &refused,
        "no more than 1 jobs may wait or run, and none was created; try again later",
    );
    let stored = service.count("calendar_jobs").await;
    assert_eq!(service.post(ICAL, &json!({})).await.status, 503);
    assert_eq!(service.count("calendar_jobs").await, stored);
    execute(&service.pool, "DELETE FROM calendar_jobs").await;
    eventually("jobs are accepted again", async || {
        service.post(ICAL, &json!({})).await.status == 202
    })
    .await;
}

#[tokio::test]
async fn more_todos_and_feeds_than_allowed_are_refused_until_some_are_deleted() {
    let service = Service::start_with(&["--max-todos=1", "--max-feeds=1"]).await;
    for (path, table, body, error) in [
        (
            "/api/v1/todos",
            "todos",
            json!({"title": "a"}),
            "no more than 1 todos can be stored; delete some first",
        ),
        (
            "/api/v1/calendar/feeds",
            "calendar_feeds",
            json!({}),
            "no more than 1 feeds can be stored; delete some first",
        ),
    ] {
        create_until_refused(&service, path, &body)
            .await
            .assert_problem(409, error);
        let stored = service.count(table).await;
        assert_eq!(service.post(path, &body).await.status, 409);
        assert_eq!(service.count(table).await, stored);
        execute(&service.pool, format!("DELETE FROM {table}")).await;
        eventually("another one can be created", async || {
            service.post(path, &body).await.status == 201
        })
        .await;
    }
}

#[tokio::test]
async fn nothing_is_stored_while_the_storage_is_full() {
    let service = Service::start_with(&["--max-stored-mib=0"]).await;
    let refused = "the storage of the service is full, so it stores nothing; tell its operators, who have to make room";
    let todo = json!({"title": "a"});
    let first = create_until_refused(&service, "/api/v1/todos", &todo).await;
    first.assert_problem(503, refused);
    // waiting does not help
    assert_eq!(first.header("retry-after"), None);
    let todos = service.count("todos").await;
    for (path, body) in [
        (ICAL, json!({})),
        ("/api/v1/todos", todo),
        ("/api/v1/calendar/feeds", json!({})),
    ] {
        let response = service.post(path, &body).await;
        response.assert_problem(503, refused);
    }
    assert_eq!(service.count("todos").await, todos);
    assert_eq!(service.get("/api/v1/todos").await.status, 200);
}
