//! Completion events of a running service, from the request of a job to the receivers.

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

use crate::process::Process;
use crate::support::receiver::{Behaviour, Received, Receiver};
use crate::support::{ApiResponse, Service, database, execute, send, split_at};

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

/// Lets a job end as soon as its client wants it.
async fn end_job_for(service: &Service, callback_url: &str) {
    let id = accept(service, callback_url).await;
    cancel(service, id).await;
}

/// Stores events for each of the destinations, as if as many jobs had ended.
async fn store_events(service: &Service, count: usize, destinations: &[String]) {
    let destinations = destinations.join("','");
    let sql = format!(
        "INSERT INTO event_deliveries (job_id, event_id, destination, event)
         SELECT id, id || '_1', destination, jsonb_build_object(
             'task_id', id, 'task_status', 'REVOKED', 'attempt', 0, 'created_at', now(), 'finished_at', now(),
             'expires_at', now())
         FROM (SELECT gen_random_uuid() AS id, destination
               FROM unnest(ARRAY['{destinations}']) AS destination, generate_series(1, {count})) AS job"
    );
    execute(&service.pool, sql).await;
}

#[tokio::test]
async fn receivers_that_hang_delay_neither_jobs_nor_receivers_that_accept_events() {
    // more than may get events at the same time
    let mut hanging = Vec::new();
    for _ in 1..=140 {
        let receiver = Receiver::start().await;
        receiver.always(Behaviour::Hang);
        hanging.push(receiver);
    }
    let good = Receiver::start().await;
    let all: Vec<_> = hanging.iter().chain([&good]).collect();
    let service = service_for(&all).await;
    end_job_for(&service, &good.url()).await;
    good.wait_for(1).await;
    for receiver in &hanging {
        end_job_for(&service, &receiver.url()).await;
    }
    eventually("all places of unknown receivers are taken", async || {
        hanging.iter().filter(|one| one.most_open() > 0).count() >= 128
    })
    .await;
    for count in 2..5 {
        end_job_for(&service, &good.url()).await;
        good.wait_for(count).await;
    }
}

#[tokio::test]
async fn clients_receivers_that_have_become_slow_do_not_delay_the_webhooks_in_the_settings() {
    let own = Receiver::start().await;
    // more than may get all the events that proven receivers may get at the same time
    let mut slow = Vec::new();
    for _ in 0..9 {
        let receiver = Receiver::start().await;
        receiver.then([Behaviour::status("200 OK")]);
        receiver.always(Behaviour::Hang);
        slow.push(receiver);
    }
    let urls = format!("--webhook-urls={}", own.url());
    let all: Vec<_> = slow.iter().collect();
    let service = Service::start_with(&[SECRET, &urls, &allowed(&all)]).await;
    for receiver in &slow {
        end_job_for(&service, &receiver.url()).await;
    }
    wait_until_none_is_left(&service).await;
    let slow_urls: Vec<_> = slow.iter().map(Receiver::url).collect();
    store_events(&service, 16, &slow_urls).await;
    eventually("all places of proven receivers are taken", async || {
        slow.iter().map(Receiver::most_open).sum::<usize>() >= 128
    })
    .await;
    let before = own.received().len();
    for count in 1..4 {
        let id = service.new_job().await;
        cancel(&service, id).await;
        own.wait_for(before + count).await;
    }
}

#[tokio::test]
async fn a_client_that_names_the_host_of_a_webhook_in_the_settings_does_not_delay_it() {
    let own = Receiver::start().await;
    own.hang_at("/slow");
    let slow = own.url().replace("/hook?a=b", "/slow");
    let urls = format!("--webhook-urls={}", own.url());
    let service = Service::start_with(&[SECRET, &urls, &allowed(&[&own])]).await;
    // more than may get events at the same time
    for _ in 0..20 {
        end_job_for(&service, &slow).await;
    }
    let own_requests = || {
        let received = own.received();
        let to_own = received.iter().filter(|one| one.head.contains(" /hook"));
        to_own.count()
    };
    eventually("all events for the webhook have arrived", async || {
        own_requests() == 20
    })
    .await;
}

#[tokio::test]
async fn a_process_leaves_events_alone_that_it_has_no_settings_for() {
    let good = Receiver::start().await;
    let service = service_for(&[&good]).await;
    let removed = ["sns".to_owned(), format!("own:{}", good.url())];
    store_events(&service, 3, &removed).await;
    for count in 1..3 {
        end_job_for(&service, &good.url()).await;
        good.wait_for(count).await;
    }
    eventually("what was delivered is deleted", async || {
        service.count("event_deliveries").await == 6
    })
    .await;
    let untouched = "event_deliveries WHERE attempts = 0 AND last_error IS NULL";
    assert_eq!(service.count(untouched).await, 6);
}

