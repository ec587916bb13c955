//! Which URLs a client may name.

use serde_json::{Value, json};

use super::{JOBS, SECRET, service_for};
use crate::support::{ApiResponse, Service, send};

/// Checks that a request was refused because of its `callback_url`, with these words.
#[track_caller]
fn assert_refused(response: &ApiResponse, words: &str) {
    assert_eq!(response.status, 422, "{}", response.text());
    assert_eq!(
        response.header("content-type"),
        Some("application/problem+json")
    );
    assert!(response.text().contains(words), "{}", response.text());
}

#[tokio::test]
async fn a_callback_url_that_can_not_be_used_is_refused_with_what_to_do() {
    let service = service_for(&[]).await;
    for (url, words) in [
        ("http://example.org/", "must begin with https://"),
        (
            "https://169.254.169.254/",
            "which is no address on the Internet",
        ),
        ("https://[::ffff:10.0.0.1]/", "WEBHOOK_ALLOWED_HOSTS"),
        (
            "https://me:secret@example.org/",
            "must not contain a user name",
        ),
        ("nowhere", "must be a URL"),
    ] {
        let response = service.post(JOBS, &json!({ "callback_url": url })).await;
        assert_refused(&response, words);
        assert!(
            !response.text().contains("me:secret"),
            "{}",
            response.text()
        );
    }
    let number = service.post(JOBS, &json!({ "callback_url": 5 })).await;
    assert_eq!(number.status, 400, "{}", number.text());
    let in_query = format!("{JOBS}?callback_url=https://example.org/");
    let response = service.post(&in_query, &json!({})).await;
    assert_eq!(response.status, 400);
    assert!(response.text().contains("belongs in the body"));
    let feed = json!({ "callback_url": "https://example.org/" });
    let response = service.post("/api/v1/calendar/feeds", &feed).await;
    assert_eq!(response.status, 400, "a feed is no job");
    for allowed in ["127.0.0.1", "127.0.0.1:6400"] {
        let allowed = format!("--webhook-allowed-hosts={allowed}");
        let urls = "--webhook-urls=http://127.0.0.1:5432/hook";
        let service = Service::start_with(&[SECRET, urls, &allowed]).await;
        for url in ["http://127.0.0.1:5432/", "http://127.0.0.1:5432/hook"] {
            let response = service.post(JOBS, &json!({ "callback_url": url })).await;
            assert_refused(&response, "must begin with https://");
        }
    }
    assert_eq!(service.count("calendar_jobs").await, 0);

    let disabled = Service::start().await;
    let response = disabled
        .post(JOBS, &json!({ "callback_url": "https://example.org/" }))
        .await;
    assert_refused(&response, "WEBHOOK_SECRET");
}

#[tokio::test]
async fn a_key_that_is_used_with_another_callback_url_is_refused() {
    let service = service_for(&[]).await;
    let post = async |url: Value| -> ApiResponse {
        let request = service.request("POST", JOBS).header("Idempotency-Key", "k");
        send(request.json(&json!({ "callback_url": url }))).await
    };
    let first = post(json!("https://example.org/a")).await;
    let again = post(json!("https://EXAMPLE.org/a")).await;
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (202, 202));
    assert_eq!(first.json()["task_id"], again.json()["task_id"]);
    for other in [json!("https://example.org/b"), json!(null)] {
        let response = post(other).await;
        assert_eq!(response.status, 422);
        assert!(
            response
                .text()
                .contains("Idempotency-Key was used for a different request")
        );
    }
    assert_eq!(service.count("calendar_jobs").await, 1);
}
