//! The secrets of receivers: what the command prints, and what requests are signed with.

use std::process::{Command, Output};

use api::events::payload::Payload;
use api::events::receiver_kind::ReceiverKind;
use api::events::webhook::Webhooks;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::support::config;
use crate::support::receiver::{Received, Receiver};
use crate::webhooks::{PATIENCE, payload};

const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Runs `taskoverflow-api webhook-secret`, with no other settings than these.
fn run(settings: &[(&str, &str)], url: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_taskoverflow-api"))
        .env_clear()
        .envs(settings.iter().copied())
        .args(["webhook-secret", url])
        .output()
        .unwrap()
}

/// Returns the lines that the command prints.
fn secrets(settings: &[(&str, &str)], url: &str) -> Vec<String> {
    let output = run(settings, url);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// Returns the signature that a receiver expects, which knows this secret.
fn expected(secret: &str, request: &Received) -> String {
    let key = BASE64_STANDARD.decode(secret.strip_prefix("whsec_").unwrap());
    let mut mac = Hmac::<Sha256>::new_from_slice(&key.unwrap()).unwrap();
    let header = |name| request.header(name).unwrap();
    let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
    mac.update(format!("{id}.{timestamp}.{}", request.body).as_bytes());
    format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
}

async fn send(webhooks: &Webhooks, receiver: &Receiver) -> Received {
    let payload: Payload = payload();
    let body = serde_json::to_string(&payload).unwrap();
    webhooks
        .send(
            &format!("own:{}", receiver.url()),
            ReceiverKind::Own,
            &payload,
            body,
        )
        .await
        .unwrap();
    receiver.received().pop().unwrap()
}

#[tokio::test]
async fn the_printed_secrets_verify_the_requests_to_this_receiver_and_to_no_other() {
    let both = format!("{OLD} {NEW}");
    let (one, other) = (Receiver::start().await, Receiver::start().await);
    let urls = format!("--webhook-urls={} {}", one.url(), other.url());
    let config = config(
        "postgres://nowhere/none",
        &["--webhook-secret", &both, &urls],
    );
    let webhooks = Webhooks::new(&config.events, PATIENCE).unwrap();
    let request = send(&webhooks, &one).await;
    let printed = secrets(&[("WEBHOOK_SECRET", &both)], &one.url());
    let expected_signatures: Vec<_> = printed.iter().map(|one| expected(one, &request)).collect();
    let signatures = request.header("webhook-signature").unwrap();
    assert_eq!(signatures, expected_signatures.join(" "));

    let request = send(&webhooks, &other).await;
    let signatures = request.header("webhook-signature").unwrap();
    for secret in printed.iter().map(String::as_str).chain([OLD, NEW]) {
        assert!(!signatures.contains(&expected(secret, &request)));
    }
}

#[test]
fn each_secret_of_the_service_has_a_line_also_if_they_are_in_a_file() {
    let url = "https://example.org/hooks/calendar?token=x";
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    std::fs::write(path, format!("{OLD}\n{NEW}\n")).unwrap();
    let printed = secrets(&[("WEBHOOK_SECRET_FILE", path)], url);
    assert_eq!(printed.len(), 2);
    for (secret, line) in [OLD, NEW].iter().zip(&printed) {
        // an empty variable is one that is not set
        let settings = [("WEBHOOK_SECRET", *secret), ("WEBHOOK_SECRET_FILE", "")];
        assert_eq!(
            secrets(&settings, "https://EXAMPLE.org:443"),
            [line.as_str()]
        );
    }
}

#[test]
fn without_a_secret_or_a_url_the_command_says_what_is_missing() {
    for (settings, url, words) in [
        (&[][..], "https://example.org", "set WEBHOOK_SECRET or"),
        (
            &[("WEBHOOK_SECRET", "x")],
            "https://example.org",
            "openssl rand",
        ),
        (
            &[("WEBHOOK_SECRET_FILE", "/nonexistent")],
            "https://example.org",
            "WEBHOOK_SECRET_FILE: /nonexistent",
        ),
        (&[("WEBHOOK_SECRET", OLD)], "example.org", "must be a URL"),
    ] {
        let output = run(settings, url);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(output.stdout.is_empty());
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains(words), "{text}");
    }
}
