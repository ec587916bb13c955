//! Every error that a client can receive.

mod body;

use std::borrow::Cow;
use std::fmt;

use shared_model::database::DatabaseError;
use shared_model::job::{JobError, JobStatus};

use crate::authentication::scope::Action;
use crate::events::destinations::CallbackError;
use crate::limits::reached::LimitReached;
use crate::operations::refusal::Refusal;
use crate::random::NoRandomness;
use crate::readiness::Readiness;
use crate::request::input_error::InputError;
use crate::request::json_body::BodyError;
use crate::request::origin::{ForeignPage, HostError};
use crate::response::download::NotAcceptable;
use crate::state::QueryError;

/// The `Retry-After` of a job that has not ended.
pub const POLL_AFTER_SECONDS: u32 = 1;

/// A request was refused or could not be handled.
#[derive(Debug)]
pub enum ApiError {
    /// A query, a header or a JSON object holds an invalid value.
    Input(InputError),
    /// The body was refused.
    Body(BodyError),
    /// The request is for another host.
    Host(HostError),
    /// A page of another site sent the request.
    ForeignPage(ForeignPage),
    /// A limit of the service is reached.
    Limit(LimitReached),
    /// The request has neither a token nor a session, and needs one.
    TokenMissing,
    /// The token or the session of the request is unknown, expired or revoked.
    TokenInvalid,
    /// The token does not allow this.
    OutOfScope(Action),
    /// A client wants to sign in, but the API does not use tokens.
    AuthenticationOff,
    /// No todo has this id.
    TodoNotFound,
    /// No job has this id.
    JobNotFound,
    /// The job has not finished, so it has no result yet.
    JobNotFinished(JobStatus),
    /// The job has ended without a result.
    NoResult {
        /// Failed or revoked.
        status: JobStatus,
        /// The reason of the failure.
        cause: Option<JobError>,
    },
    /// The job has ended, so it can't be cancelled.
    JobEnded(JobStatus),
    /// The job has expired.
    JobExpired,
    /// No feed has this id or token.
    FeedNotFound,
    /// The first calendar of the feed is not ready.
    FeedNotReady,
    /// No delivery of an event has this id: it was delivered, or never existed.
    DeliveryNotFound,
    /// The delivery of an event was not given up, so there is nothing to retry.
    DeliveryNotGivenUp,
    /// The operating system provides no random bytes.
    NoRandomness(NoRandomness),
    /// The `callback_url` can't be used.
    Callback(CallbackError),
    /// The `Idempotency-Key` was used for a different request.
    KeyReused,
    /// An operator's call had no effect.
    Operation(Refusal),
    /// No resource exists at this path.
    NoSuchRoute,
    /// The resource supports only these methods.
    MethodNotAllowed(&'static str),
    /// The client accepts neither gzip nor identity encoding.
    NotAcceptable,
    /// The process has just started: the database schema may not be up to date yet.
    Starting,
    /// The process can't serve requests. The readiness says what is missing.
    NotReady(Readiness),
    /// The database is unavailable, or it refused a query.
    Database(DatabaseError),
}

impl From<InputError> for ApiError {
    fn from(error: InputError) -> Self {
        Self::Input(error)
    }
}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> Self {
        Self::Body(error)
    }
}

impl From<HostError> for ApiError {
    fn from(error: HostError) -> Self {
        Self::Host(error)
    }
}

impl From<ForeignPage> for ApiError {
    fn from(error: ForeignPage) -> Self {
        Self::ForeignPage(error)
    }
}

/// For [`JsonBody`](crate::request::json_body::JsonBody) as an extractor.
impl From<BodyError> for actix_web::Error {
    fn from(error: BodyError) -> Self {
        ApiError::from(error).into()
    }
}

impl From<CallbackError> for ApiError {
    fn from(error: CallbackError) -> Self {
        Self::Callback(error)
    }
}

impl From<LimitReached> for ApiError {
    fn from(limit: LimitReached) -> Self {
        Self::Limit(limit)
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self::Operation(refusal)
    }
}

impl From<NoRandomness> for ApiError {
    fn from(error: NoRandomness) -> Self {
        Self::NoRandomness(error)
    }
}

impl From<NotAcceptable> for ApiError {
    fn from(NotAcceptable: NotAcceptable) -> Self {
        Self::NotAcceptable
    }
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Starting => Self::Starting,
            QueryError::Database(error) => Self::Database(error),
        }
    }
}

