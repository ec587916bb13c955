//! Long texts are compressed for clients that accept gzip.

use std::io::Read as _;

use flate2::read::GzDecoder;
use serde_json::{Value, json};

use crate::support::{ApiResponse, Service, execute, send};

const TODOS: &str = "/api/v1/todos";

async fn with_todos(count: u32) -> Service {
    let service = Service::start().await;
    execute(
        &service.pool,
        format!(
            "INSERT INTO todos (title) SELECT 'todo ' || n FROM generate_series(1, {count}) AS n"
        ),
    )
    .await;
    service
}

async fn get(service: &Service, path: &str, accepted: &str) -> ApiResponse {
    send(
        service
            .request("GET", path)
            .header("Accept-Encoding", accepted),
    )
    .await
}

/// Returns the JSON of a response, which must be gzipped and complete.
fn unzipped(response: &ApiResponse) -> Value {
    assert_eq!(response.header("content-encoding"), Some("gzip"));
    assert_eq!(response.header("vary"), Some("Accept-Encoding"));
    let mut json = String::new();
    GzDecoder::new(&response.bytes[..])
        .read_to_string(&mut json)
        .unwrap();
    serde_json::from_str(&json).unwrap()
}

#[tokio::test]
async fn a_list_is_compressed_if_the_client_accepts_gzip() {
    let service = with_todos(100).await;
    let path = format!("{TODOS}?limit=100");
    let plain = service.get(&path).await;
    let gzip = get(&service, &path, "br, gzip").await;
    assert_eq!(unzipped(&gzip), plain.json());
    assert!(gzip.bytes.len() * 5 < plain.bytes.len());
    for accepted in ["", "identity", "br", "gzip;q=0", "identity;q=0"] {
        let response = get(&service, &path, accepted).await;
        assert_eq!(response.header("content-encoding"), None, "{accepted}");
        assert_eq!(
            response.header("vary"),
            Some("Accept-Encoding"),
            "{accepted}"
        );
        assert_eq!(response.json(), plain.json(), "{accepted}");
    }
}

#[tokio::test]
async fn a_list_that_is_sent_while_it_is_read_is_compressed_completely() {
    let service = with_todos(5_500).await;
    let plain = service.get(TODOS).await;
    let gzip = get(&service, TODOS, "gzip").await;
    assert_eq!(gzip.header("transfer-encoding"), Some("chunked"));
    assert_eq!(unzipped(&gzip), plain.json());
    assert!(gzip.bytes.len() * 5 < plain.bytes.len());
}

#[tokio::test]
async fn the_headers_of_a_compressed_list_are_the_same_without_its_body() {
    let service = with_todos(100).await;
    let path = format!("{TODOS}?limit=100");
    let gzip = get(&service, &path, "gzip").await;
    let head = send(
        service
            .request("HEAD", &path)
            .header("Accept-Encoding", "gzip"),
    )
    .await;
    for name in ["content-encoding", "content-length", "content-type", "vary"] {
        assert_eq!(head.header(name), gzip.header(name), "{name}");
    }
    assert!(head.bytes.is_empty());
}

#[tokio::test]
async fn short_responses_and_responses_to_changes_are_not_compressed() {
    let service = with_todos(1).await;
    let short = get(&service, TODOS, "gzip").await;
    assert_eq!(short.header("content-encoding"), None);
    let (title, description) = ("🗓".repeat(80), "🗓".repeat(120));
    let todo = json!({"title": title, "description": description, "deadline_at": "2026-12-01T09:00:00.123456"});
    let change = service.request("POST", TODOS).json(&todo);
    let long = send(change.header("Accept-Encoding", "gzip")).await;
    assert_eq!(long.status, 201, "{}", long.text());
    assert!(long.bytes.len() > 900, "{}", long.text());
    assert_eq!(long.header("content-encoding"), None);
}

#[tokio::test]
async fn the_metrics_are_compressed_for_prometheus() {
    let service = Service::start().await;
    let plain = service.get("/metrics").await;
    let gzip = get(&service, "/metrics", "gzip").await;
    assert_eq!(gzip.header("content-encoding"), Some("gzip"));
    assert!(gzip.bytes.len() < plain.bytes.len());
}
