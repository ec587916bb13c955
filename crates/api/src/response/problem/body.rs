//! [`ApiError`] as a response: `application/problem+json` (RFC 9457) with the original's `error` member.

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use shared_model::database::DatabaseError;
use shared_model::job::{JobError, JobStatus};
use shared_model::trace;

use super::{ApiError, POLL_AFTER_SECONDS};
use crate::limits::rate::RateExceeded;
use crate::limits::reached::LimitReached;
use crate::readiness::Readiness;
use crate::request::json_body::BodyError;
use crate::request::origin::HostError;
use crate::response::rate_headers;

/// The `Retry-After` while the database is unavailable: a restart takes a few seconds.
const UNAVAILABLE_FOR_SECONDS: u32 = 5;

#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    #[serde(flatten)]
    extension: Extension<'a>,
}

/// Members that programs can use in addition to the status.
#[derive(Default, Serialize)]
struct Extension<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    task_status: Option<JobStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_error: Option<&'a JobError>,
    #[serde(flatten)]
    readiness: Option<&'a Readiness>,
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Input(_)
            | Self::Body(BodyError::Malformed(_))
            | Self::Host(HostError::Malformed { .. }) => StatusCode::BAD_REQUEST,
            Self::TokenMissing | Self::TokenInvalid => StatusCode::UNAUTHORIZED,
            Self::ForeignPage(_) | Self::OutOfScope(_) => StatusCode::FORBIDDEN,
            Self::Host(HostError::Unknown { .. }) => StatusCode::MISDIRECTED_REQUEST,
            Self::TodoNotFound
            | Self::FeedNotFound
            | Self::JobNotFound
            | Self::JobNotFinished(_)
            | Self::DeliveryNotFound
            | Self::NoSuchRoute => StatusCode::NOT_FOUND,
            Self::Operation(refusal) if refusal.is_unknown() => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::NoResult { .. }
            | Self::JobEnded(_)
            | Self::DeliveryNotGivenUp
            | Self::AuthenticationOff
            | Self::Operation(_)
            | Self::Limit(LimitReached::Todos(_) | LimitReached::Feeds(_)) => StatusCode::CONFLICT,
            Self::Limit(LimitReached::RequestRate(_)) => StatusCode::TOO_MANY_REQUESTS,
            Self::JobExpired => StatusCode::GONE,
            Self::Callback(_) | Self::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Body(BodyError::TooLarge(_)) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Body(BodyError::TooSlow) => StatusCode::REQUEST_TIMEOUT,
            Self::Body(BodyError::UnsupportedType) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Limit(_)
            | Self::Starting
            | Self::NotReady(_)
            | Self::FeedNotReady
            | Self::Database(DatabaseError::Unavailable(_)) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Database(DatabaseError::Query(_)) | Self::NoRandomness(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }

    fn error_response(&self) -> HttpResponse {
        let status = self.status_code();
        let detail = self.detail();
        let problem = Problem {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: &detail,
            error: self.original().unwrap_or(&detail),
            trace_id: trace::current().map(|trace| trace.id().to_string()),
            extension: self.extension(),
        };
        let mut response = HttpResponse::build(status);
        response.insert_header((CACHE_CONTROL, "no-store"));
        if let Some(seconds) = self.retry_after_seconds() {
            response.insert_header((RETRY_AFTER, seconds));
        }
        if let Self::MethodNotAllowed(allowed) = self {
            response.insert_header((ALLOW, *allowed));
        }
        if let Some(challenge) = self.challenge() {
            response.insert_header((WWW_AUTHENTICATE, challenge));
        }
        if self.ends_connection() {
            response.force_close();
        }
        let mut response = response
            .content_type("application/problem+json")
            .json(problem);
        if let Self::Limit(LimitReached::RequestRate(RateExceeded(allowance))) = self {
            rate_headers::insert(response.headers_mut(), *allowance);
        }
        response
    }
}

impl ApiError {
    /// Returns whether the connection has to end, because the rest of the body is not awaited.
    fn ends_connection(&self) -> bool {
        matches!(
            self,
            Self::Body(BodyError::TooLarge(_) | BodyError::TooSlow)
        )
    }

