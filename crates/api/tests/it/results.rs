use std::io::{Read, Write};

use flate2::read::GzDecoder;
use serde_json::json;
use sha2::{Digest, Sha256};
use shared_model::job::JobId;

use crate::support::jobs::{gzip, quoted_sha256};
use crate::support::{Answer, Service, execute, send};

async fn finished(calendar: &[u8]) -> (Service, String) {
    let service = Service::start().await;
    let id = service.new_job().await;
    service.complete(id, calendar).await;
    (service, path(id))
}

fn path(id: JobId) -> String {
    format!("/api/v1/todos/ical/{id}/result")
}

/// Several parts long even when it is gzipped, as it repeats nothing.
fn very_long_calendar() -> Vec<u8> {
    (0..100_000_u64)
        .flat_map(|n| Sha256::digest(n.to_le_bytes()))
        .collect()
}

#[tokio::test]
async fn a_result_of_many_parts_arrives_whole() {
    let calendar = very_long_calendar();
    let (service, path) = finished(&calendar).await;
    let plain = ask(&service, "GET", &path, &[]).await;
    assert!(plain.bytes == calendar);
    let gzipped = ask(&service, "GET", &path, &[("Accept-Encoding", "gzip")]).await;
    assert!(gzipped.bytes == gzip(&calendar));
    assert!(gzipped.bytes.len() > 1024 * 1024);
}

/// What a client has not read yet is not read from the table either.
#[tokio::test]
async fn a_result_that_goes_away_while_it_is_sent_is_never_taken_for_whole() {
    // more than fits into the buffers of a connection
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

/// Several steps long, and compressible.
fn long_calendar() -> Vec<u8> {
    let mut calendar = Vec::from(b"BEGIN:VCALENDAR\r\n");
    for n in 0..40_000_u64 {
        write!(calendar, "X-LINE:{n} {}\r\n", n * 2_654_435_761).unwrap();
    }
    calendar
}

async fn ask(service: &Service, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = service.request(method, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(request).await
}

#[tokio::test]
async fn a_result_is_sent_as_it_is_to_who_accepts_no_coding() {
    let calendar = long_calendar();
    let (service, path) = finished(&calendar).await;
    for headers in [
        &[][..],
        &[("Accept-Encoding", "identity")],
        &[("Accept-Encoding", "gzip;q=0, br")],
    ] {
        let answer = ask(&service, "GET", &path, headers).await;
        assert_eq!(answer.status, 200);
        assert!(answer.bytes == calendar);
        assert_eq!(
            answer.header("content-type"),
            Some("text/calendar; charset=utf-8")
        );
        assert_eq!(
            answer.header("content-length"),
            Some(calendar.len().to_string().as_str())
        );
        assert_eq!(answer.header("content-encoding"), None);
        assert_eq!(
            answer.header("content-disposition"),
            Some("attachment; filename=\"taskoverflow.ics\"")
        );
        assert_eq!(answer.header("vary"), Some("Accept-Encoding"));
        assert_eq!(
            answer.header("etag"),
            Some(quoted_sha256(&calendar).as_str())
        );
    }
}

#[tokio::test]
async fn a_result_is_sent_as_it_is_stored_to_who_accepts_gzip() {
    let calendar = long_calendar();
    let (service, path) = finished(&calendar).await;
    let answer = ask(
        &service,
        "GET",
        &path,
        &[("Accept-Encoding", "gzip, deflate, br")],
    )
    .await;
    assert_eq!(answer.status, 200);
    assert!(answer.bytes == gzip(&calendar));
    let mut unpacked = Vec::new();
    GzDecoder::new(answer.bytes.as_slice())
        .read_to_end(&mut unpacked)
        .unwrap();
    assert!(unpacked == calendar);
    assert_eq!(
        answer.header("content-type"),
        Some("text/calendar; charset=utf-8")
    );
    assert_eq!(
        answer.header("content-length"),
        Some(answer.bytes.len().to_string().as_str())
    );
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    assert_eq!(answer.header("vary"), Some("Accept-Encoding"));
    assert_eq!(
        answer.header("etag"),
        Some(quoted_sha256(&answer.bytes).as_str())
    );
}

#[tokio::test]
async fn a_client_that_refuses_every_coding_is_told() {
    let (service, path) = finished(b"BEGIN:VCALENDAR").await;
    let answer = ask(&service, "GET", &path, &[("Accept-Encoding", "br, *;q=0")]).await;
    answer.assert_problem(406, "the result can be sent gzipped or as it is");
}

#[tokio::test]
async fn a_head_has_the_headers_of_a_get_and_no_body() {
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
    // the connection is still in step
    assert_eq!(ask(&service, "GET", &path, &[]).await.status, 200);
}

#[tokio::test]
async fn a_result_that_the_client_has_is_not_read_again() {
    let (service, path) = finished(b"BEGIN:VCALENDAR").await;
    let mut etags = Vec::new();
    for coding in ["identity", "gzip"] {
        let answer = ask(&service, "GET", &path, &[("Accept-Encoding", coding)]).await;
        etags.push((coding, answer.header("etag").unwrap().to_owned()));
    }
    assert_ne!(etags[0].1, etags[1].1);
    // whoever reads it now fails
    execute(
        &service.pool,
        "UPDATE calendar_results SET content = '\\x00'",
    )
    .await;
    for (coding, etag) in &etags {
        for tags in [etag.clone(), format!("\"a\", W/{etag}"), "*".to_owned()] {
            for method in ["GET", "HEAD"] {
                let answer = ask(
                    &service,
                    method,
                    &path,
                    &[("Accept-Encoding", coding), ("If-None-Match", &tags)],
                )
                .await;
                assert_eq!(answer.status, 304);
                assert_eq!(answer.bytes, b"");
                assert_eq!(answer.header("etag"), Some(etag.as_str()));
                assert_eq!(answer.header("vary"), Some("Accept-Encoding"));
            }
        }
        let other = etags.iter().find(|(other, _)| other != coding).unwrap();
        let answer = ask(
            &service,
            "HEAD",
            &path,
            &[("Accept-Encoding", coding), ("If-None-Match", &other.1)],
        )
        .await;
        assert_eq!(answer.status, 200, "an ETag belongs to one coding");
    }
}

#[tokio::test]
async fn a_result_that_is_not_there_yet_is_to_be_asked_for_again() {
    let service = Service::start().await;
    let id = service.new_job().await;
    for status in ["PENDING", "STARTED"] {
        let answer = service.get(&path(id)).await;
        answer.assert_problem(404, "Task not finished");
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.json()["task_status"], status);
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
    let answer = service.get(&path(id)).await;
    answer.assert_problem(409, "Task failed");
    assert_eq!(answer.json()["detail"], "it took too long");
    assert_eq!(answer.json()["task_status"], "FAILURE");
    assert_eq!(
        answer.json()["task_error"],
        json!({"code": "timeout", "detail": "it took too long"})
    );
}

#[tokio::test]
async fn a_result_that_is_damaged_is_never_taken_for_whole() {
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
