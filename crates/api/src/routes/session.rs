//! The session of a browser: signing in with a token, and signing out.

use std::time::Duration;

use actix_web::http::header::SET_COOKIE;
use actix_web::web::Data;
use actix_web::{HttpMessage, HttpRequest, HttpResponse};

use crate::authentication::cookie::{self, Cookie};
use crate::authentication::mode::AuthMode;
use crate::authentication::scope::Action;
use crate::authentication::secret::{Credential, NewSecret, SecretHash};
use crate::authentication::sessions;
use crate::request::input_error::InputError;
use crate::request::json_body::{BodyLimits, JsonBody};
use crate::request::{members, openapi};
use crate::response::openapi::problems::{
    AuthenticationOff, BadBody, BadInput, Refused, ServerFault,
};
use crate::response::problem::ApiError;
use crate::state::Api;

/// Anybody can send this body, without a token. It contains no more than one.
pub(super) const BODY_LIMITS: BodyLimits = BodyLimits {
    timeout: Duration::from_secs(3),
    max_bytes: 1024,
};

/// Exchanges a token for a cookie, which scripts can't read. The session ends after 24 hours, when the token expires or is
/// revoked, or when the browser is closed.
#[utoipa::path(
    post,
    path = "/api/v1/session",
    operation_id = "sign_in",
    tag = "Session",
    summary = "Sign in with a token; for browsers",
    request_body(content = openapi::SignIn),
    responses(
        (status = 204, description = "The response sets the cookie of the session", headers(("Set-Cookie" = String))),
        BadInput,
        Refused,
        AuthenticationOff,
        BadBody,
        ServerFault,
    ),
)]
pub(super) async fn sign_in(
    request: HttpRequest,
    api: Data<Api>,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    begin(&request, &api, body, Cookie::User).await
}

/// Signs in with the token in `body`. The session has this cookie.
///
/// # Errors
/// Returns an error if the token is not valid, or is for other sessions.
pub(super) async fn begin(
    request: &HttpRequest,
    api: &Api,
    body: JsonBody,
    cookie: Cookie,
) -> Result<HttpResponse, ApiError> {
    if api.auth == AuthMode::Off {
        return Err(ApiError::AuthenticationOff);
    }
    let token = token(body)?.ok_or(ApiError::TokenInvalid)?;
    let grant = api.find_grant(token).await?;
    let grant = grant.ok_or(ApiError::TokenInvalid)?;
    let action = match cookie {
        Cookie::User => Action::Read,
        Cookie::Operator => Action::Operate,
    };
    if !grant.scope.allows(action) {
        return Err(ApiError::OutOfScope(action));
    }
    // for the log
    request.extensions_mut().insert(grant);
    let NewSecret { text, hash } = NewSecret::session()?;
    let is_created = api
        .query(move |connection| sessions::create(connection, &token, &hash))
        .await?;
    if !is_created {
        return Err(ApiError::TokenInvalid);
    }
    let cookie = cookie::set(cookie, &text, api.origin.is_https(request));
    Ok(HttpResponse::NoContent()
        .insert_header((SET_COOKIE, cookie))
        .finish())
}

/// Returns the hash of the token in the body, or `None` if no token has the form of the body's.
fn token(body: JsonBody) -> Result<Option<SecretHash>, ApiError> {
    let mut members = body.required_members()?;
    members.allow_only(&["token"])?;
    let token = members
        .take("token")
        .ok_or(InputError::invalid("token is required"))?;
    Ok(SecretHash::of_token(members::text("token", token)?.trim()))
}

#[utoipa::path(
    delete,
    path = "/api/v1/session",
    operation_id = "sign_out",
    tag = "Session",
    summary = "Sign out; for browsers",
    responses(
        (status = 204, description = "The session of the cookie has ended, if there was one. The response deletes the cookie", headers(("Set-Cookie" = String))),
        ServerFault,
    ),
)]
pub(super) async fn sign_out(
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, ApiError> {
    end(&request, &api, Cookie::User).await
}

/// Ends the session of this cookie, if there is one.
///
/// # Errors
/// Returns an error if the query fails.
pub(super) async fn end(
    request: &HttpRequest,
    api: &Api,
    cookie: Cookie,
) -> Result<HttpResponse, ApiError> {
    let is_https = api.origin.is_https(request);
    if let Credential::Secret(hash) = cookie::read(request.headers(), cookie, || is_https) {
        let has_ended = api
            .query(move |connection| sessions::end(connection, &hash))
            .await?;
        if has_ended {
            api.end_grant(&hash);
        }
    }
    Ok(HttpResponse::NoContent()
        .insert_header((SET_COOKIE, cookie::clear(cookie, is_https)))
        .finish())
}
