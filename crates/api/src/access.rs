//! The middleware that admits a request. It runs before the routes, so a client without a token can't find out what
//! exists.
//!
//! # Layout
//! - [`rules`]: what a request needs

pub mod rules;

use std::sync::Arc;

use actix_web::HttpMessage;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use actix_web::middleware::Next;
use actix_web::web::Data;

use crate::authentication::cookie::{self, Cookie};
use crate::authentication::grants::Grant;
use crate::authentication::mode::AuthMode;
use crate::authentication::scope::Action;
use crate::authentication::secret::{Credential, SecretHash};
use crate::limits::client::ClientKey;
use crate::limits::reached::LimitReached;
use crate::response::problem::ApiError;
use crate::state::Api;

/// Handles a request with `next` if it needs no token or has a token that allows it. Otherwise responds with 401 or 403.
/// With `AUTH=off` it admits every request.
///
/// # Errors
/// Returns the error of `next`.
pub async fn authorize<B: MessageBody>(
    api: Data<Api>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    match check(&api, &request).await {
        Ok(()) => Ok(next.call(request).await?.map_into_left_body()),
        Err(error) => Ok(request.error_response(error).map_into_right_body()),
    }
}

/// Returns the name of the token that a request was made with, if it needed one and the token is valid.
pub fn token_name(request: &impl HttpMessage) -> Option<Arc<str>> {
    let extensions = request.extensions();
    let grant = extensions.get::<Arc<Grant>>()?;
    Some(Arc::clone(&grant.token_name))
}

/// What a request was made with, for a response that lasts longer than a token may.
#[derive(Debug, Clone)]
pub struct Authority {
    secret: Option<SecretHash>,
    action: Action,
}

impl Authority {
    /// Returns what `request` was made with, to do `action`.
    pub fn of(request: &impl HttpMessage, action: Action) -> Self {
        Self {
            secret: request.extensions().get().copied(),
            action,
        }
    }

    /// Returns whether the token or the session still allows it.
    pub async fn is_valid(&self, api: &Api) -> bool {
        let Some(secret) = self.secret else {
            return api.auth == AuthMode::Off;
        };
        let grant = api.find_grant(secret).await;
        grant.is_ok_and(|grant| grant.is_some_and(|grant| grant.scope.allows(self.action)))
    }
}

/// Checks whether the request needs no token, or has one that allows it.
async fn check(api: &Api, request: &ServiceRequest) -> Result<(), ApiError> {
    if api.auth == AuthMode::Off {
        return Ok(());
    }
    // the path as the routes will see it, which is partly decoded: /%6detrics is /metrics
    let path = request.match_info().as_str();
    let Some(action) = rules::action(request.method(), path) else {
        return Ok(());
    };
    let is_https = || api.origin.is_https(request.request());
    let hash = match credential(request.headers(), action, is_https) {
        Credential::Missing => return Err(ApiError::TokenMissing),
        Credential::Malformed => return Err(ApiError::TokenInvalid),
        Credential::Secret(hash) => hash,
    };
    let grant = api.find_grant(hash).await?;
    let grant = grant.ok_or(ApiError::TokenInvalid)?;
    // for `token_name`, also in the log line of a refusal, and for `Authority`
    request.extensions_mut().insert(Arc::clone(&grant));
    request.extensions_mut().insert(hash);
    if !grant.scope.allows(action) {
        return Err(ApiError::OutOfScope(action));
    }
    // operators need the metrics most when the service is overloaded
    if action != Action::Operate {
        count(api, request, &grant)?;
    }
    Ok(())
}

/// Counts a request for the rate of its token.
fn count(api: &Api, request: &ServiceRequest, grant: &Grant) -> Result<(), LimitReached> {
    let token = ClientKey::Token(Arc::clone(&grant.token_name));
    if let Some(allowance) = api.limits.rate.count(&token)? {
        // for the headers of the response
        request.extensions_mut().insert(allowance);
    }
    Ok(())
}

