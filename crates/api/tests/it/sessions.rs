//! Sessions: how browsers sign in and out.

use api::authentication::scope::Scope;
use local_services::testing::eventually;
use serde_json::json;

use crate::support::{Service, execute, send};

const SESSION: &str = "/api/v1/session";

#[tokio::test]
async fn the_cookie_is_hidden_from_scripts_and_from_other_sites() {
    let service = Service::start_with_tokens().await;
    let token = service.token(Scope::Full).await;
    let response = service.sign_in(&format!(" {token}\n")).await;
    assert_eq!((response.status.as_u16(), response.text()), (204, ""));
    let cookie = response.header("set-cookie").unwrap();
    assert!(cookie.starts_with("taskoverflow_session="), "{cookie}");
    assert!(
        cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"),
        "{cookie}"
    );
    assert!(!cookie.contains(&token), "{cookie}");
    assert_eq!(response.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn over_https_the_cookie_is_secure() {
    let flags = ["--auth=tokens", "--public-url=https://todo.example.org"];
    let service = Service::start_with(&flags).await;
    let token = service.token(Scope::Full).await;
    let response = service.sign_in(&token).await;
    let cookie = response.header("set-cookie").unwrap();
    assert!(
        cookie.starts_with("__Host-taskoverflow_session="),
        "{cookie}"
    );
    assert!(
        cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict; Secure"),
        "{cookie}"
    );
    let cookie = cookie.split(';').next().unwrap();
    assert_eq!(service.status_with("Cookie", cookie).await, 200);
}

#[tokio::test]
async fn a_session_allows_what_its_token_allows() {
    let service = Service::start_with_tokens().await;
    for (scope, created) in [(Scope::ReadOnly, 403), (Scope::Full, 201)] {
        let cookie = service.session(&service.token(scope).await).await;
        assert_eq!(service.status_with("Cookie", &cookie).await, 200, "{scope}");
        let post = service
            .request("POST", "/api/v1/todos")
            .header("Cookie", &cookie);
        let response = send(post.json(&json!({"title": "A"}))).await;
        assert_eq!(response.status, created, "{scope}");
        let metrics = service.request("GET", "/metrics").header("Cookie", &cookie);
        assert_eq!(send(metrics).await.status, 403, "{scope}");
    }
    let operator = service.token(Scope::Operator).await;
    assert_eq!(service.sign_in(&operator).await.status, 403);
}

#[tokio::test]
async fn an_operator_has_a_session_beside_that_of_another_token() {
    let service = Service::start_with_tokens().await;
    let operator = service.token(Scope::Operator).await;
    let full = service.token(Scope::Full).await;
    let sign_in = async |token: &str| {
        let body = json!({ "token": token });
        service.post("/api/v1/operations/session", &body).await
    };
    assert_eq!(sign_in(&full).await.status, 403);
    assert_eq!(sign_in("guess").await.status, 401);
    let signed_in = sign_in(&operator).await;
    assert_eq!(signed_in.status, 204, "{}", signed_in.text());
    let cookie = signed_in.header("set-cookie").unwrap();
    assert!(cookie.starts_with("taskoverflow_operator="), "{cookie}");
    assert!(
        cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"),
        "{cookie}"
    );
    let cookie = cookie.split(';').next().unwrap();
    let both = format!("{}; {cookie}", service.session(&full).await);
    let status = async |method: &str, path: &str, cookies: &str| {
        let request = service.request(method, path).header("Cookie", cookies);
        send(request).await.status.as_u16()
    };
    for path in ["/metrics", "/api/v1/operations"] {
        assert_eq!(status("GET", path, &both).await, 200, "{path}");
    }
    assert_eq!(status("GET", "/api/v1/todos", &both).await, 200);
    assert_eq!(status("GET", "/api/v1/todos", cookie).await, 401);
    let session = "/api/v1/operations/session";
    assert_eq!(status("DELETE", session, &both).await, 204);
    assert_eq!(status("GET", "/api/v1/operations", cookie).await, 401);
    let ordinary = both.split(';').next().unwrap();
    assert_eq!(status("GET", "/api/v1/operations", ordinary).await, 403);
    assert_eq!(status("GET", "/api/v1/todos", &both).await, 200);
}

#[tokio::test]
async fn only_a_valid_token_begins_a_session() {
    let service = Service::start_with_tokens().await;
    let (expired, revoked) = (service.expired_token().await, service.revoked_token().await);
    for token in ["", "guess", &expired, &revoked] {
        let response = service.sign_in(token).await;
        assert_eq!(response.status, 401, "{token:?}");
        assert_eq!(response.header("set-cookie"), None);
        assert!(response.header("www-authenticate").is_some());
    }
    for body in [
        json!({}),
        json!({"token": 1}),
        json!({"token": "a", "name": "b"}),
    ] {
        assert_eq!(service.post(SESSION, &body).await.status, 400, "{body}");
    }
    assert_eq!(service.count("api_sessions").await, 0);
}

#[tokio::test]
async fn a_token_is_no_cookie_and_a_cookie_is_no_token() {
    let service = Service::start_with_tokens().await;
    let token = service.token(Scope::Full).await;
    let cookie = service.session(&token).await;
    let (name, secret) = cookie.split_once('=').unwrap();
    assert_eq!(
        service
            .status_with("Cookie", &format!("{name}={token}"))
            .await,
        401
    );
    assert_eq!(
        service
            .status_with("Authorization", &format!("Bearer {secret}"))
            .await,
        401
    );
}

#[tokio::test]
async fn signing_out_ends_the_session_immediately_and_deletes_the_cookie() {
    let service = Service::start_with_tokens().await;
    let token = service.token(Scope::Full).await;
    let (cookie, other) = (service.session(&token).await, service.session(&token).await);
    assert_eq!(service.status_with("Cookie", &cookie).await, 200);
    let response = send(service.request("DELETE", SESSION).header("Cookie", &cookie)).await;
    assert_eq!(response.status, 204);
    let deleted = response.header("set-cookie").unwrap();
    assert!(
        deleted.starts_with("taskoverflow_session=; ") && deleted.ends_with("Max-Age=0"),
        "{deleted}"
    );
    assert_eq!(service.status_with("Cookie", &cookie).await, 401);
    assert_eq!(service.status_with("Cookie", &other).await, 200);
    // without a session, there is nothing to end
    assert_eq!(service.delete(SESSION).await.status, 204);
}

#[tokio::test]
async fn a_session_works_behind_a_proxy_that_asks_for_a_password() {
    let service = Service::start_with_tokens().await;
    let cookie = service.session(&service.token(Scope::Full).await).await;
    let request = || {
        let request = service.request("GET", "/api/v1/todos");
        request.header("Authorization", "Basic YTpi")
    };
    assert_eq!(send(request()).await.status, 401);
    assert_eq!(send(request().header("Cookie", &cookie)).await.status, 200);
}

#[tokio::test]
async fn a_session_ends_when_it_expires_or_its_token_is_revoked() {
    let service = Service::start_with_tokens().await;
    let token = service.token(Scope::Full).await;
    let expiring = service.session(&token).await;
    assert_eq!(service.status_with("Cookie", &expiring).await, 200);
    execute(&service.pool, "UPDATE api_sessions SET expires_at = now()").await;
    let revoked = service.session(&token).await;
    assert_eq!(service.status_with("Cookie", &revoked).await, 200);
    assert_eq!(
        service.count("api_sessions").await,
        1,
        "expired sessions are deleted"
    );
    service.revoke("full").await;
    for cookie in [expiring, revoked] {
        eventually("the session is refused", async || {
            service.status_with("Cookie", &cookie).await == 401
        })
        .await;
    }
    assert_eq!(service.count("api_sessions").await, 0);
}

#[tokio::test]
async fn a_token_has_at_most_a_hundred_sessions_and_the_oldest_ends_first() {
    let service = Service::start_with_tokens().await;
    let token = service.token(Scope::Full).await;
    let first = service.session(&token).await;
    let second = service.session(&token).await;
    for _ in 0..99 {
        service.session(&token).await;
    }
    assert_eq!(service.count("api_sessions").await, 100);
    assert_eq!(service.status_with("Cookie", &first).await, 401);
    assert_eq!(service.status_with("Cookie", &second).await, 200);
}

#[tokio::test]
async fn the_secret_of_a_revoked_token_begins_no_session_of_a_new_token_with_the_same_name() {
    let service = Service::start_with_tokens().await;
    let old = service.token(Scope::Full).await;
    // the API remembers for a while that it was valid
    assert_eq!(
        service
            .status_with("Authorization", &format!("Bearer {old}"))
            .await,
        200
    );
    service.revoke("full").await;
    service.token(Scope::Full).await;
    assert_eq!(service.sign_in(&old).await.status, 401);
    assert_eq!(service.count("api_sessions").await, 0);
}

#[tokio::test]
async fn a_page_of_another_site_can_use_no_session_and_begin_none() {
    let service = Service::start_with_tokens().await;
    let token = service.token(Scope::Full).await;
    let cookie = service.session(&token).await;
    let foreign = |method, path| {
        let request = service.request(method, path).header("Cookie", &cookie);
        request.header("Origin", "http://localhost:3000")
    };
    let add = foreign("POST", "/api/v1/todos").json(&json!({"title": "A"}));
    assert_eq!(send(add).await.status, 403);
    let sign_in = foreign("POST", SESSION).json(&json!({ "token": token }));
    let response = send(sign_in).await;
    assert_eq!(response.status, 403);
    assert_eq!(response.header("set-cookie"), None);
    assert_eq!(send(foreign("DELETE", SESSION)).await.status, 403);
    assert_eq!(service.count("todos").await, 0);
    assert_eq!(service.count("api_sessions").await, 1);
}
