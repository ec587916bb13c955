//! Requests to webhooks: where they may go, what they say, and what counts as delivered.

use std::time::Duration;

use api::events::payload::Payload;
use api::events::receiver_kind::ReceiverKind;
use api::events::send_error::SendError;
use api::events::webhook::Webhooks;
use serde_json::json;
use shared_model::event_deliveries::Delivery;
use shared_model::job::JobId;

use crate::support::config;
use crate::support::receiver::{Behaviour, Receiver};

/// Longer than any receiver of these tests needs that answers at all.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);
/// Shorter than receivers that do not answer make the tests wait.
const IMPATIENCE: Duration = Duration::from_millis(500);
const SECRET: &str = "--webhook-secret=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn webhooks(timeout: Duration, flags: &[&str]) -> Webhooks {
    let flags = [&[SECRET], flags].concat();
    let config = config("postgres://nowhere/none", &flags);
    assert_eq!(config.problems(), [""; 0]);
    Webhooks::new(&config.events, timeout).unwrap()
}

fn allowed(hosts: &str) -> String {
    format!("--webhook-allowed-hosts={hosts}")
}

pub(crate) fn payload() -> Payload {
    let id = JobId::new();
    let delivery = Delivery {
        id: 1,
        job_id: id,
        event_id: format!("{id}_3"),
        destination: String::new(),
        receiver: String::new(),
        event: json!({
            "task_id": id, "task_status": "SUCCESS", "attempt": 1, "error": null, "skipped_count": 2,
            "created_at": "2026-11-22T15:30:00+00:00", "started_at": "2026-11-22T15:30:01+00:00",
            "finished_at": "2026-11-22T15:30:02+00:00", "expires_at": "2026-11-23T15:30:02+00:00",
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        }),
        attempt: 1,
        tried_for: std::time::Duration::ZERO,
        version: 1,
    };
    Payload::of(&delivery).unwrap()
}

async fn send(webhooks: &Webhooks, destination: &str) -> Result<(), SendError> {
    let payload = payload();
    let body = serde_json::to_string(&payload).unwrap();
    webhooks
        .send(destination, ReceiverKind::Other, &payload, body)
        .await
}

/// Sends an event to a receiver that behaves like this, and returns why that failed.
async fn failure(timeout: Duration, behaviour: Behaviour) -> SendError {
    let receiver = Receiver::start().await;
    receiver.always(behaviour);
    let webhooks = webhooks(timeout, &[&allowed(&receiver.address())]);
    send(&webhooks, &receiver.url()).await.unwrap_err()
}

#[tokio::test]
async fn a_request_carries_the_event_and_is_accepted_with_any_status_of_success() {
    let receiver = Receiver::start().await;
    receiver.then([Behaviour::status("204 No Content")]);
    let webhooks = webhooks(PATIENCE, &[&allowed(&receiver.address())]);
    send(&webhooks, &receiver.url()).await.unwrap();
    let [request] = receiver.received().try_into().unwrap();
    assert!(request.head.starts_with("POST /hook?a=b HTTP/1.1\r\n"));
    let authority = receiver.url();
    let authority = authority.split('/').nth(2);
    assert_eq!(request.header("host"), authority);
    assert_eq!(request.header("content-type"), Some("application/json"));
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    assert_eq!(request.header("traceparent"), Some(trace));
    let event = request.json();
    assert_eq!(event["type"], "job.succeeded");
    assert_eq!(event["data"]["skipped_count"], 2);
    assert_eq!(request.header("webhook-id"), event["id"].as_str());
}

