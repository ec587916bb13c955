//! Tokens: which requests need one, and what each kind of token allows.

use std::time::Duration;

use api::authentication::scope::Scope;
use api::authentication::secret::NewSecret;
use local_services::testing::eventually;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::support::tokens::with_token;
use crate::support::{ApiResponse, Service, send, send_for_status};

const TODOS: &str = "/api/v1/todos";
const MISSING: &str = "this needs a token";
const INVALID: &str = "the token or session is unknown, expired or revoked";

/// The only operations that need no token. A new one has to be added here, or the tests below fail.
const OPEN: [&str; 9] = [
    "GET /api/v1/health",
    "GET /calendar/{token}.ics",
    "GET /livez",
    "GET /readyz",
    "GET /startedz",
    "DELETE /api/v1/operations/session",
    "POST /api/v1/operations/session",
    "DELETE /api/v1/session",
    "POST /api/v1/session",
];

/// An operation of the OpenAPI document.
struct Operation {
    method: String,
    template: String,
    description: Value,
}

impl Operation {
    fn name(&self) -> String {
        format!("{} {}", self.method, self.template)
    }

    fn is_open(&self) -> bool {
        OPEN.contains(&self.name().as_str())
    }

    /// Returns the scopes that allow the operation.
    fn scopes(&self) -> &'static [Scope] {
        match (self.template.as_str(), self.method.as_str()) {
            ("/metrics", _) => &[Scope::Operator],
            (path, _) if path.starts_with("/api/v1/operations") => &[Scope::Operator],
            (_, "GET") => &[Scope::ReadOnly, Scope::Full],
            _ => &[Scope::Full],
        }
    }

    /// Returns a request for things that do not exist.
    fn request(&self, service: &Service) -> RequestBuilder {
        let path = self
            .template
            .replace("{id}", "0197f3a2-0000-7000-8000-000000000000")
            .replace("{token}", "none");
        service.request(&self.method, &path)
    }
}

fn operations() -> Vec<Operation> {
    let document: Value = serde_json::from_str(&api::openapi_document()).unwrap();
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, description) in methods.as_object().unwrap() {
            operations.push(Operation {
                method: method.to_uppercase(),
                template: path.clone(),
                description: description.clone(),
            });
        }
    }
    assert!(operations.len() > 20, "{}", operations.len());
    operations
}

#[track_caller]
fn assert_refused(response: &ApiResponse, status: u16, detail: &str, challenge: &str) {
    let problem = response.json();
    assert_eq!(response.status, status, "{problem}");
    assert!(
        problem["detail"].as_str().unwrap().starts_with(detail),
        "{problem}"
    );
    response.assert_problem(status, problem["error"].as_str().unwrap());
    let header = response.header("www-authenticate").unwrap();
    assert_eq!(header, format!("Bearer realm=\"taskoverflow\"{challenge}"));
}

#[tokio::test]
async fn every_operation_refuses_a_client_without_a_valid_token_unless_it_is_listed_as_open() {
    let service = Service::start_with_tokens().await;
    let unknown = NewSecret::token().unwrap().text;
    let invalid = [
        "guess".to_owned(),
        unknown,
        service.expired_token().await,
        service.revoked_token().await,
    ];
    for operation in operations() {
        let name = operation.name();
        let missing = send(operation.request(&service)).await;
        if operation.is_open() {
            assert!(
                ![401, 403].contains(&missing.status.as_u16()),
                "{name}: {missing:?}"
            );
            continue;
        }
        assert_refused(&missing, 401, MISSING, "");
        let mut bodies = Vec::new();
        for token in &invalid {
            let response = send(with_token(operation.request(&service), token)).await;
            assert_refused(&response, 401, INVALID, ", error=\"invalid_token\"");
            bodies.push(response.problem());
        }
        bodies.dedup();
        assert_eq!(bodies.len(), 1, "{name} tells invalid tokens apart");
    }
}

