//! Completion events of a running service, from the request of a job to the receivers.
//!
//! # Layout
//! - `callback_urls`: which URLs a client may name
//! - `slow_receivers`: receivers that do not answer delay nobody else
//! - `operators`: what operators see and do

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use local_services::testing::eventually;
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use sha2::Sha256;
use shared_model::job::JobId;
use shared_model::job_store::failed::{self, Redriver};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::support::process::Process;
use crate::support::receiver::{Behaviour, Received, Receiver};
use crate::support::{Service, database, execute};

mod callback_urls;
mod operators;
mod slow_receivers;

const KEY: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const SECRET: &str = "--webhook-secret=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const JOBS: &str = "/api/v1/todos/ical";

/// Starts a service whose clients may name these receivers.
async fn service_for(receivers: &[&Receiver]) -> Service {
    Service::start_with(&[SECRET, &allowed(receivers)]).await
}

fn allowed<'a>(receivers: impl IntoIterator<Item = &'a &'a Receiver>) -> String {
    let addresses: Vec<_> = receivers.into_iter().map(|one| one.address()).collect();
    format!("--webhook-allowed-hosts={}", addresses.join(","))
}

/// Creates a job, and returns its id.
async fn accept(service: &Service, callback_url: &str) -> JobId {
    let body = json!({ "callback_url": callback_url });
    let response = service.post(JOBS, &body).await;
    assert_eq!(response.status, 202, "{}", response.text());
    JobId(serde_json::from_value(response.json()["task_id"].clone()).unwrap())
}

/// Ends a job that waits, like a client.
async fn cancel(service: &Service, id: JobId) {
    let response = service.delete(&format!("{JOBS}/{id}")).await;
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(response.json()["task_status"], "REVOKED");
}

