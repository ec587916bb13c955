//! Random requests to the whole service, with a real database.

use proptest::prelude::*;
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
    "/api/v1/calendar/feeds/0192f0c1-2345-7abc-8def-0123456789ab",
    "/assets/page.js",
];
const HEADERS: [&str; 9] = [
    "Accept-Encoding",
    "Authorization",
    "Content-Type",
    "Host",
    "Idempotency-Key",
    "If-None-Match",
    "Last-Event-ID",
    "Origin",
    "Prefer",
];

/// Returns a complete request, in which one part is random.
fn request() -> impl Strategy<Value = Vec<u8>> {
    let method = prop::sample::select(&["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"][..]);
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
    ];
    let header = (prop::sample::select(&HEADERS[..]), value)
        .prop_map(|(name, value)| [name.as_bytes(), b": ", &value].concat());
    let plain = || Just(b"X-Header: 1".to_vec());
    let known = || prop::sample::select(TARGETS).prop_map(|target| target.as_bytes().to_vec());
    let body = edits::bytes(BODIES);
    let parts = prop_oneof![
        (target, plain(), Just(Vec::new())),
        (known(), header, Just(Vec::new())),
        (known(), plain(), body),
    ];
    (method, parts).prop_map(|(method, (target, header, body))| {
        let length = body.len();
        let rest = format!(
            "Host: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        let line = [method.as_bytes(), b" ", &target, b" HTTP/1.1\r\n"].concat();
        [line, header, b"\r\n".to_vec(), rest.into_bytes(), body].concat()
    })
}

#[test]
fn no_request_gets_a_5xx_response() {
    let runtime = Runtime::new().unwrap();
    let service = runtime.block_on(Service::start());
    edits::check(&request(), COST, |request| {
        let response = runtime.block_on(service.raw(request));
        let status = response.status();
        prop_assert!((200..500).contains(&status), "{}", response.text);
        Ok(())
    });
}

#[test]
fn without_a_valid_token_every_request_is_refused() {
    let runtime = Runtime::new().unwrap();
    let service = runtime.block_on(Service::start_with(&["--auth=tokens"]));
    let names = prop::sample::select(&["Authorization", "Cookie"][..]);
    edits::check(&(names, edits::bytes(TOKENS)), COST, |(name, value)| {
        let start = format!("GET /api/v1/todos HTTP/1.1\r\nHost: localhost\r\n{name}: ");
        let end = b"\r\nConnection: close\r\n\r\n";
        let request = [start.as_bytes(), &value, end].concat();
        let response = runtime.block_on(service.raw(request));
        let status = response.status();
        prop_assert!(matches!(status, 400 | 401), "{}", response.text);
        Ok(())
    });
}
