//! The errors of the API as OpenAPI responses. [`ApiError`](crate::response::problem::ApiError) writes them.
#![expect(dead_code, reason = "schemas: read by derives, never constructed")]

use utoipa::{IntoResponses, ToSchema};

use super::schemas::{JobFailure, TaskStatus};

/// An error (RFC 9457). The `error` member is that of the original.
#[derive(Debug, ToSchema)]
pub(crate) struct ProblemDetails {
    #[schema(example = "about:blank")]
    r#type: String,
    #[schema(example = "Bad Request")]
    title: String,
    status: u16,
    /// A description for people.
    detail: String,
    #[schema(example = "missing title")]
    error: String,
    /// The id of the request's trace, which the log lines of the request have too.
    #[schema(
        example = "0af7651916cd43dd8448eb211c80319c",
        pattern = "^[0-9a-f]{32}$"
    )]
    trace_id: String,
    /// The status of the job, if the error is about a job.
    task_status: Option<TaskStatus>,
    /// The reason why the job failed, if it did.
    task_error: Option<JobFailure>,
}

/// The request is invalid. `detail` names the invalid value.
#[derive(Debug, IntoResponses)]
#[response(status = 400, content_type = "application/problem+json")]
pub(crate) struct BadInput(ProblemDetails);

/// The request is for a host that is not one of this service.
#[derive(Debug, IntoResponses)]
#[response(status = 421, content_type = "application/problem+json")]
pub(crate) struct UnknownHost(ProblemDetails);

/// A page of another site sent the request.
#[derive(Debug, IntoResponses)]
#[response(status = 403, content_type = "application/problem+json")]
pub(crate) struct ForeignPage(ProblemDetails);
/// The client may not make this request.
#[derive(Debug, IntoResponses)]
pub(crate) enum Refused {
    /// The token is missing, unknown, expired or revoked.
    #[response(status = 401, content_type = "application/problem+json", headers(("WWW-Authenticate" = String)))]
    Token(ProblemDetails),
    /// The token does not allow this request, or a page of another site sent it.
    #[response(status = 403, content_type = "application/problem+json", headers(("WWW-Authenticate" = String)))]
    Scope(ProblemDetails),
}

/// The API does not use tokens (`AUTH=off`).
#[derive(Debug, IntoResponses)]
#[response(status = 409, content_type = "application/problem+json")]
pub(crate) struct AuthenticationOff(ProblemDetails);

/// The body was refused.
#[derive(Debug, IntoResponses)]
pub(crate) enum BadBody {
    /// The body did not arrive in time.
    #[response(status = 408, content_type = "application/problem+json")]
    TooSlow(ProblemDetails),
    /// The body is longer than 64 KiB.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemDetails),
    /// The body is compressed, or has no `Content-Type` or one other than JSON.
    #[response(status = 415, content_type = "application/problem+json")]
    UnsupportedType(ProblemDetails),
}

/// Nothing has this id.
#[derive(Debug, IntoResponses)]
#[response(status = 404, content_type = "application/problem+json")]
pub(crate) struct NotFound(ProblemDetails);

/// The job has not finished (`Retry-After` says when to try again), or no job has this id.
#[derive(Debug, IntoResponses)]
#[response(status = 404, content_type = "application/problem+json")]
pub(crate) struct NotFinished(ProblemDetails);

/// The client accepts neither gzip nor identity encoding.
#[derive(Debug, IntoResponses)]
#[response(status = 406, content_type = "application/problem+json")]
pub(crate) struct NotAcceptable(ProblemDetails);

/// The job failed or was cancelled, so it has no result.
#[derive(Debug, IntoResponses)]
#[response(status = 409, content_type = "application/problem+json")]
pub(crate) struct NoResult(ProblemDetails);

/// The job has already ended.
#[derive(Debug, IntoResponses)]
#[response(status = 409, content_type = "application/problem+json")]
pub(crate) struct Ended(ProblemDetails);

/// The call had no effect. `detail` says why, and what to do.
#[derive(Debug, IntoResponses)]
#[response(status = 409, content_type = "application/problem+json")]
pub(crate) struct OperationRefused(ProblemDetails);

/// The client sends too many requests. See `Retry-After`.
#[derive(Debug, IntoResponses)]
#[response(
    status = 429,
    content_type = "application/problem+json",
    headers(("Retry-After" = u32), ("RateLimit" = String), ("RateLimit-Policy" = String)),
)]
pub(crate) struct TooManyRequests(ProblemDetails);

/// There are as many as there may be. Delete some first.
#[derive(Debug, IntoResponses)]
#[response(status = 409, content_type = "application/problem+json")]
pub(crate) struct TooMany(ProblemDetails);

/// The job has expired.
#[derive(Debug, IntoResponses)]
#[response(status = 410, content_type = "application/problem+json")]
pub(crate) struct Expired(ProblemDetails);

/// The `Idempotency-Key` was used for a different request, or the `callback_url` can't be used.
#[derive(Debug, IntoResponses)]
#[response(status = 422, content_type = "application/problem+json")]
pub(crate) struct Unusable(ProblemDetails);

/// The delivery was not given up.
#[derive(Debug, IntoResponses)]
#[response(status = 409, content_type = "application/problem+json")]
pub(crate) struct NotGivenUp(ProblemDetails);

/// The process cannot serve requests. The members `database`, `migrations` and `queue` say why.
#[derive(Debug, IntoResponses)]
#[response(status = 503, content_type = "application/problem+json")]
pub(crate) struct NotReady(ProblemDetails);

/// The server could not handle a valid request.
#[derive(Debug, IntoResponses)]
pub(crate) enum ServerFault {
    /// Internal error. Quote the `X-Request-Id` of the response when you report it.
    #[response(status = 500, content_type = "application/problem+json")]
    Failed(ProblemDetails),
    /// The service is temporarily unavailable, one of its limits is reached, or a feed's first calendar is not ready. See
    /// `Retry-After`.
    #[response(status = 503, content_type = "application/problem+json", headers(("Retry-After" = u32)))]
    Unavailable(ProblemDetails),
}
