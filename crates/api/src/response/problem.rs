//! Every error a client can get, as `application/problem+json` (RFC 9457) with the original's `error` member.

use std::borrow::Cow;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, RETRY_AFTER};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use shared_model::database::DatabaseError;
use shared_model::job::{JobError, JobStatus};

use crate::state::Readiness;

/// When to ask again for a job that has not ended.
pub const POLL_AFTER_SECONDS: u32 = 1;
/// When to ask again while the database is away or not ready: restarts take a few seconds.
const UNAVAILABLE_FOR_SECONDS: u32 = 5;

/// Why a request gets no answer of its own.
#[derive(Debug)]
pub enum ApiError {
    /// A member that is not known here.
    ExtraFields {
        /// Its name.
        member: String,
    },
    /// A new todo without a title.
    MissingTitle,
    /// Something that is not what it should be. The text names it and says what it should be.
    Invalid(Cow<'static, str>),
    /// No todo has that id.
    TodoNotFound,
    /// No job has that id.
    JobNotFound,
    /// The job has a calendar in store for later.
    JobNotFinished(JobStatus),
    /// The job has ended, and there will be no calendar.
    NoResult {
        /// FAILURE or REVOKED.
        status: JobStatus,
        /// Why it failed.
        cause: Option<JobError>,
    },
    /// The job has ended and can't be cancelled any more.
    JobEnded(JobStatus),
    /// The job is kept no longer.
    JobExpired,
    /// No feed has that id or token.
    FeedNotFound,
    /// The feed's first calendar is not finished yet.
    FeedNotReady,
    /// The operating system gives no random bytes.
    NoRandomness(String),
    /// The `Idempotency-Key` came with another request before.
    KeyReused,
    /// Nothing is at that path.
    NoSuchRoute,
    /// What is at that path knows other methods: these.
    MethodNotAllowed(&'static str),
    /// Neither of the codings that there are is acceptable to the client.
    NotAcceptable,
    /// The body is longer than this many bytes.
    BodyTooLarge(usize),
    /// The body did not come in time.
    BodyTooSlow,
    /// The body is no JSON.
    UnsupportedType,
    /// The schema is not there yet: the process has just started.
    Starting,
    /// The process can't serve now; this is what is missing.
    NotReady(Readiness),
    /// The database is away or busy, or it refused a query.
    Database(DatabaseError),
}

impl From<DatabaseError> for ApiError {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
    }
}

/// For the log, with the cause.
impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(error) => error.fmt(f),
            Self::NoRandomness(error) => f.write_str(error),
            _ => f.write_str(&self.detail()),
        }
    }
}

impl std::error::Error for ApiError {}

impl ApiError {
    /// Something that is not what it should be: `text` names it and says what it should be.
    pub fn invalid(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Invalid(text.into())
    }