#[tokio::test]
async fn every_operation_is_allowed_to_its_scopes_only() {
    let service = Service::start_with_tokens().await;
    for scope in Scope::ALL {
        let token = service.token(scope).await;
        for operation in operations().iter().filter(|operation| !operation.is_open()) {
            let response = send_for_status(with_token(operation.request(&service), &token)).await;
            if operation.scopes().contains(&scope) {
                let status = response.status.as_u16();
                assert!(
                    ![401, 403].contains(&status),
                    "{scope}: {}: {status}",
                    operation.name()
                );
            } else {
                let detail = "the token does not allow this request, which needs the scope";
                assert_refused(&response, 403, detail, ", error=\"insufficient_scope\"");
            }
        }
    }
}

#[test]
fn every_operation_describes_its_tokens_and_refusals() {
    for operation in operations() {
        let name = operation.name();
        let security = operation.description["security"].as_array().unwrap();
        assert_eq!(security.is_empty(), operation.is_open(), "{name}");
        let is_described = |status| operation.description["responses"].get(status).is_some();
        // signing in checks a token too, although the call itself is open
        let signs_in = operation.method == "POST" && operation.template.ends_with("/session");
        let may_be_unauthorized = !operation.is_open() || signs_in;
        assert_eq!(is_described("401"), may_be_unauthorized, "401 of {name}");
        // an open operation that changes something refuses pages of other sites
        let may_be_forbidden = !operation.is_open() || operation.method != "GET";
        assert_eq!(is_described("403"), may_be_forbidden, "403 of {name}");
    }
}

#[tokio::test]
async fn without_a_token_nobody_learns_what_exists() {
    let service = Service::start_with_tokens().await;
    let token = service.token(Scope::Full).await;
    let todo = with_token(service.request("POST", TODOS), &token).json(&json!({"title": "A"}));
    let todo = send(todo).await.json();
    let existing = format!("{TODOS}/{}", todo["id"]);
    let mut bodies = Vec::new();
    for (method, path) in [
        ("GET", existing.as_str()),
        ("GET", "/api/v1/todos/999999"),
        ("GET", "/nowhere"),
        ("GET", "/api/v1/nowhere"),
        ("BREW", TODOS),
        ("OPTIONS", TODOS),
    ] {
        let response = send(service.request(method, path)).await;
        assert_refused(&response, 401, MISSING, "");
        bodies.push(response.problem());
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1);
    let nowhere = send(with_token(service.request("GET", "/nowhere"), &token)).await;
    nowhere.assert_problem(404, "no resource exists at this path");
}

#[tokio::test]
async fn no_spelling_of_a_path_needs_less_than_the_path_itself() {
    let service = Service::start_with_tokens().await;
    let full = service.token(Scope::Full).await;
    for path in [
        "/metrics",
        "/%6detrics",
        "/%6D%65%74%72%69%63%73",
        "/metrics?a=/livez",
        "/api/v1/operations",
        "/api/v1/operations/",
        "/api/v1/operations/live",
        "/api/v1/%6fperations/live",
        "/api/v1/operations/pause?a=/livez",
        "/api/v1/operations/no/such/call",
    ] {
        for method in ["GET", "HEAD", "OPTIONS", "POST"] {
            let request = service.request(method, path);
            assert_eq!(send(request).await.status, 401, "{method} {path}");
            let request = with_token(service.request(method, path), &full);
            assert_eq!(send(request).await.status, 403, "{method} {path}");
        }
    }
    for path in [
        "//metrics",
        "/metrics/",
        "/livez/../metrics",
        "/livez%2f..%2fmetrics",
        "/assets%2fx/main.js",
        "/api/v1//todos",
        "/api/v1/%74odos",
        "/api/v1/health%2f..%2ftodos",
        "/API/v1/todos",
    ] {
        assert_eq!(service.get(path).await.status, 401, "{path}");
    }
}

