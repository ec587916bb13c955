//! How the render of an attempt ended, in this process or in one of its own.

use std::sync::Arc;

use shared_model::results::NewResult;
use tokio::sync::OwnedSemaphorePermit;

use crate::in_flight::StopReason;
use crate::render::RenderError;

/// How the render of an attempt ended.
pub(crate) enum Rendered {
    /// The calendar has to be stored. A large one keeps its slot until then, so that only a few are in memory.
    Calendar(Arc<NewResult>, Option<OwnedSemaphorePermit>),
    /// A process of its own has rendered the calendar and stored it.
    Stored,
    /// It failed.
    Failed(RenderError),
    /// It panicked, with this message.
    Panicked(String),
    /// The process of the attempt crashed.
    Crashed(String),
    /// It took longer than `JOB_TIMEOUT`.
    TimedOut,
    /// The attempt was stopped.
    Stopped(StopReason),
}

impl Rendered {
    /// Returns the kind of failure, for traces, or `None` if the render did not fail.
    pub(crate) fn error(&self) -> Option<&'static str> {
        match self {
            Self::Calendar(..) | Self::Stored => None,
            Self::Failed(_) => Some("failed"),
            Self::Panicked(_) => Some("panicked"),
            Self::Crashed(_) => Some("crashed"),
            Self::TimedOut => Some("timed_out"),
            Self::Stopped(_) => Some("stopped"),
        }
    }
}

impl From<Result<NewResult, RenderError>> for Rendered {
    fn from(rendered: Result<NewResult, RenderError>) -> Self {
        match rendered {
            Ok(result) => Self::Calendar(Arc::new(result), None),
            Err(error) => Self::Failed(error),
        }
    }
}