#[tokio::test]
async fn a_receiver_that_never_accepts_gets_one_event_at_a_time() {
    let hanging = Receiver::start().await;
    let other = Receiver::start().await;
    let service = service_for(&[&hanging, &other]).await;
    hanging.always(Behaviour::Hang);
    for _ in 0..3 {
        let id = accept(&service, &hanging.url()).await;
        cancel(&service, id).await;
    }
    hanging.wait_for(1).await;
    // another receiver gets an event meanwhile, so the first would have got another one
    let id = accept(&service, &other.url()).await;
    cancel(&service, id).await;
    other.wait_for(1).await;
    assert_eq!(hanging.most_open(), 1);
    assert_eq!(
        service
            .count("event_deliveries WHERE due_at IS NOT NULL")
            .await,
        3
    );
}

#[tokio::test]
async fn events_arrive_once_however_many_receivers_are_waited_for() {
    let good = Receiver::start().await;
    let service = service_for(&[&good]).await;
    // more hosts than one look covers, and none is due
    execute(
        &service.pool,
        "INSERT INTO event_deliveries (job_id, event_id, destination, event, due_at)
         SELECT gen_random_uuid(), n, 'https://h' || n || '.invalid/', '{}', now() + interval '1 hour'
         FROM generate_series(1, 250) AS n",
    )
    .await;
    for count in 1..4 {
        let id = accept(&service, &good.url()).await;
        cancel(&service, id).await;
        good.wait_for(count).await;
    }
    eventually("what was delivered is deleted", async || {
        service.count("event_deliveries").await == 250
    })
    .await;
    assert_eq!(good.received().len(), 3);
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

#[tokio::test]
async fn neither_operators_nor_the_log_see_the_paths_and_queries_of_urls() {
    const MESSAGE: &str = "a completion event was not delivered";
    let (url, own, named) = (database(), Receiver::start().await, Receiver::start().await);
    for receiver in [&own, &named] {
        receiver.always(Behaviour::status("500 x"));
    }
    let (own_url, named_url) = (
        own.url().replace("hook", "secret-1"),
        named.url().replace("a=b", "secret-2"),
    );
    let mut process = Process::start(
        &[
            ("DATABASE_URL", url.as_str()),
            ("WEBHOOK_SECRET", &SECRET["--webhook-secret=".len()..]),
            ("WEBHOOK_URLS", &own_url),
            ("WEBHOOK_ALLOWED_HOSTS", &named.address()),
            ("RUST_LOG", "debug"),
        ],
        "ready",
    );
    let client = reqwest::Client::new();
    let jobs = format!("{}{JOBS}", process.url);
    let job = client
        .post(&jobs)
        .json(&json!({ "callback_url": named_url }));
    let job: Value = job.send().await.unwrap().json().await.unwrap();
    let job = job["task_id"].as_str().unwrap();
    client.delete(format!("{jobs}/{job}")).send().await.unwrap();
    let url = format!("{}/api/v1/operations/deliveries", process.url);
    let list = async || client.get(&url).send().await.unwrap().text().await.unwrap();
    eventually("both have failed", async || {
        list().await.matches("it answered 500").count() == 2
    })
    .await;
    let list = list().await;
    assert!(!list.contains("secret-"), "{list}");
    for _ in 0..2 {
        while process.next_line()["message"] != MESSAGE {
            assert!(
                !process.last_line.contains("secret-"),
                "{}",
                process.last_line
            );
        }
        assert!(!process.last_line.contains("secret-"));
    }
    for receiver in [own, named] {
        let shown = format!("\"destination\":\"http://{}/…\"", receiver.address());
        assert!(list.contains(&shown), "{list}");
    }
}

#[test]
fn help_does_not_show_the_values_of_variables_that_contain_secrets() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_taskoverflow-api"))
        .arg("--help")
        .env("WEBHOOK_URLS", "https://a.example/token")
        .env("WEBHOOK_SECRET", &SECRET["--webhook-secret=".len()..])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("[env: WEBHOOK_URLS]"), "{text}");
    assert!(!text.contains("a.example"), "{text}");
    assert!(!text.contains(KEY), "{text}");
}

/// Lets the service give up all events that wait.
async fn give_up(service: &Service) {
    let give_up =
        "UPDATE event_deliveries SET due_at = NULL, attempts = 36, last_error = 'it hangs'";
    execute(&service.pool, give_up).await;
}

