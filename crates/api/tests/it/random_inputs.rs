//! Random inputs to everything that parses what clients, operators and queues send. Each is refused or read, and never
//! makes the process panic. `.ci/checks ignored` tests a million of them.
//!
//! # Layout
//! - `edits`: the inputs
//! - `requests`: random requests to the whole service

mod edits;
mod requests;

use actix_web::http::header::{CONTENT_TYPE, COOKIE, EntityTag, HeaderName, HeaderValue};
use actix_web::test::TestRequest;
use actix_web::{FromRequest, HttpRequest};
use api::allowed_hosts::AllowedHosts;
use api::authentication::cookie::{self, Cookie};
use api::authentication::secret::{Credential, SecretHash};
use api::events::webhook_hosts::WebhookHosts;
use api::events::webhook_url::{self, WebhookUrl};
use api::feed_token::FeedToken;
use api::host::HostPort;
use api::public_url::PublicUrl;
use api::request::calendar;
use api::request::deadline;
use api::request::headers::{IDEMPOTENCY_KEY, PREFER, idempotency_key, preferred_wait};
use api::request::json_body::JsonBody;
use api::request::origin::Origin;
use api::request::query::Query;
use api::request::todo::{NewTodo, TodoChanges};
use api::response::cursor;
use api::response::download::{ClientCopies, Coding};
use job_queue::{BrokerAddress, QueueUrl};
use proptest::{prop_assert, prop_assert_eq};
use shared_model::message::JobMessage;
use uuid::Uuid;

/// Bodies of todos and of calendars.
const BODIES: &[&str] = &[
    r#"{"title": "a", "description": null, "completed": false, "deadline_at": "2026-02-27T09:30:00+01:00"}"#,
    r#"{"title": "\u00e4\ud83d\ude00", "deadline_at": "2023-02-27"}"#,
    r#"{"completed": true, "window": -5, "component": "both", "alarm": "-PT1H30M", "name": "a"}"#,
    "[[[[]]]]",
];
const QUERIES: &[&str] = &[
    "completed=true&window=-36525&limit=1000&cursor=1677456000123456.42",
    "component=todo&alarm=-P1D&name=a%20b+c",
    "status=PENDING&cursor=1677456000123456.0192f0c1-2345-7abc-8def-0123456789ab",
];
const CURSORS: &[&str] = &[
    "1677456000123456.42",
    "-62135596800000000.0",
    "1677456000123456.0192f0c1-2345-7abc-8def-0123456789ab",
];
const HOSTS: &[&str] = &[
    "localhost:6400",
    "todo.example.org",
    "127.0.0.1:65535",
    "[::ffff:127.0.0.1]:80",
    "https://example.org/todo",
    ".example.net,api,[2001:db8::1],*",
    "null",
];
const WEBHOOK_URLS: &[&str] = &[
    "https://hooks.example.org:8443/a/b?c=d&e=%20",
    "http://10.0.0.7:8080/",
    "https://[2606:4700::1111]",
    "HTTPS://1.1.1.1/x",
    ".svc.internal:8080,hooks,[fd00::7]:81,fd00::7",
];
const JOB_HEADERS: &[&str] = &[
    "\"8e03978e-40d5-43e8-bc93-6894a57f9324\"",
    "abc",
    "respond-async, wait=10; x=y",
    "wait=\"18446744073709551615\"",
];
const DOWNLOAD_HEADERS: &[&str] = &[
    "\"abc\", W/\"def\"",
    "*",
    "gzip;q=0.5, identity;q=0, *;q=0.001",
    "Wed, 21 Oct 2015 07:28:00 GMT",
];
const FEED_TOKENS: &[&str] =
    &["0192f0c123457abc8def0123456789ab4bd53b2f6a1e0c97d8e5f3a2b1c0d9e8f7a6b5c4"];
