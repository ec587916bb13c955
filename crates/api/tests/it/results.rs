//! Downloads of finished calendars.

use std::io::{Read, Write};

use flate2::read::GzDecoder;
use serde_json::json;
use sha2::{Digest, Sha256};
use shared_model::job::JobId;

use crate::support::jobs::{gzip, quoted_sha256};
use crate::support::{ApiResponse, Service, execute, send};

async fn finished(calendar: &[u8]) -> (Service, String) {
    let service = Service::start().await;
    let id = service.new_job().await;
    service.complete(id, calendar).await;
    (service, path(id))
}

fn path(id: JobId) -> String {
    format!("/api/v1/todos/ical/{id}/result")
}

/// Returns a calendar of several parts. It does not repeat anything, so gzip does not shorten it.
fn very_long_calendar() -> Vec<u8> {
    (0..100_000_u64)
        .flat_map(|n| Sha256::digest(n.to_le_bytes()))
        .collect()
}

#[tokio::test]
async fn a_result_of_many_parts_is_sent_completely() {
    let calendar = very_long_calendar();
    let (service, path) = finished(&calendar).await;
    let plain = ask(&service, "GET", &path, &[]).await;
    assert!(plain.bytes == calendar);
    let gzipped = ask(&service, "GET", &path, &[("Accept-Encoding", "gzip")]).await;
    assert!(gzipped.bytes == gzip(&calendar));
    assert!(gzipped.bytes.len() > 1024 * 1024);
}

/// Parts that the client has not read yet are not read from the database either.
#[tokio::test]
async fn a_result_that_is_deleted_while_it_is_sent_is_recognisably_incomplete() {
    // longer than the buffers of a connection
    let calendar = very_long_calendar().repeat(6);
    for coding in ["identity", "gzip"] {
        let (service, path) = finished(&calendar).await;
        let request = service
            .request("GET", &path)
            .header("Accept-Encoding", coding);
        let mut response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(response.chunk().await.unwrap().is_some());
        execute(&service.pool, "DELETE FROM calendar_results").await;
        assert!(response.bytes().await.is_err(), "{coding}");
    }
}

/// Returns a compressible calendar that takes several steps to decompress.
fn long_calendar() -> Vec<u8> {
    let mut calendar = Vec::from(b"BEGIN:VCALENDAR\r\n");
    for n in 0..40_000_u64 {
        write!(calendar, "X-LINE:{n} {}\r\n", n * 2_654_435_761).unwrap();
    }
    calendar
}

