//! Tokens and sessions for tests.

use std::time::Duration;

use api::authentication::scope::Scope;
use api::authentication::secret::NewSecret;
use api::authentication::tokens;
use reqwest::RequestBuilder;
use serde_json::json;

use super::{ApiResponse, Service, execute, send};

impl Service {
    /// Starts a server that needs tokens.
    pub(crate) async fn start_with_tokens() -> Self {
        Self::start_with(&["--auth=tokens"]).await
    }

    /// Creates a token that does not expire. Its name is the scope's.
    pub(crate) async fn token(&self, scope: Scope) -> String {
        self.new_token(scope.name(), scope, None).await
    }

    pub(crate) async fn new_token(
        &self,
        name: &'static str,
        scope: Scope,
        lifetime: Option<Duration>,
    ) -> String {
        let NewSecret { text, hash } = NewSecret::token().unwrap();
        let create =
            move |connection: &mut _| tokens::create(connection, name, &hash, scope, lifetime);
        self.pool.run(create).await.unwrap().unwrap();
        text
    }

    pub(crate) async fn expired_token(&self) -> String {
        let token = self.new_token("expired", Scope::Full, None).await;
        let expire = "UPDATE api_tokens SET expires_at = now() WHERE name = 'expired'";
        execute(&self.pool, expire).await;
        token
    }

    pub(crate) async fn revoked_token(&self) -> String {
        let token = self.new_token("revoked", Scope::Full, None).await;
        self.revoke("revoked").await;
        token
    }

    pub(crate) async fn revoke(&self, name: &'static str) {
        let revoke = move |connection: &mut _| tokens::revoke(connection, name);
        assert!(self.pool.run(revoke).await.unwrap());
    }

    pub(crate) async fn sign_in(&self, token: &str) -> ApiResponse {
        self.post("/api/v1/session", &json!({ "token": token }))
            .await
    }

    /// Signs in, and returns the cookie as the browser sends it.
    pub(crate) async fn session(&self, token: &str) -> String {
        let response = self.sign_in(token).await;
        assert_eq!(response.status, 204, "{}", response.text());
        let cookie = response.header("set-cookie").unwrap();
        cookie.split(';').next().unwrap().to_owned()
    }

    /// Returns the status of a request for the todos.
    pub(crate) async fn status_with(&self, header: &str, value: &str) -> u16 {
        let request = self.request("GET", "/api/v1/todos").header(header, value);
        send(request).await.status.as_u16()
    }
}

/// Adds a token to a request.
pub(crate) fn with_token(request: RequestBuilder, token: &str) -> RequestBuilder {
    request.header("Authorization", format!("Bearer {token}"))
}