const TOKENS: &[&str] = &[
    "taskoverflow_4bd53b2f6a1e0c97d8e5f3a2b1c0d9e8f7a6b5c4",
    "taskoverflow_session=4bd53b2f6a1e0c97d8e5f3a2b1c0d9e8f7a6b5c4; a=b",
    "4bd53b2f6a1e0c97d8e5f3a2b1c0d9e8f7a6b5c4",
    "Bearer taskoverflow_4bd53b2f6a1e0c97d8e5f3a2b1c0d9e8f7a6b5c4",
];
const DEADLINES: &[&str] = &[
    "2026-02-27T09:30:00.123456789+23:59",
    "2024-02-29 23:59:60Z",
    "9999-12-31",
];
const MESSAGES: &[&str] = &[
    r#"{"v":1,"job_id":"0192f0c1-2345-7abc-8def-0123456789ab","generation":2,"enqueued_at":"2026-02-27T12:30:00.123456Z"}"#,
    r#"{"v":2}"#,
];
const QUEUE_URLS: &[&str] = &[
    "postgres:",
    "sqs://ical.fifo",
    "https://sqs.us-east-1.amazonaws.com/123456789012/ical",
    "redis://:p%40ss@[::1]:6380/ical?db=3",
    "amqps://me:s3cret@rabbit/v%2Fhost/ical",
    "stomp+ssl://me@activemq:61613/ical",
    "kafka://me:s3cret@a:1,b/ical?group=g&sasl=PLAIN",
];

/// Returns a request with this header, or `None` if no header can have this value.
fn with_header(name: &HeaderName, value: &[u8]) -> Option<HttpRequest> {
    let value = HeaderValue::from_bytes(value).ok()?;
    let request = TestRequest::default().insert_header((name.clone(), value));
    Some(request.to_http_request())
}

fn with_body(bytes: Vec<u8>) -> Option<JsonBody> {
    let request = TestRequest::post()
        .insert_header((CONTENT_TYPE, "application/json"))
        .set_payload(bytes);
    let (request, mut payload) = request.to_http_parts();
    futures_util::FutureExt::now_or_never(JsonBody::from_request(&request, &mut payload))?.ok()
}

#[tokio::test]
async fn bodies_are_read_or_refused() {
    for body in BODIES {
        assert!(with_body(body.as_bytes().to_vec()).is_some(), "{body}");
    }
    edits::check(&edits::bytes(BODIES), 1, |bytes| {
        let members = || with_body(bytes.clone()).and_then(|body| body.members().ok()?);
        if let Some(todo) = members().and_then(|members| NewTodo::read(members).ok()) {
            prop_assert!((1..=80).contains(&todo.title.chars().count()));
            prop_assert!(!todo.title.contains('\0'));
        }
        let _ = members().map(TodoChanges::read);
        let _ = calendar::read(&Query::default(), members());
        Ok(())
    });
}

#[test]
fn queries_are_read_or_refused() {
    edits::check(&edits::text(QUERIES), 1, |text| {
        let query = Query::parse(&text);
        let _ = query.todo_filter();
        let _ = query.after(cursor::decode::<i32>);
        let _ = calendar::read(&query, None);
        if let Ok(Some(limit)) = query.limit() {
            prop_assert!((1..=1000).contains(&limit));
        }
        Ok(())
    });
}

#[test]
fn cursors_are_read_or_refused() {
    edits::check(&edits::text(CURSORS), 1, |text| {
        if let Some((at, id)) = cursor::decode::<i32>(&text) {
            prop_assert_eq!(cursor::decode(&cursor::encode(at, id)), Some((at, id)));
        }
        if let Some((at, id)) = cursor::decode::<Uuid>(&text) {
            prop_assert_eq!(cursor::decode(&cursor::encode(at, id)), Some((at, id)));
        }
        Ok(())
    });
}

