//! Which requests appear in the log although they did not fail.

use std::num::NonZeroU32;
use std::sync::{Arc, LazyLock};

use actix_web::http::StatusCode;
use actix_web::{HttpMessage, HttpRequest};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use crate::authentication::grants::Grant;
use crate::authentication::scope::Scope;

/// The route on which browsers sign in.
const SESSION: &str = "/api/v1/session";
/// How many refusals are logged in a second, so that nobody can fill the log with them.
const REFUSALS_PER_SECOND: NonZeroU32 = NonZeroU32::new(10).unwrap();

static REFUSALS: LazyLock<DefaultDirectRateLimiter> =
    LazyLock::new(|| RateLimiter::direct(Quota::per_second(REFUSALS_PER_SECOND)));

/// Returns whether operators want to know later that there was this request: it was refused, somebody signed in, or it was
/// a call of an operator. Refusals are notable only until there are too many of them.
pub(super) fn is_notable(request: &HttpRequest, route: &str, status: StatusCode) -> bool {
    if [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status) {
        return REFUSALS.check().is_ok();
    }
    let extensions = request.extensions();
    let grant = extensions.get::<Arc<Grant>>();
    grant.is_some_and(|grant| grant.scope == Scope::Operator || route == SESSION)
}
