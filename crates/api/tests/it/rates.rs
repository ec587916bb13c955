//! Clients that send more requests per second than they may.

use std::sync::atomic::{AtomicU16, Ordering};

use api::authentication::scope::Scope;
use api::authentication::secret::NewSecret;
use local_services::testing::eventually;

use crate::limits::exchange;
use crate::support::tokens::with_token;
use crate::support::{Service, send};

#[tokio::test]
async fn a_client_that_sends_too_many_requests_is_refused_and_others_are_not() {
    let service = Service::start_with(&["--requests-per-second=1", "--trust-proxy"]).await;
    let from = |address: &'static str| {
        let request = service.request("GET", "/api/v1/todos");
        send(request.header("X-Forwarded-For", address))
    };
    let mut refused = from("192.0.2.1").await;
    assert_eq!(
        refused.header("ratelimit-policy"),
        Some("\"address\";q=1;w=1")
    );
    assert_eq!(refused.header("ratelimit"), Some("\"address\";r=0;t=1"));
    eventually("the client is refused", async || {
        refused = from("192.0.2.1").await;
        refused.status == 429
    })
    .await;
    refused.assert_problem(
        429,
        "this client may send 1 requests per second; wait before you send more",
    );
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.header("ratelimit"), Some("\"address\";r=0;t=1"));
    assert_eq!(from("192.0.2.2").await.status, 200);

    // a refused request keeps its connection, also if it has a body
    let request = "POST /api/v1/todos HTTP/1.1\r\nHost: HOST\r\nX-Forwarded-For: 192.0.2.1\r\nContent-Length: 2\r\n\r\n{}";
    let last = "GET /livez HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n";
    let responses = exchange(&service, &format!("{request}{request}{request}{last}")).await;
    assert!(responses.contains("HTTP/1.1 429 "), "{responses}");
    assert!(responses.contains(r#"{"status":"ok"}"#), "{responses}");
    for _ in 0..10 {
        let probe = service.request("GET", "/livez");
        let probe = send(probe.header("X-Forwarded-For", "192.0.2.1")).await;
        assert_eq!(probe.status, 200);
    }
}

#[tokio::test]
async fn each_token_has_a_rate_of_its_own_beside_that_of_the_address() {
    let flags = ["--auth=tokens", "--requests-per-second=2", "--trust-proxy"];
    let service = Service::start_with(&flags).await;
    let one = service.token(Scope::Full).await;
    let other = service.token(Scope::ReadOnly).await;
    let addresses = AtomicU16::new(0);
    // each request comes from another address
    let with = async |token: &str| {
        let network = addresses.fetch_add(1, Ordering::Relaxed);
        let address = format!("2001:db8:0:{network:x}::1");
        let request = with_token(service.request("GET", "/api/v1/todos"), token);
        send(request.header("X-Forwarded-For", address)).await
    };
    let mut refused = with(&one).await;
    eventually("the token is refused", async || {
        refused = with(&one).await;
        refused.status == 429
    })
    .await;
    assert_eq!(
        refused.header("ratelimit-policy"),
        Some("\"token\";q=2;w=1")
    );
    assert_eq!(refused.header("ratelimit"), Some("\"token\";r=0;t=1"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    let first = with(&other).await;
    assert_eq!(first.status, 200);
    assert_eq!(first.header("ratelimit"), Some("\"token\";r=1;t=1"));
}

#[tokio::test]
async fn programs_on_this_machine_are_not_limited() {
    let service = Service::start_with(&["--requests-per-second=1"]).await;
    for address in ["192.0.2.1", "127.0.0.1"] {
        for _ in 0..10 {
            // only a trusted proxy is believed
            let request = service.request("GET", "/api/v1/todos");
            let response = send(request.header("X-Forwarded-For", address)).await;
            assert_eq!(response.status, 200);
            assert_eq!(response.header("ratelimit"), None);
        }
    }
}

#[tokio::test]
async fn the_files_of_the_page_count_for_no_limit_of_the_rate() {
    let service = Service::start_with(&["--requests-per-second=1", "--trust-proxy"]).await;
    for path in ["/", "/service-worker.js", "/docs", "/docs/start.js"] {
        for _ in 0..5 {
            let request = service.request("GET", path);
            let response = send(request.header("X-Forwarded-For", "192.0.2.1")).await;
            assert_eq!(response.status, 200, "{path}");
        }
    }
}

#[tokio::test]
async fn no_address_that_a_client_claims_exempts_it() {
    let service = Service::start_with(&["--requests-per-second=1", "--trust-proxy"]).await;
    for addresses in [
        "127.0.0.1",
        "::1",
        "[::1]:80",
        "192.0.2.1, 0.0.0.0",
        "unknown",
        "192.0.2.7:4711",
        "127.0.0.1, [2001:db8::1]:4711",
    ] {
        eventually("the client is refused", async || {
            let request = service.request("GET", "/api/v1/todos");
            let response = send(request.header("X-Forwarded-For", addresses)).await;
            response.status == 429
        })
        .await;
    }
    // the port changes with each connection of a client
    eventually("the client is refused", async || {
        let request = |port| {
            let request = service.request("GET", "/api/v1/todos");
            send(request.header("X-Forwarded-For", format!("192.0.2.9:{port}")))
        };
        request(1).await.status == 200 && request(2).await.status == 429
    })
    .await;
}

#[tokio::test]
async fn guesses_of_an_operators_token_are_limited() {
    let flags = ["--auth=tokens", "--requests-per-second=1", "--trust-proxy"];
    let service = Service::start_with(&flags).await;
    let operator = service.token(Scope::Operator).await;
    let from = |address: &'static str, token: String| {
        let request = with_token(service.request("GET", "/metrics"), &token);
        send(request.header("X-Forwarded-For", address))
    };
    eventually(
        "the client is refused, even with a good token",
        async || {
            let guess = NewSecret::token().unwrap().text;
            from("192.0.2.1", guess).await;
            from("192.0.2.1", operator.clone()).await.status == 429
        },
    )
    .await;
    assert_eq!(from("192.0.2.2", operator).await.status, 200);
}
