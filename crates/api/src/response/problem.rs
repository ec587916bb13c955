//! Every error that a client can receive.

mod body;

use std::borrow::Cow;
use std::fmt;

use shared_model::database::DatabaseError;
use shared_model::job::{JobError, JobStatus};

use crate::feed_token::NoRandomness;
use crate::readiness::Readiness;
use crate::request::input_error::InputError;
use crate::request::json_body::BodyError;
use crate::response::download::NotAcceptable;
use crate::state::QueryError;

/// The `Retry-After` of a job that has not ended.
pub const POLL_AFTER_SECONDS: u32 = 1;

/// Why a request gets no answer of its own.
#[derive(Debug)]
pub enum ApiError {
    /// A query, a header or a JSON object holds an invalid value.
    Input(InputError),
    /// The body was refused.
    Body(BodyError),
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
    /// The operating system provides no random bytes.
    NoRandomness(NoRandomness),
    /// The `Idempotency-Key` came with another request before.
    KeyReused,
    /// Nothing is at that path.
    NoSuchRoute,
    /// What is at that path knows other methods: these.
    MethodNotAllowed(&'static str),
    /// Neither of the codings that there are is acceptable to the client.
    NotAcceptable,
    /// The schema is not there yet: the process has just started.
    Starting,
    /// The process can't serve now; this is what is missing.
    NotReady(Readiness),
    /// The database is away or busy, or it refused a query.
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

/// For [`JsonBody`](crate::request::json_body::JsonBody) as an extractor.
impl From<BodyError> for actix_web::Error {
    fn from(error: BodyError) -> Self {
        ApiError::from(error).into()
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

/// For the log, with the cause.
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
    /// The original's text, where it has one.
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
            | Self::FeedNotFound
            | Self::FeedNotReady
            | Self::NoRandomness(_)
            | Self::KeyReused
            | Self::NoSuchRoute
            | Self::MethodNotAllowed(_)
            | Self::NotAcceptable
            | Self::Starting
            | Self::NotReady(_)
            | Self::Database(_) => return None,
        })
    }

    /// A sentence for the client. Constant where the fault is ours.
    fn detail(&self) -> Cow<'_, str> {
        match self {
            Self::Input(error) => error.to_string().into(),
            Self::Body(error) => error.to_string().into(),
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
}
