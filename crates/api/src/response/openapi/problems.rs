//! The errors of the API as OpenAPI responses. [`ApiError`](crate::response::problem::ApiError) writes them.
#![expect(dead_code, reason = "schemas: read by derives, never constructed")]

use utoipa::{IntoResponses, ToSchema};

use super::schemas::{JobFailure, TaskStatus};

/// An error (RFC 9457), with the original's `error` member.
#[derive(Debug, ToSchema)]
pub(crate) struct ProblemDetails {
    #[schema(example = "about:blank")]
    r#type: String,
    #[schema(example = "Bad Request")]
    title: String,
    status: u16,
    /// A sentence for a person.
    detail: String,
    #[schema(example = "missing title")]
    error: String,
    /// Where the error is of a job.
    task_status: Option<TaskStatus>,
    task_error: Option<JobFailure>,
}

/// What the client sent is not what it should be; `detail` names it.
#[derive(Debug, IntoResponses)]
#[response(status = 400, content_type = "application/problem+json")]
pub(crate) struct BadInput(ProblemDetails);

/// Why a body is not read.
#[derive(Debug, IntoResponses)]
pub(crate) enum BadBody {
    /// It did not come in time.
    #[response(status = 408, content_type = "application/problem+json")]
    TooSlow(ProblemDetails),
    /// It is longer than 64 KiB.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemDetails),
    /// It is no JSON by its type.
    #[response(status = 415, content_type = "application/problem+json")]
    UnsupportedType(ProblemDetails),
}

/// There is none of this id.
#[derive(Debug, IntoResponses)]
#[response(status = 404, content_type = "application/problem+json")]
pub(crate) struct NotFound(ProblemDetails);

/// Not finished, or no such job
#[derive(Debug, IntoResponses)]
#[response(status = 404, content_type = "application/problem+json")]
pub(crate) struct NotFinished(ProblemDetails);

/// The client refuses the calendar both gzipped and as it is.
#[derive(Debug, IntoResponses)]
#[response(status = 406, content_type = "application/problem+json")]
pub(crate) struct NotAcceptable(ProblemDetails);

/// There will be none
#[derive(Debug, IntoResponses)]
#[response(status = 409, content_type = "application/problem+json")]
pub(crate) struct NoResult(ProblemDetails);

/// The job has ended
#[derive(Debug, IntoResponses)]
#[response(status = 409, content_type = "application/problem+json")]
pub(crate) struct Ended(ProblemDetails);

/// The job is kept no longer.
#[derive(Debug, IntoResponses)]
#[response(status = 410, content_type = "application/problem+json")]
pub(crate) struct Expired(ProblemDetails);

/// The key was used for another request
#[derive(Debug, IntoResponses)]
#[response(status = 422, content_type = "application/problem+json")]
pub(crate) struct KeyReused(ProblemDetails);

/// They can not
#[derive(Debug, IntoResponses)]
#[response(status = 503, content_type = "application/problem+json")]
pub(crate) struct NotReady(ProblemDetails);

/// What is the service's own fault.
#[derive(Debug, IntoResponses)]
pub(crate) enum ServerFault {
    /// The cause is in the service's log, under the `X-Request-Id` of the answer.
    #[response(status = 500, content_type = "application/problem+json")]
    Failed(ProblemDetails),
    /// The database is away, or a feed's first calendar is not made yet; `Retry-After` says when to try again.
    #[response(status = 503, content_type = "application/problem+json", headers(("Retry-After" = u32)))]
    Unavailable(ProblemDetails),
}
