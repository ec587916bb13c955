//! The error of a client that reaches a limit.

use super::rate::{Allowance, RateExceeded};

/// A limit is reached, so nothing was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LimitReached {
    /// `REQUESTS_PER_SECOND`.
    #[error(transparent)]
    RequestRate(#[from] RateExceeded),
    /// `MAX_CONNECTIONS`.
    #[error("too many clients are connected; try again later")]
    Connections,
    /// The client's share of `MAX_CONNECTIONS`.
    #[error("this client has too many open connections; close some, or try again later")]
    ConnectionsOfClient,
    /// `MAX_REQUESTS`.
    #[error("too many requests are being handled; try again later")]
    Requests,
    /// The client's share of `MAX_REQUESTS`.
    #[error("too many requests of this client are being handled; wait until some have ended")]
    RequestsOfClient,
    /// `MAX_STREAMS`.
    #[error("too many streams of events are open; try again later, or read the status instead")]
    Streams,
    /// The client's share of `MAX_STREAMS`.
    #[error(
        "this client has too many open streams of events; close some, or read the status instead"
    )]
    StreamsOfClient,
    /// `MAX_WAITING_REQUESTS`.
    #[error(
        "too many requests wait for the end of their jobs, and no job was created; try again later, or without Prefer: wait"
    )]
    WaitingRequests,
    /// The client's share of `MAX_WAITING_REQUESTS`.
    #[error(
        "too many requests of this client wait for the end of their jobs, and no job was created; try again later, or without Prefer: wait"
    )]
    WaitingRequestsOfClient,
    /// `MAX_OUTSTANDING_JOBS`.
    #[error("no more than {0} jobs may wait or run, and none was created; try again later")]
    Jobs(u64),
    /// `MAX_JOBS_PER_TOKEN`.
    #[error(
        "no more than {0} jobs of this token may wait or run, and none was created; try again later"
    )]
    JobsOfToken(u64),
    /// `MAX_TODOS`.
    #[error("no more than {0} todos can be stored; delete some first")]
    Todos(u64),
    /// `MAX_FEEDS`.
    #[error("no more than {0} feeds can be stored; delete some first")]
    Feeds(u64),
    /// `MAX_STORED_MIB`.
    #[error(
        "the storage of the service is full, so it stores nothing; tell its operators, who have to make room"
    )]
    StoredBytes,
    /// The database could not be measured for [`MAX_AGE`](super::usage::MAX_AGE).
    #[error(
        "the service could not find out for two minutes how much is stored, so it creates nothing; try again later"
    )]
    NotMeasured,
}

impl LimitReached {
    /// Returns a short name for metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::RequestRate(_) => "request_rate",
            Self::Connections => "connections",
            Self::ConnectionsOfClient => "connections_of_client",
            Self::Requests => "requests",
            Self::RequestsOfClient => "requests_of_client",
            Self::Streams => "streams",
            Self::StreamsOfClient => "streams_of_client",
            Self::WaitingRequests => "waiting_requests",
            Self::WaitingRequestsOfClient => "waiting_requests_of_client",
            Self::Jobs(_) => "outstanding_jobs",
            Self::JobsOfToken(_) => "jobs_per_token",
            Self::Todos(_) => "todos",
            Self::Feeds(_) => "feeds",
            Self::StoredBytes => "stored_bytes",
            Self::NotMeasured => "not_measured",
        }
    }

    /// Returns after how many seconds the client should try again. `None` means that waiting does not help: the client or
    /// the operators have to make room.
    pub fn retry_after_seconds(self) -> Option<u32> {
        match self {
            Self::RequestRate(_) => Some(Allowance::FULL_AFTER_SECONDS),
            Self::Requests | Self::RequestsOfClient => Some(1),
            Self::Connections
            | Self::ConnectionsOfClient
            | Self::Streams
            | Self::StreamsOfClient
            | Self::WaitingRequests
            | Self::WaitingRequestsOfClient
            | Self::Jobs(_)
            | Self::JobsOfToken(_)
            | Self::NotMeasured => Some(5),
            Self::Todos(_) | Self::Feeds(_) | Self::StoredBytes => None,
        }
    }
}