async fn wait_until_none_is_left(service: &Service) {
    eventually("all events are delivered", async || {
        service.count("event_deliveries").await == 0
    })
    .await;
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// Checks the signature as the specification tells receivers to.
fn assert_signed(scheme: &str, request: &Received) {
    let header = |name| request.header(name).unwrap();
    let receiver = format!("taskoverflow webhook {scheme}://{}", header("host"));
    let key = hmac(&BASE64_STANDARD.decode(KEY).unwrap(), &receiver);
    let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
    let expected =
        BASE64_STANDARD.encode(hmac(&key, &format!("{id}.{timestamp}.{}", request.body)));
    assert_eq!(header("webhook-signature"), format!("v1,{expected}"));
    let sent: u64 = header("webhook-timestamp").parse().unwrap();
    let now = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_secs();
    assert!(now.abs_diff(sent) < 300, "receivers refuse old requests");
}

#[tokio::test]
async fn the_end_of_a_job_is_told_to_its_callback_url_with_a_signature() {
    let receiver = Receiver::start().await;
    let service = service_for(&[&receiver]).await;
    let id = accept(&service, &receiver.url()).await;
    assert_eq!(receiver.received().len(), 0);
    cancel(&service, id).await;
    let [request] = receiver.wait_for(1).await.try_into().unwrap();
    assert_signed("http", &request);
    let event = request.json();
    assert_eq!(event["type"], "job.revoked");
    assert_eq!(event["data"]["task_id"], id.to_string());
    let status = service.get(&format!("{JOBS}/{id}/status")).await.json();
    for member in [
        "task_status",
        "created_at",
        "finished_at",
        "expires_at",
        "attempt",
    ] {
        assert_eq!(event["data"][member], status[member], "{member}");
    }
    wait_until_none_is_left(&service).await;
}

#[tokio::test]
async fn configured_webhooks_are_told_of_every_job() {
    let (one, other) = (Receiver::start().await, Receiver::start().await);
    let urls = format!("--webhook-urls={} {}", one.url(), other.url());
    let service = Service::start_with(&[SECRET, &urls, &allowed(&[&one])]).await;
    let id = service.new_job().await;
    cancel(&service, id).await;
    let with_callback = accept(&service, &one.url()).await;
    cancel(&service, with_callback).await;
    wait_until_none_is_left(&service).await;
    for receiver in [&one, &other] {
        let mut told: Vec<_> = receiver
            .received()
            .iter()
            .map(|request| {
                request.json()["data"]["task_id"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        told.sort_unstable();
        assert_eq!(
            told,
            [id.to_string(), with_callback.to_string()],
            "each once"
        );
    }
}

#[tokio::test]
async fn a_receiver_that_fails_gets_the_events_of_a_job_again_and_in_order() {
    let receiver = Receiver::start().await;
    let service = service_for(&[&receiver]).await;
    receiver.then([
        Behaviour::status("500 Internal Server Error"),
        Behaviour::status("503 x"),
    ]);
    let id = accept(&service, &receiver.url()).await;
    let fail = format!(
        "UPDATE calendar_jobs SET status = 'FAILURE', finished_at = now() WHERE id = '{id}'"
    );
    execute(&service.pool, fail).await;
    let redrive = service
        .pool
        .run(move |c| failed::redrive(c, &[id], &Redriver::Command));
    assert_eq!(redrive.await.unwrap(), [id]);
    cancel(&service, id).await;
    let requests = receiver.wait_for(4).await;
    let seen: Vec<_> = requests
        .iter()
        .map(|request| {
            request.json()["data"]["task_status"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(seen, ["FAILURE", "FAILURE", "FAILURE", "REVOKED"]);
    let ids: Vec<_> = requests
        .iter()
        .map(|request| request.header("webhook-id"))
        .collect();
    assert!(
        ids[0] == ids[1] && ids[1] == ids[2] && ids[2] != ids[3],
        "{ids:?}"
    );
    assert_eq!(requests[0].body, requests[2].body);
    for request in &requests {
        assert_signed("http", request);
    }
    wait_until_none_is_left(&service).await;
}

#[tokio::test]
async fn an_event_of_a_process_that_is_killed_after_the_delivery_arrives_again_with_the_same_id() {
    let (url, receiver) = (database(), Receiver::start().await);
    let allowed = receiver.address();
    let settings = [
        ("DATABASE_URL", url.as_str()),
        ("WEBHOOK_SECRET", &SECRET["--webhook-secret=".len()..]),
        ("WEBHOOK_ALLOWED_HOSTS", allowed.as_str()),
    ];
    receiver.then([Behaviour::Hang]);
    let killed = Process::start(&settings, "ready");
    let client = reqwest::Client::new();
    let jobs = format!("{}{JOBS}", killed.url);
    let body = json!({ "callback_url": receiver.url() });
    let job: Value = client
        .post(&jobs)
        .json(&body)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let job = job["task_id"].as_str().unwrap();
    client.delete(format!("{jobs}/{job}")).send().await.unwrap();
    receiver.wait_for(1).await;
    drop(killed);

    let _heir = Process::start(&settings, "ready");
    let pool = crate::support::pool(&crate::support::config(&url, &[]));
    execute(&pool, "UPDATE event_deliveries SET due_at = now()").await;
    let requests = receiver.wait_for(2).await;
    assert_eq!(
        requests[0].header("webhook-id"),
        requests[1].header("webhook-id")
    );
    assert_eq!(requests[0].body, requests[1].body);
    for request in &requests {
        assert_signed("http", request);
    }
}

/// A receiver for `localhost` with TLS, and its certificate.
async fn start_with_tls() -> (Receiver, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let receiver = Receiver::start_with_tls(TlsAcceptor::from(Arc::new(config))).await;
    (receiver, certificate.pem())
}

#[tokio::test]
async fn a_receiver_with_https_needs_a_certificate_for_its_name_from_an_authority_of_the_system() {
    let (url, folder) = (database(), tempfile::tempdir().unwrap());
    let (trusted, pem) = start_with_tls().await;
    let (other, _) = start_with_tls().await;
    let ports = [&trusted, &other].map(|one| one.address().replace("127.0.0.1", "localhost"));
    let allowed = format!("{},{}", trusted.address(), ports.join(","));
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, pem).unwrap();
    let process = Process::start(
        &[
            ("DATABASE_URL", url.as_str()),
            ("WEBHOOK_SECRET", &SECRET["--webhook-secret=".len()..]),
            ("WEBHOOK_ALLOWED_HOSTS", allowed.as_str()),
            ("SSL_CERT_FILE", roots.to_str().unwrap()),
        ],
        "ready",
    );
    let client = reqwest::Client::new();
    let jobs = format!("{}{JOBS}", process.url);
    for url in [
        trusted.url_at("localhost"),
        trusted.url(),
        other.url_at("localhost"),
    ] {
        let job = client.post(&jobs).json(&json!({ "callback_url": url }));
        let job: Value = job.send().await.unwrap().json().await.unwrap();
        let job = job["task_id"].as_str().unwrap();
        client.delete(format!("{jobs}/{job}")).send().await.unwrap();
    }
    assert_signed("https", &trusted.wait_for(1).await[0]);
    let pool = crate::support::pool(&crate::support::config(&url, &[]));
    let errors = async || {
        use diesel::prelude::*;
        use shared_model::schema::event_deliveries::dsl;
        let query = |connection: &mut diesel::PgConnection| {
            let errors = dsl::event_deliveries.select(dsl::last_error).order(dsl::id);
            Ok::<Vec<Option<String>>, shared_model::database::DatabaseError>(
                errors.load(connection)?,
            )
        };
        pool.run(query).await.unwrap()
    };
    eventually("both others have failed", async || {
        let errors: Vec<_> = errors().await.into_iter().flatten().collect();
        errors.len() == 2
            && errors[0].contains("no TLS connection to 127.0.0.1: invalid peer certificate")
            && errors[1].contains("no TLS connection to localhost: invalid peer certificate")
    })
    .await;
    assert_eq!((trusted.received().len(), other.received().len()), (1, 0));
}
