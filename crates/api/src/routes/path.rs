//! The ids in paths. A malformed id gets the same response as an unknown one.

use std::convert::Infallible;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use shared_model::job::JobId;
use uuid::Uuid;

use crate::response::problem::ApiError;

/// A todo's id. A number that is too large for an id becomes 0, which no todo has.
pub(super) struct TodoPath(pub(super) i32);

impl FromRequest for TodoPath {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = id(request);
        let is_number = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
        ready(if is_number {
            Ok(Self(id.parse().unwrap_or(0)))
        } else {
            Err(ApiError::TodoNotFound)
        })
    }
}

/// A process's id. A malformed id becomes 0, which no process has.
pub(super) struct ProcessPath(pub(super) i32);

impl FromRequest for ProcessPath {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(id(request).parse().unwrap_or(0))))
    }
}

/// A job's id.
pub(super) struct JobPath(pub(super) JobId);

impl FromRequest for JobPath {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = Uuid::try_parse(id(request));
        ready(id.map(|id| Self(JobId(id))).or(Err(ApiError::JobNotFound)))
    }
}

/// A feed's id.
pub(super) struct FeedPath(pub(super) Uuid);

impl FromRequest for FeedPath {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = Uuid::try_parse(id(request));
        ready(id.map(Self).or(Err(ApiError::FeedNotFound)))
    }
}

/// The id of the delivery of an event.
pub(super) struct DeliveryId(pub(super) i64);

impl FromRequest for DeliveryId {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = id(request).parse();
        ready(id.map(Self).or(Err(ApiError::DeliveryNotFound)))
    }
}

fn id(request: &HttpRequest) -> &str {
    request.match_info().get("id").unwrap_or_default()
}