    /// Returns the challenge of RFC 6750, section 3, if a better token would help.
    fn challenge(&self) -> Option<&'static str> {
        match self {
            Self::TokenMissing => Some(r#"Bearer realm="taskoverflow""#),
            Self::TokenInvalid => Some(r#"Bearer realm="taskoverflow", error="invalid_token""#),
            Self::OutOfScope(_) => {
                Some(r#"Bearer realm="taskoverflow", error="insufficient_scope""#)
            }
            _ => None,
        }
    }

    fn retry_after_seconds(&self) -> Option<u32> {
        match self {
            Self::JobNotFinished(_) => Some(POLL_AFTER_SECONDS),
            Self::Limit(limit) => limit.retry_after_seconds(),
            Self::Starting
            | Self::NotReady(_)
            | Self::FeedNotReady
            | Self::Database(DatabaseError::Unavailable(_)) => Some(UNAVAILABLE_FOR_SECONDS),
            Self::Input(_)
            | Self::Body(_)
            | Self::Host(_)
            | Self::ForeignPage(_)
            | Self::TokenMissing
            | Self::TokenInvalid
            | Self::OutOfScope(_)
            | Self::AuthenticationOff
            | Self::TodoNotFound
            | Self::JobNotFound
            | Self::NoResult { .. }
            | Self::JobEnded(_)
            | Self::JobExpired
            | Self::FeedNotFound
            | Self::NoRandomness(_)
            | Self::Callback(_)
            | Self::DeliveryNotFound
            | Self::DeliveryNotGivenUp
            | Self::KeyReused
            | Self::Operation(_)
            | Self::NoSuchRoute
            | Self::MethodNotAllowed(_)
            | Self::NotAcceptable
            | Self::Database(DatabaseError::Query(_)) => None,
        }
    }

    fn extension(&self) -> Extension<'_> {
        match self {
            Self::JobNotFinished(status) | Self::JobEnded(status) => Extension {
                task_status: Some(*status),
                ..Extension::default()
            },
            Self::NoResult { status, cause } => Extension {
                task_status: Some(*status),
                task_error: cause.as_ref(),
                ..Extension::default()
            },
            Self::Operation(refusal) => Extension {
                task_status: refusal.job_status(),
                ..Extension::default()
            },
            Self::NotReady(readiness) => Extension {
                readiness: Some(readiness),
                ..Extension::default()
            },
            Self::Input(_)
            | Self::Body(_)
            | Self::Limit(_)
            | Self::Host(_)
            | Self::ForeignPage(_)
            | Self::TokenMissing
            | Self::TokenInvalid
            | Self::OutOfScope(_)
            | Self::AuthenticationOff
            | Self::TodoNotFound
            | Self::JobNotFound
            | Self::JobExpired
            | Self::FeedNotFound
            | Self::FeedNotReady
            | Self::NoRandomness(_)
            | Self::Callback(_)
            | Self::DeliveryNotFound
            | Self::DeliveryNotGivenUp
            | Self::KeyReused
            | Self::NoSuchRoute
            | Self::MethodNotAllowed(_)
            | Self::NotAcceptable
            | Self::Starting
            | Self::Database(_) => Extension::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::MessageBody;

    use shared_model::trace::Trace;

    use super::*;
    use crate::request::input_error::InputError;

    fn body(error: &ApiError) -> String {
        let body = error.error_response().into_body();
        String::from_utf8(body.try_into_bytes().unwrap().to_vec()).unwrap()
    }

    #[test]
    fn a_problem_has_the_error_member_of_the_original() {
        let error = ApiError::Input(InputError::UnknownMember {
            member: "colour".into(),
        });
        assert_eq!(
            body(&error),
            r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"unknown member \"colour\"","error":"extra fields"}"#
        );
    }

    #[test]
    fn a_problem_names_the_trace_of_its_request() {
        let trace = Trace::begin();
        let body = trace::within(Some(trace), || body(&ApiError::TodoNotFound));
        let expected = format!(r#""trace_id":"{}""#, trace.id());
        assert!(body.contains(&expected), "{body}");
    }

    #[test]
    fn the_cause_of_an_internal_error_is_in_the_log_and_not_in_the_response() {
        let error = ApiError::Database(DatabaseError::Unavailable("host db-7.internal".into()));
        assert!(error.to_string().contains("db-7"), "{error}");
        assert!(!body(&error).contains("db-7"), "{}", body(&error));
        assert_eq!(
            error.error_response().headers().get(RETRY_AFTER).unwrap(),
            "5"
        );
    }
}