#[tokio::test]
async fn an_event_is_given_up_when_an_attempt_fails_a_day_after_the_first() {
    let receiver = Receiver::start().await;
    let service = service_for(&[&receiver]).await;
    receiver.always(Behaviour::status("500 x"));
    let id = accept(&service, &receiver.url()).await;
    cancel(&service, id).await;
    eventually("the first attempt has failed", async || {
        service
            .count("event_deliveries WHERE last_error IS NOT NULL")
            .await
            == 1
    })
    .await;
    let age = "UPDATE event_deliveries SET first_attempt_at = first_attempt_at - interval '1 day', due_at = now()";
    execute(&service.pool, age).await;
    eventually("it is given up", async || {
        service
            .count("event_deliveries WHERE due_at IS NULL AND attempts < 10")
            .await
            == 1
    })
    .await;
}

#[tokio::test]
async fn operators_see_what_was_given_up_and_can_retry_it() {
    const DELIVERIES: &str = "/api/v1/operations/deliveries";
    let receiver = Receiver::start().await;
    let service = service_for(&[&receiver]).await;
    receiver.always(Behaviour::status("500 x"));
    let mut jobs = Vec::new();
    for _ in 0..3 {
        let id = accept(&service, &receiver.url()).await;
        cancel(&service, id).await;
        jobs.push(id.to_string());
    }
    // until then, an attempt may still be on its way
    eventually("each has failed", async || {
        service
            .count("event_deliveries WHERE last_error IS NOT NULL")
            .await
            == 3
    })
    .await;
    let waiting = service
        .get(&format!("{DELIVERIES}?state=waiting&host=127.0.0.1"))
        .await
        .json();
    assert_eq!(waiting.as_array().unwrap().len(), 3);
    assert_eq!(
        waiting[0]["last_error"],
        "it answered 500 Internal Server Error"
    );
    let id = waiting[0]["id"].as_i64().unwrap();
    let response = service
        .post(&format!("{DELIVERIES}/{id}/retry"), &json!({}))
        .await;
    assert_eq!(response.status, 409, "{}", response.text());
    assert!(response.text().contains("still tries"));

    // no attempt ends after that, because each process has one at a time to a host that fails
    receiver.always(Behaviour::status("200 OK"));
    execute(
        &service.pool,
        "UPDATE event_deliveries SET due_at = now() + interval '1 hour'",
    )
    .await;
    give_up(&service).await;
    let page = service
        .get(&format!("{DELIVERIES}?state=given-up&limit=2"))
        .await;
    let listed = page.json();
    assert_eq!(listed[0]["task_id"], jobs[2]);
    assert_eq!(
        (&listed[0]["due_at"], &listed[0]["last_error"]),
        (&Value::Null, &json!("it hangs"))
    );
    assert!(
        page.header("link")
            .unwrap()
            .contains("state=given-up&limit=2&cursor=")
    );
    assert_eq!(
        service
            .get(&format!("{DELIVERIES}?state=waiting"))
            .await
            .json(),
        json!([])
    );
    assert_eq!(
        service
            .get(&format!("{DELIVERIES}?state=lost"))
            .await
            .status,
        400
    );

    let first = listed[0]["id"].as_i64().unwrap();
    let response = service
        .post(&format!("{DELIVERIES}/{first}/retry"), &json!({}))
        .await;
    assert_eq!(
        (response.status.as_u16(), &response.json()["retried"]),
        (202, &json!(1))
    );
    for unknown in ["0", "x"] {
        let response = service
            .post(&format!("{DELIVERIES}/{unknown}/retry"), &json!({}))
            .await;
        assert_eq!(response.status, 404, "{}", response.text());
    }
    let retry = format!("{DELIVERIES}/retry");
    let other_host = service.post(&retry, &json!({"host": "example.org"})).await;
    let (other_host, _) = split_at(other_host.json());
    assert_eq!(other_host, json!({"retried": 0, "remaining": false}));
    for unclear in [json!({}), json!({"host": null})] {
        let refused = service.post(&retry, &unclear).await;
        refused.assert_problem(400, "send host, or {\"all\": true} to choose all");
    }
    let all = service.post(&retry, &json!({"all": true})).await;
    let (all, _) = split_at(all.json());
    assert_eq!(all, json!({"retried": 2, "remaining": false}));
    assert_eq!(
        service.post(&retry, &json!({"hots": "x"})).await.status,
        400
    );
    // PostgreSQL can't compare such a text
    let nul = service.get(&format!("{DELIVERIES}?host=%00")).await;
    assert_eq!(nul.status, 400, "{}", nul.text());
    wait_until_none_is_left(&service).await;
}