#[test]
fn hosts_and_origins_are_read_or_refused() {
    let public: PublicUrl = "https://todo.example.org".parse().unwrap();
    let origin = Origin::new(Some(public), AllowedHosts::default(), true);
    edits::check(&edits::bytes(HOSTS), 1, |bytes| {
        for name in ["host", "origin", "x-forwarded-host", "x-forwarded-proto"] {
            if let Some(request) = with_header(&HeaderName::from_static(name), &bytes) {
                let _ = origin.check_host(&request);
                let _ = origin.check_page(&request);
                let _ = origin.base_url(&request);
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        let _ = (text.parse::<PublicUrl>(), text.parse::<AllowedHosts>());
        if HostPort::parse(&text).is_some() {
            let outside = |char: char| char.is_control() || " /@?#,\\\"<>".contains(char);
            prop_assert!(!text.contains(outside), "{text:?} would change a URL");
        }
        Ok(())
    });
}

#[test]
fn urls_of_webhooks_are_read_or_refused() {
    let allowed: WebhookHosts = "10.0.0.7:8080".parse().unwrap();
    edits::check(&edits::text(WEBHOOK_URLS), 1, |text| {
        let _ = (text.parse::<WebhookHosts>(), webhook_url::redacted(&text));
        let _ = WebhookUrl::of_operators(&text).map(|url| url.origin());
        if let Ok(url) = WebhookUrl::of_client(&text, &allowed) {
            let stored = WebhookUrl::of_client(url.as_str(), &allowed);
            prop_assert_eq!(
                stored.as_ref(),
                Ok(&url),
                "it is read again when it is used"
            );
            let may_be_http = (url.host(), url.port()) == ("10.0.0.7", 8080);
            prop_assert!(url.is_https() || may_be_http, "{text:?}");
            let breaks = |char: char| char.is_ascii_control() || char == ' ' || char == '#';
            prop_assert!(!url.as_str().contains(breaks), "{text:?}");
            prop_assert!(!url.authority().contains(['@', '/', '?']), "{text:?}");
        }
        Ok(())
    });
}

#[test]
fn headers_of_jobs_are_read_or_refused() {
    edits::check(&edits::bytes(JOB_HEADERS), 1, |bytes| {
        let request = with_header(&IDEMPOTENCY_KEY, &bytes);
        let key = request.and_then(|request| idempotency_key(&request).ok()?);
        prop_assert!(key.is_none_or(|key| (1..=255).contains(&key.len())));
        if let Some(request) = with_header(&PREFER, &bytes) {
            prop_assert!(preferred_wait(&request).is_none_or(|wait| wait.as_secs() <= 20));
        }
        Ok(())
    });
}

#[test]
fn headers_of_downloads_are_read_or_refused() {
    let etag = EntityTag::new_strong("0123".to_owned());
    edits::check(&edits::bytes(DOWNLOAD_HEADERS), 1, |bytes| {
        for name in ["if-none-match", "if-modified-since", "accept-encoding"] {
            if let Some(request) = with_header(&HeaderName::from_static(name), &bytes) {
                let _ = Coding::negotiate(&request);
                let is_known = ClientCopies::of(&request).include(&etag);
                prop_assert!(!is_known || bytes.contains(&b'*') || bytes.contains(&b'0'));
            }
        }
        Ok(())
    });
}

#[test]
fn tokens_of_feeds_are_read_or_refused() {
    edits::check(&edits::text(FEED_TOKENS), 1, |text| {
        if let Some(token) = FeedToken::parse(&text) {
            let again = FeedToken::parse(&token.to_string());
            prop_assert_eq!(again.as_ref(), Some(&token));
            // the digits of the id may be in upper case
            prop_assert!(token.to_string().eq_ignore_ascii_case(&text));
        }
        Ok(())
    });
}

#[test]
fn tokens_and_cookies_are_read_or_refused() {
    edits::check(&edits::bytes(TOKENS), 1, |bytes| {
        let text = String::from_utf8_lossy(&bytes);
        let _ = text.parse::<SecretHash>();
        if SecretHash::of_token(&text).is_some() {
            prop_assert!(text.len() == 53 && text.is_ascii(), "{text:?}");
        }
        if let Some(request) = with_header(&COOKIE, &bytes) {
            let found = cookie::read(request.headers(), Cookie::User, || false);
            let is_named = text.contains("taskoverflow_session=");
            prop_assert!(is_named || found == Credential::Missing, "{text:?}");
        }
        Ok(())
    });
}

#[test]
fn deadlines_are_read_or_refused() {
    edits::check(&edits::text(DEADLINES), 1, |text| {
        let years = 1..=9999;
        let year = deadline::parse(&text).map(|time| chrono::Datelike::year(&time));
        prop_assert!(year.is_none_or(|year| years.contains(&year)), "{text:?}");
        Ok(())
    });
}

#[test]
fn messages_are_read_or_refused() {
    edits::check(&edits::text(MESSAGES), 1, |text| {
        if let Ok(message) = JobMessage::decode(&text) {
            let again = JobMessage::decode(&message.encode().unwrap()).unwrap();
            prop_assert_eq!(again, message);
        }
        Ok(())
    });
}

#[test]
fn urls_of_queues_are_read_or_refused() {
    edits::check(&edits::text(QUEUE_URLS), 1, |text| {
        if let Ok(url) = text.parse::<QueueUrl>() {
            prop_assert_eq!(url.with_password().parse::<QueueUrl>().unwrap(), url);
        }
        if let Ok(address) = text.parse::<BrokerAddress>() {
            let again: BrokerAddress = address.with_password().parse().unwrap();
            prop_assert_eq!(&again, &address);
            prop_assert!(address.to_string().parse::<BrokerAddress>().is_ok());
        }
        Ok(())
    });
}