#[tokio::test]
async fn other_statuses_are_failures_and_410_ends_the_delivery() {
    for status in [
        "400 Bad Request",
        "404 Not Found",
        "503 Service Unavailable",
    ] {
        let error = failure(PATIENCE, Behaviour::status(status)).await;
        assert_eq!(error, SendError::Failed(format!("it answered {status}")));
    }
    let error = failure(PATIENCE, Behaviour::status("410 Gone")).await;
    assert!(matches!(error, SendError::Unwanted(_)), "{error}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = Receiver::start().await;
    for location in ["http://169.254.169.254/latest/meta-data/", &target.url()] {
        let error = failure(PATIENCE, Behaviour::redirect(location)).await;
        let text = error.to_string();
        assert!(
            text.contains("302 Found: redirects are not followed"),
            "{text}"
        );
    }
    assert_eq!(target.received().len(), 0);
}

#[tokio::test]
async fn a_receiver_that_hangs_or_answers_byte_by_byte_is_left_after_a_while() {
    for behaviour in [Behaviour::Hang, Behaviour::Drip] {
        let error = failure(IMPATIENCE, behaviour).await;
        assert_eq!(error.to_string(), "it did not answer within 0.5 s");
    }
}

#[tokio::test]
async fn a_response_whose_head_never_ends_is_not_read_for_long() {
    let error = failure(PATIENCE, Behaviour::Flood).await;
    assert!(error.to_string().starts_with("no response: "), "{error}");
    let error = failure(PATIENCE, Behaviour::Answer("SSH-2.0-x\r\n".to_owned())).await;
    assert!(error.to_string().starts_with("no response: "), "{error}");
}

#[tokio::test]
async fn a_url_that_is_not_allowed_any_more_gets_no_request() {
    let receiver = Receiver::start().await;
    let webhooks = webhooks(PATIENCE, &[]);
    let error = send(&webhooks, &receiver.url()).await.unwrap_err();
    assert!(
        error.to_string().contains("WEBHOOK_ALLOWED_HOSTS"),
        "{error}"
    );
    assert_eq!(receiver.received().len(), 0);
}

#[tokio::test]
async fn only_exactly_the_urls_in_the_settings_and_the_named_ports_are_open() {
    let (own, named, other) = (
        Receiver::start().await,
        Receiver::start().await,
        Receiver::start().await,
    );
    let urls = format!("--webhook-urls={}", own.url());
    let webhooks = webhooks(PATIENCE, &[&urls, &allowed(&named.address())]);
    send(&webhooks, &format!("own:{}", own.url()))
        .await
        .unwrap();
    send(&webhooks, &named.url()).await.unwrap();
    let removed = send(&webhooks, &format!("own:{}", other.url())).await;
    let removed = removed.unwrap_err().to_string();
    assert!(removed.contains("not in WEBHOOK_URLS"), "{removed}");
    // a client's: the URL in the settings, another at its host and port, and another port of the named host
    let beside_own = own.url().replace("/hook", "/admin");
    for url in [own.url(), beside_own, other.url(), own.url_at("localhost")] {
        let error = send(&webhooks, &url).await.unwrap_err().to_string();
        assert!(error.contains("WEBHOOK_ALLOWED_HOSTS"), "{url}: {error}");
    }
    let requests = [&own, &named, &other].map(|one| one.received().len());
    assert_eq!(requests, [1, 1, 0]);
}

#[tokio::test]
async fn hosts_that_can_not_be_resolved_or_reached_are_failures() {
    // a port that was free a moment ago
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let allowed = allowed(&format!("{address},nowhere.invalid"));
    let webhooks = webhooks(PATIENCE, &[&allowed]);
    let error = send(&webhooks, "https://nowhere.invalid/")
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("nowhere.invalid can't be resolved"),
        "{error}"
    );
    let error = send(&webhooks, &format!("http://{address}/"))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("no connection to 127.0.0.1"),
        "{error}"
    );
}

#[tokio::test]
async fn the_secret_in_a_file_is_read_for_each_request() {
    let receiver = Receiver::start().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let secrets = [
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    ];
    std::fs::write(path, format!("whsec_{}\n", secrets[0])).unwrap();
    let allowed = allowed(&receiver.address());
    let flags = ["--webhook-secret-file", path, &allowed];
    let config = config("postgres://nowhere/none", &flags);
    let webhooks = Webhooks::new(&config.events, PATIENCE).unwrap();
    let both = format!("whsec_{} whsec_{}", secrets[0], secrets[1]);
    for (content, signatures) in [(None, 1), (Some(both.as_str()), 2)] {
        if let Some(content) = content {
            std::fs::write(path, content).unwrap();
        }
        send(&webhooks, &receiver.url()).await.unwrap();
        let requests = receiver.received();
        let signature = requests
            .last()
            .unwrap()
            .header("webhook-signature")
            .unwrap();
        assert_eq!(signature.split(' ').count(), signatures);
    }
    std::fs::write(path, "").unwrap();
    let error = send(&webhooks, &receiver.url()).await.unwrap_err();
    assert!(
        error.to_string().starts_with("WEBHOOK_SECRET_FILE"),
        "{error}"
    );
}
