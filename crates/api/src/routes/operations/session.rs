//! The session of an operator: signing in with a token, and signing out.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use crate::authentication::cookie::Cookie;
use crate::request::json_body::JsonBody;
use crate::request::openapi;
use crate::response::openapi::problems::{
    AuthenticationOff, BadBody, BadInput, Refused, ServerFault,
};
use crate::response::problem::ApiError;
use crate::routes::session;
use crate::state::Api;

/// Exchanges the token of an operator for a cookie, which scripts can't read and which only calls for operators use. A
/// browser may have a session of another token beside it. The session ends after 24 hours, when the token expires or is
/// revoked, or when the browser is closed.
#[utoipa::path(
    post,
    path = "/api/v1/operations/session",
    operation_id = "sign_in_operator",
    tag = "Session",
    summary = "Sign in as an operator; for browsers",
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
pub(in crate::routes) async fn sign_in(
    request: HttpRequest,
    api: Data<Api>,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    session::begin(&request, &api, body, Cookie::Operator).await
}

#[utoipa::path(
    delete,
    path = "/api/v1/operations/session",
    operation_id = "sign_out_operator",
    tag = "Session",
    summary = "Sign out as an operator; for browsers",
    responses(
        (status = 204, description = "The operator's session has ended, if there was one. The response deletes its cookie", headers(("Set-Cookie" = String))),
        ServerFault,
    ),
)]
pub(in crate::routes) async fn sign_out(
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, ApiError> {
    session::end(&request, &api, Cookie::Operator).await
}