    /// The original's text, where it has one.
    fn original(&self) -> Option<&'static str> {
        Some(match self {
            Self::ExtraFields { .. } => "extra fields",
            Self::MissingTitle => "missing title",
            Self::TodoNotFound => "Todo not found",
            Self::JobNotFound => "Task not found",
            Self::JobNotFinished(_) => "Task not finished",
            Self::NoResult {
                status: JobStatus::Revoked,
                ..
            } => "Task revoked",
            Self::NoResult { .. } => "Task failed",
            Self::JobEnded(_) => "Task already finished",
            Self::JobExpired => "Task expired",
            Self::Invalid(_)
            | Self::FeedNotFound
            | Self::FeedNotReady
            | Self::NoRandomness(_)
            | Self::KeyReused
            | Self::NoSuchRoute
            | Self::MethodNotAllowed(_)
            | Self::NotAcceptable
            | Self::BodyTooLarge(_)
            | Self::BodyTooSlow
            | Self::UnsupportedType
            | Self::Starting
            | Self::NotReady(_)
            | Self::Database(_) => return None,
        })
    }

    /// A sentence for the client. Constant where the fault is ours.
    fn detail(&self) -> Cow<'_, str> {
        match self {
            Self::ExtraFields { member } => format!("there is no member {member:?} here").into(),
            Self::MissingTitle => "a todo needs a title".into(),
            Self::Invalid(detail) => detail.as_ref().into(),
            Self::TodoNotFound => "no todo has this id".into(),
            Self::JobNotFound => "no job has this id".into(),
            Self::JobNotFinished(status) => format!("the job is {status}; ask again").into(),
            Self::NoResult {
                cause: Some(cause), ..
            } => cause.detail.as_str().into(),
            Self::NoResult {
                status,
                cause: None,
            } => format!("the job is {status} and has no result").into(),
            Self::JobEnded(status) => format!("the job ended in {status}").into(),
            Self::JobExpired => "the job has expired; its result is kept no longer".into(),
            Self::FeedNotFound => "there is no such feed".into(),
            Self::FeedNotReady => "the feed's calendar is being made; try again".into(),
            Self::KeyReused => "this Idempotency-Key stands for another request".into(),
            Self::NoSuchRoute => "there is nothing at this path".into(),
            Self::MethodNotAllowed(allowed) => format!("the methods here are {allowed}").into(),
            Self::NotAcceptable => "the result can be sent gzipped or as it is".into(),
            Self::BodyTooLarge(limit) => format!("the body is longer than {limit} bytes").into(),
            Self::BodyTooSlow => "the body did not come in time".into(),
            Self::UnsupportedType => {
                "the body must be JSON, uncompressed, with Content-Type: application/json".into()
            }
            Self::Starting => "the service is starting; try again".into(),
            Self::NotReady(_) => "the service is not ready; try again".into(),
            Self::Database(DatabaseError::Unavailable(_)) => {
                "the service is not available now; try again".into()
            }
            Self::Database(DatabaseError::Query(_)) | Self::NoRandomness(_) => {
                "the service failed; its log knows the cause by the request's id".into()
            }
        }
    }

    fn retry_after_seconds(&self) -> Option<u32> {
        match self {
            Self::JobNotFinished(_) => Some(POLL_AFTER_SECONDS),
            Self::Starting
            | Self::NotReady(_)
            | Self::FeedNotReady
            | Self::Database(DatabaseError::Unavailable(_)) => Some(UNAVAILABLE_FOR_SECONDS),
            _ => None,
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
            Self::NotReady(readiness) => Extension {
                readiness: Some(readiness),
                ..Extension::default()
            },
            _ => Extension::default(),
        }
    }
}

#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    error: &'a str,
    #[serde(flatten)]
    extension: Extension<'a>,
}

/// What a program can act on beside the status.
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
            Self::ExtraFields { .. } | Self::MissingTitle | Self::Invalid(_) => {
                StatusCode::BAD_REQUEST
            }
            Self::TodoNotFound
            | Self::FeedNotFound
            | Self::JobNotFound
            | Self::JobNotFinished(_)
            | Self::NoSuchRoute => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::NoResult { .. } | Self::JobEnded(_) => StatusCode::CONFLICT,
            Self::JobExpired => StatusCode::GONE,
            Self::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::BodyTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::UnsupportedType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Starting
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
        if let Self::BodyTooLarge(_) | Self::BodyTooSlow = self {
            // what is left of the body is not waited for
            response.force_close();
        }
        response
            .content_type("application/problem+json")
            .json(problem)
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::MessageBody;

    use super::*;

    fn body(error: &ApiError) -> String {
        let body = error.error_response().into_body();
        String::from_utf8(body.try_into_bytes().unwrap().to_vec()).unwrap()
    }

    #[test]
    fn a_problem_keeps_the_originals_error_member() {
        let error = ApiError::ExtraFields {
            member: "colour".into(),
        };
        assert_eq!(
            body(&error),
            r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"there is no member \"colour\" here","error":"extra fields"}"#
        );
    }

    #[test]
    fn a_fault_of_ours_is_in_the_log_and_not_in_the_answer() {
        let cause = "the database is not available: host db-7.internal";
        let error = ApiError::Database(DatabaseError::Unavailable("host db-7.internal".into()));
        assert_eq!(error.to_string(), cause);
        assert!(!body(&error).contains("db-7"), "{}", body(&error));
        assert_eq!(
            error.error_response().headers().get(RETRY_AFTER).unwrap(),
            "5"
        );
    }
}