/// Returns the token or, without one, the session that a request belongs to. An `Authorization` with another scheme than
/// Bearer is for a proxy in front of the API. A call for operators belongs to the operator's session, if there is one.
fn credential(headers: &HeaderMap, action: Action, is_https: impl Fn() -> bool) -> Credential {
    let mut authorizations = headers.get_all(AUTHORIZATION);
    let token = authorizations.find_map(|header| bearer_token(header.to_str().ok()?));
    if let Some(token) = token {
        return SecretHash::of_token(token).into();
    }
    let of_operator = match action {
        Action::Operate => cookie::read(headers, Cookie::Operator, &is_https),
        Action::Read | Action::Change => Credential::Missing,
    };
    match of_operator {
        Credential::Missing => cookie::read(headers, Cookie::User, is_https),
        found => found,
    }
}

/// Returns what follows the scheme Bearer, or `None` if the header has another scheme.
fn bearer_token(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ').unwrap_or((authorization, ""));
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{COOKIE, HeaderValue};

    use super::*;
    use crate::authentication::secret::NewSecret;

    fn headers(authorization: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(authorization).unwrap());
        headers
    }

    #[test]
    fn a_token_is_read_from_the_authorization_header_even_if_there_is_a_cookie() {
        let (token, session) = (NewSecret::token().unwrap(), NewSecret::session().unwrap());
        let cookie = format!("taskoverflow_session={}", session.text);
        for scheme in ["Bearer", "bearer", "BEARER"] {
            let mut headers = headers(&format!("{scheme} {}", token.text));
            headers.insert(COOKIE, HeaderValue::from_str(&cookie).unwrap());
            assert_eq!(
                credential(&headers, Action::Read, || false),
                Credential::Secret(token.hash),
                "{scheme}"
            );
        }
    }

    #[test]
    fn without_a_bearer_token_the_cookie_counts_also_behind_a_proxy_with_a_password() {
        let session = NewSecret::session().unwrap();
        let cookie = format!("taskoverflow_session={}", session.text);
        let cookie = HeaderValue::from_str(&cookie).unwrap();
        for text in ["Basic YTpi", "Negotiate abc", "", "bearertoken"] {
            let mut headers = headers(text);
            assert_eq!(
                credential(&headers, Action::Read, || false),
                Credential::Missing
            );
            headers.insert(COOKIE, cookie.clone());
            let found = credential(&headers, Action::Read, || false);
            assert_eq!(found, Credential::Secret(session.hash), "{text}");
        }
        assert_eq!(
            credential(&HeaderMap::new(), Action::Read, || false),
            Credential::Missing
        );
    }

    #[test]
    fn a_token_counts_only_as_a_bearer_token() {
        let NewSecret { text, hash } = NewSecret::token().unwrap();
        for other in [text.clone(), format!("Basic {text}")] {
            let headers = headers(&other);
            assert_eq!(
                credential(&headers, Action::Read, || false),
                Credential::Missing
            );
        }
        for malformed in ["Bearer", "Bearer ", "Bearer x"] {
            let headers = headers(malformed);
            assert_eq!(
                credential(&headers, Action::Read, || false),
                Credential::Malformed
            );
        }
        let mut both = headers("Basic YTpi");
        let token = HeaderValue::from_str(&format!("Bearer {text}")).unwrap();
        both.append(AUTHORIZATION, token);
        assert_eq!(
            credential(&both, Action::Read, || false),
            Credential::Secret(hash)
        );
    }

    #[test]
    fn the_session_of_an_operator_counts_for_calls_of_operators_only() {
        let [user, operator] = [(); 2].map(|()| NewSecret::session().unwrap());
        let of_user = format!("taskoverflow_session={}", user.text);
        let both = format!("{of_user}; taskoverflow_operator={}", operator.text);
        let found = |cookies: &str, action| {
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, HeaderValue::from_str(cookies).unwrap());
            credential(&headers, action, || false)
        };
        for (cookies, action, hash) in [
            (&both, Action::Operate, operator.hash),
            (&both, Action::Read, user.hash),
            (&both, Action::Change, user.hash),
            // which does not allow it
            (&of_user, Action::Operate, user.hash),
        ] {
            assert_eq!(
                found(cookies, action),
                Credential::Secret(hash),
                "{action:?}"
            );
        }
        let of_operator = format!("taskoverflow_operator={}", operator.text);
        assert_eq!(found(&of_operator, Action::Change), Credential::Missing);
    }
}