#[tokio::test]
async fn a_refused_request_stores_nothing() {
    let service = Service::start_with_tokens().await;
    let read_only = service.token(Scope::ReadOnly).await;
    for path in [TODOS, "/api/v1/todos/ical", "/api/v1/calendar/feeds"] {
        let request = || service.request("POST", path).json(&json!({"title": "A"}));
        assert_eq!(send(request()).await.status, 401, "{path}");
        assert_eq!(
            send(with_token(request(), &read_only)).await.status,
            403,
            "{path}"
        );
    }
    for table in ["todos", "calendar_jobs", "calendar_feeds"] {
        assert_eq!(service.count(table).await, 0, "{table}");
    }
}

#[tokio::test]
async fn the_body_of_a_refused_request_is_never_read_as_another_request() {
    let service = Service::start_with_tokens().await;
    let token = service.token(Scope::Full).await;
    let todo = with_token(service.request("POST", TODOS), &token).json(&json!({"title": "A"}));
    assert_eq!(send(todo).await.status, 201);
    let hidden = format!(
        "DELETE {TODOS}/1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    let length = hidden.len();
    for framing in [
        format!("Content-Length: {length}\r\n\r\n{hidden}"),
        format!("Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{hidden}\r\n0\r\n\r\n"),
    ] {
        let request = format!("POST {TODOS} HTTP/1.1\r\nHost: localhost\r\n{framing}");
        let response = service.raw(request).await;
        assert_eq!(response.status(), 401);
        assert_eq!(
            response.text.matches("HTTP/1.1 ").count(),
            1,
            "{}",
            response.text
        );
    }
    assert_eq!(service.count("todos").await, 1);
}

#[tokio::test]
async fn the_page_and_the_documentation_open_without_a_token() {
    let service = Service::start_with_tokens().await;
    let page = service.get("/").await;
    let (_, script) = page.text().split_once("src=\"assets/").unwrap();
    let script = format!("/assets/{}", script.split('"').next().unwrap());
    for path in [
        "/",
        &script,
        "/service-worker.js",
        "/docs",
        "/docs/start.js",
        "/api/v1/openapi.json",
    ] {
        assert_eq!(service.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_feeds_calendar_needs_only_the_secret_in_its_address() {
    let service = Service::start_with_tokens().await;
    let token = service.token(Scope::Full).await;
    let feed = with_token(service.request("POST", "/api/v1/calendar/feeds"), &token);
    let feed = send(feed).await.json();
    let url = feed["url"].as_str().unwrap().to_owned();
    let subscribing = tokio::spawn(service.request("GET", &url).send());
    eventually("the feed has a job", async || {
        service.count("calendar_jobs").await == 1
    })
    .await;
    subscribing.abort();
    let response = service.get("/calendar/none.ics").await;
    response.assert_problem(404, "no such feed");
}

#[tokio::test]
async fn a_token_that_is_revoked_or_expires_soon_stops_although_it_was_in_use() {
    let service = Service::start_with_tokens().await;
    let revoked = service.new_token("laptop", Scope::Full, None).await;
    let lifetime = Some(Duration::from_secs(2));
    let expiring = service.new_token("visitor", Scope::Full, lifetime).await;
    let bearer = format!("Bearer {revoked}");
    assert_eq!(service.status_with("Authorization", &bearer).await, 200);
    service.revoke("laptop").await;
    for token in [expiring, revoked] {
        let bearer = format!("Bearer {token}");
        eventually("the token is refused", async || {
            service.status_with("Authorization", &bearer).await == 401
        })
        .await;
    }
}

#[tokio::test]
async fn with_auth_off_every_request_is_admitted_whatever_it_carries() {
    let service = Service::start_with(&["--auth=off"]).await;
    for header in ["Bearer guess", "Basic YTpi", ""] {
        assert_eq!(service.status_with("Authorization", header).await, 200);
    }
    assert_eq!(service.get("/metrics").await.status, 200);
    let response = service.sign_in("guess").await;
    response.assert_problem(
        409,
        "this API does not use tokens, so there is no need to sign in",
    );
}