/// The text for the log, which includes the cause of an internal error.
impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(error) => error.fmt(f),
            Self::NoRandomness(error) => error.fmt(f),
            _ => f.write_str(&self.detail()),
        }
    }
}

impl std::error::Error for ApiError {}

impl ApiError {
    /// Returns the limit that was reached, if that is the reason.
    pub fn limit(&self) -> Option<LimitReached> {
        match self {
            Self::Limit(limit) => Some(*limit),
            _ => None,
        }
    }

    /// Returns the text of the `error` member, if the original has the same error.
    fn original(&self) -> Option<&'static str> {
        Some(match self {
            Self::Input(InputError::UnknownMember { .. }) => "extra fields",
            Self::Input(InputError::MissingTitle) => "missing title",
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
            Self::Input(InputError::Invalid(_))
            | Self::Body(_)
            | Self::Limit(_)
            | Self::Host(_)
            | Self::ForeignPage(_)
            | Self::TokenMissing
            | Self::TokenInvalid
            | Self::OutOfScope(_)
            | Self::AuthenticationOff
            | Self::FeedNotFound
            | Self::FeedNotReady
            | Self::DeliveryNotFound
            | Self::DeliveryNotGivenUp
            | Self::NoRandomness(_)
            | Self::Callback(_)
            | Self::KeyReused
            | Self::Operation(_)
            | Self::NoSuchRoute
            | Self::MethodNotAllowed(_)
            | Self::NotAcceptable
            | Self::Starting
            | Self::NotReady(_)
            | Self::Database(_) => return None,
        })
    }

    /// Returns the description for the client. For an internal error it is constant, so that no cause leaves the process.
    fn detail(&self) -> Cow<'_, str> {
        match self {
            Self::Input(error) => error.to_string().into(),
            Self::Body(error) => error.to_string().into(),
            Self::Limit(limit) => limit.to_string().into(),
            Self::Host(error) => error.to_string().into(),
            Self::ForeignPage(error) => error.to_string().into(),
            Self::TokenMissing => {
                "this needs a token: send the header Authorization: Bearer TOKEN. The operators of the service create tokens \
                 with `taskoverflow-api tokens create`"
                    .into()
            }
            Self::TokenInvalid => {
                "the token or session is unknown, expired or revoked; sign in again, or ask the operators of the service \
                 for a new token"
                    .into()
            }
            Self::OutOfScope(action) => format!(
                "the token does not allow this request, which needs the scope {}",
                action.allowed_by()
            )
            .into(),
            Self::AuthenticationOff => {
                "this API does not use tokens, so there is no need to sign in".into()
            }
            Self::TodoNotFound => "no todo has this id".into(),
            Self::JobNotFound => "no job has this id".into(),
            Self::JobNotFinished(status) => format!("the job is {status}; try again later").into(),
            Self::NoResult {
                cause: Some(cause), ..
            } => cause.detail.as_str().into(),
            Self::NoResult {
                status,
                cause: None,
            } => format!("the job is {status} and has no result").into(),
            Self::JobEnded(status) => format!("the job has already ended as {status}").into(),
            Self::JobExpired => "the job has expired".into(),
            Self::FeedNotFound => "no such feed".into(),
            Self::DeliveryNotFound => {
                "no delivery has this id: the event has been delivered, or there never was one".into()
            }
            Self::DeliveryNotGivenUp => {
                "the delivery was not given up, so the service still tries; its due_at says when".into()
            }
            Self::FeedNotReady => {
                "the first calendar of this feed is not ready; try again later".into()
            }
            Self::Callback(error) => error.to_string().into(),
            Self::KeyReused => "this Idempotency-Key was used for a different request".into(),
            Self::Operation(refusal) => refusal.to_string().into(),
            Self::NoSuchRoute => "no resource exists at this path".into(),
            Self::MethodNotAllowed(allowed) => {
                format!("this resource supports only {allowed}").into()
            }
            Self::NotAcceptable => NotAcceptable.to_string().into(),
            Self::Starting => "the service is starting; try again later".into(),
            Self::NotReady(_) => "the service is not ready; try again later".into(),
            Self::Database(DatabaseError::Unavailable(_)) => {
                "the service is temporarily unavailable; try again later".into()
            }
            Self::Database(DatabaseError::Query(_)) | Self::NoRandomness(_) => {
                "internal error; quote the X-Request-Id when you report it".into()
            }
        }
    }
}
