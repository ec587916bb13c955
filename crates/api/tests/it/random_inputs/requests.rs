//! Random requests to the whole service, with a real database.

use proptest::prelude::*;
use proptest::sample::select;
use tokio::runtime::Runtime;

use super::{BODIES, CURSORS, DOWNLOAD_HEADERS, HOSTS, JOB_HEADERS, QUERIES, TOKENS, edits};
use crate::support::Service;

/// A request takes as long as some hundred inputs to a parser.
const COST: u32 = 8;

const TARGETS: &[&str] = &[
    "/api/v1/todos",
    "/api/v1/todos/1",
    "/api/v1/todos/ical",
    "/api/v1/todos/ical/0192f0c1-2345-7abc-8def-0123456789ab/result",
    "/api/v1/todos/ical/0192f0c1-2345-7abc-8def-0123456789ab/events",
    "/api/v1/calendar/feeds/0192f0c1-2345-7abc-8def-0123456789ab",
    "/api/v1/session",
    "/calendar/0192f0c123457abc8def0123456789ab4bd53b2f6a1e0c97d8e5f3a2b1c0d9e8f7a6b5c4.ics",
    "/docs/start.js",
];
const HEADERS: [&str; 13] = [
    "Accept-Encoding",
    "Authorization",
    "Content-Type",
    "Cookie",
    "Host",
    "Idempotency-Key",
    "If-None-Match",
    "Last-Event-ID",
    "Origin",
    "Prefer",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
];
const CLIENTS: &[&str] = &[
    "192.0.2.1, 10.0.0.1:4711",
    "[2001:db8::1]:1",
    "::ffff:192.0.2.1,unknown",
];
const CHUNKS: &[&str] = &[
    "10\r\n{\"title\": \"abcd\"\r\n1\r\n}\r\n0\r\n\r\n",
    "2;name=value\r\n{}\r\n0\r\nX-Trailer: 1\r\n\r\n",
];
const SIGN_INS: &[&str] =
    &[r#"{"token": "taskoverflow_4bd53b2f6a1e0c97d8e5f3a2b1c0d9e8f7a6b5c4"}"#];

/// What follows the headers that every request has.
#[derive(Debug, Clone)]
enum Body {
    Whole(Vec<u8>),
    Chunked(Vec<u8>),
}

/// Returns a request to this target, with a line of a header.
fn written(method: &str, target: &[u8], header: &[u8], body: &Body) -> Vec<u8> {
    // a request with two hosts is refused before either is read
    let host = if header.starts_with(b"Host:") {
        ""
    } else {
        "Host: localhost\r\n"
    };
    let (framing, body) = match body {
        Body::Whole(bytes) => (format!("Content-Length: {}", bytes.len()), bytes),
        Body::Chunked(bytes) => ("Transfer-Encoding: chunked".to_owned(), bytes),
    };
    let rest = format!(
        "\r\n{host}Content-Type: application/json\r\n{framing}\r\nConnection: close\r\n\r\n"
    );
    let line = [method.as_bytes(), b" ", target, b" HTTP/1.1\r\n"].concat();
    [&line, header, rest.as_bytes(), body].concat()
}

/// Returns a complete request, in which one part is random.
fn request() -> impl Strategy<Value = (Vec<u8>, bool)> {
    let method = select(&["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"][..]);
    let target = prop_oneof![
        edits::bytes(TARGETS),
        edits::bytes(QUERIES).prop_map(|query| [b"/api/v1/todos?".as_slice(), &query].concat()),
        edits::bytes(CURSORS)
            .prop_map(|cursor| [b"/api/v1/todos?cursor=".as_slice(), &cursor].concat()),
    ];
    let value = prop_oneof![
        edits::bytes(HOSTS),
        edits::bytes(JOB_HEADERS),
        edits::bytes(DOWNLOAD_HEADERS),
        edits::bytes(TOKENS),
        edits::bytes(CLIENTS),
    ];
    let header = (select(&HEADERS[..]), value)
        .prop_map(|(name, value)| [name.as_bytes(), b": ", &value].concat());
    let plain = || Just(b"X-Header: 1".to_vec());
    let known = || select(TARGETS).prop_map(|target| target.as_bytes().to_vec());
    let none = || Just(Body::Whole(Vec::new()));
    let body = prop_oneof![
        edits::bytes(BODIES).prop_map(Body::Whole),
        edits::bytes(SIGN_INS).prop_map(Body::Whole),
        edits::bytes(CHUNKS).prop_map(Body::Chunked),
    ];
    let parts = prop_oneof![
        (target, plain(), none()),
        (known(), header, none()),
        (known(), plain(), body),
    ];
    (method, parts).prop_map(|(method, (target, header, body))| {
        let is_chunked = matches!(body, Body::Chunked(_));
        (written(method, &target, &header, &body), is_chunked)
    })
}

#[test]
fn no_request_gets_a_5xx_response() {
    let runtime = Runtime::new().unwrap();
    let service = runtime.block_on(Service::start_with(&["--auth=off", "--trust-proxy"]));
    edits::check(&request(), COST, |(request, is_chunked)| {
        let response = runtime.block_on(service.raw(request));
        // the client of a body that breaks off has gone
        if is_chunked && response.text.is_empty() {
            return Ok(());
        }
        let status = response.status();
        prop_assert!((200..500).contains(&status), "{}", response.text);
        Ok(())
    });
}

#[test]
fn without_a_valid_token_every_request_is_refused() {
    let runtime = Runtime::new().unwrap();
    let service = runtime.block_on(Service::start_with(&["--auth=tokens"]));
    let names = select(&["Authorization", "Cookie"][..]);
    let todos = (names, edits::bytes(TOKENS)).prop_map(|(name, value)| {
        let header = [name.as_bytes(), b": ", &value].concat();
        written("GET", b"/api/v1/todos", &header, &Body::Whole(Vec::new()))
    });
    let session = edits::bytes(SIGN_INS).prop_map(|body| {
        let body = Body::Whole(body);
        written("POST", b"/api/v1/session", b"X-Header: 1", &body)
    });
    edits::check(&prop_oneof![todos, session], COST, |request| {
        let response = runtime.block_on(service.raw(request));
        let status = response.status();
        prop_assert!(matches!(status, 400 | 401 | 413 | 422), "{}", response.text);
        Ok(())
    });
}