async fn ask(service: &Service, method: &str, path: &str, headers: &[(&str, &str)]) -> ApiResponse {
    let mut request = service.request(method, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(request).await
}

#[tokio::test]
async fn a_result_is_sent_decompressed_if_the_client_does_not_accept_gzip() {
    let calendar = long_calendar();
    let (service, path) = finished(&calendar).await;
    for headers in [
        &[][..],
        &[("Accept-Encoding", "identity")],
        &[("Accept-Encoding", "gzip;q=0, br")],
    ] {
        let response = ask(&service, "GET", &path, headers).await;
        assert_eq!(response.status, 200);
        assert!(response.bytes == calendar);
        assert_eq!(
            response.header("content-type"),
            Some("text/calendar; charset=utf-8")
        );
        assert_eq!(
            response.header("content-length"),
            Some(calendar.len().to_string().as_str())
        );
        assert_eq!(response.header("content-encoding"), None);
        assert_eq!(
            response.header("content-disposition"),
            Some("attachment; filename=\"taskoverflow.ics\"")
        );
        assert_eq!(response.header("vary"), Some("Accept-Encoding"));
        assert_eq!(
            response.header("etag"),
            Some(quoted_sha256(&calendar).as_str())
        );
    }
}

#[tokio::test]
async fn a_result_is_sent_as_stored_if_the_client_accepts_gzip() {
    let calendar = long_calendar();
    let (service, path) = finished(&calendar).await;
    let response = ask(
        &service,
        "GET",
        &path,
        &[("Accept-Encoding", "gzip, deflate, br")],
    )
    .await;
    assert_eq!(response.status, 200);
    assert!(response.bytes == gzip(&calendar));
    let mut unpacked = Vec::new();
    GzDecoder::new(response.bytes.as_slice())
        .read_to_end(&mut unpacked)
        .unwrap();
    assert!(unpacked == calendar);
    assert_eq!(
        response.header("content-type"),
        Some("text/calendar; charset=utf-8")
    );
    assert_eq!(
        response.header("content-length"),
        Some(response.bytes.len().to_string().as_str())
    );
    assert_eq!(response.header("content-encoding"), Some("gzip"));
    assert_eq!(response.header("vary"), Some("Accept-Encoding"));
    assert_eq!(
        response.header("etag"),
        Some(quoted_sha256(&response.bytes).as_str())
    );
}

#[tokio::test]
async fn a_client_that_accepts_no_coding_gets_a_406() {
    let (service, path) = finished(b"BEGIN:VCALENDAR").await;
    let response = ask(&service, "GET", &path, &[("Accept-Encoding", "br, *;q=0")]).await;
    response.assert_problem(406, "the client accepts neither gzip nor identity encoding");
}

#[tokio::test]
async fn a_head_request_gets_the_headers_of_a_get_request_and_no_body() {
    let (service, path) = finished(&long_calendar()).await;
    for coding in ["identity", "gzip"] {
        let headers = [("Accept-Encoding", coding)];
        let get = ask(&service, "GET", &path, &headers).await;
        let head = ask(&service, "HEAD", &path, &headers).await;
        assert_eq!(head.status, 200);
        assert_eq!(head.bytes, b"");
        for name in [
            "content-type",
            "content-encoding",
            "content-length",
            "content-disposition",
            "etag",
            "vary",
            "cache-control",
        ] {
            assert_eq!(head.header(name), get.header(name), "{name}");
        }
    }
    // the connection is still usable
    assert_eq!(ask(&service, "GET", &path, &[]).await.status, 200);
}

#[tokio::test]
async fn an_unchanged_result_is_a_304_and_is_not_read_again() {
    let (service, path) = finished(b"BEGIN:VCALENDAR").await;
    let mut etags = Vec::new();
    for coding in ["identity", "gzip"] {
        let response = ask(&service, "GET", &path, &[("Accept-Encoding", coding)]).await;
        etags.push((coding, response.header("etag").unwrap().to_owned()));
    }
    assert_ne!(etags[0].1, etags[1].1);
    // damaged, so that reading it would fail
    execute(
        &service.pool,
        "UPDATE calendar_results SET content = '\\x00'",
    )
    .await;
    for (coding, etag) in &etags {
        for tags in [etag.clone(), format!("\"a\", W/{etag}"), "*".to_owned()] {
            for method in ["GET", "HEAD"] {
                let response = ask(
                    &service,
                    method,
                    &path,
                    &[("Accept-Encoding", coding), ("If-None-Match", &tags)],
                )
                .await;
                assert_eq!(response.status, 304);
                assert_eq!(response.bytes, b"");
                assert_eq!(response.header("etag"), Some(etag.as_str()));
                assert_eq!(response.header("vary"), Some("Accept-Encoding"));
            }
        }
        let other = etags.iter().find(|(other, _)| other != coding).unwrap();
        let response = ask(
            &service,
            "HEAD",
            &path,
            &[("Accept-Encoding", coding), ("If-None-Match", &other.1)],
        )
        .await;
        assert_eq!(response.status, 200, "an ETag belongs to one coding");
    }
}

#[tokio::test]
async fn an_unfinished_result_says_when_to_try_again() {
    let service = Service::start().await;
    let id = service.new_job().await;
    for status in ["PENDING", "STARTED"] {
        let response = service.get(&path(id)).await;
        response.assert_problem(404, "Task not finished");
        assert_eq!(response.header("retry-after"), Some("1"));
        assert_eq!(response.header("cache-control"), Some("no-store"));
        assert_eq!(response.json()["task_status"], status);
        if status == "PENDING" {
            service.claim(id).await;
        }
    }
}

#[tokio::test]
async fn a_failed_job_has_no_result_and_says_why() {
    let service = Service::start().await;
    let id = service.new_job().await;
    service.fail(id, true).await;
    let response = service.get(&path(id)).await;
    response.assert_problem(409, "Task failed");
    assert_eq!(response.json()["detail"], "it took too long");
    assert_eq!(response.json()["task_status"], "FAILURE");
    assert_eq!(
        response.json()["task_error"],
        json!({"code": "timeout", "detail": "it took too long"})
    );
}

#[tokio::test]
async fn a_damaged_result_is_recognisably_incomplete() {
    let calendar = long_calendar();
    let (service, path) = finished(&calendar).await;
    execute(
        &service.pool,
        "UPDATE calendar_results SET content = substring(content FOR length(content) / 2)",
    )
    .await;
    let response = service.request("GET", &path).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.bytes().await.is_err());
}
