//! Why an operator's call was refused.

use chrono::{DateTime, SecondsFormat, Utc};
use shared_model::job::JobStatus;
use shared_model::processing::Processing;

/// An operator's call had no effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Somebody has paused processing already.
    #[error("processing is already paused{}; POST /api/v1/operations/resume ends that", since_and_by(.0))]
    AlreadyPaused(Processing),
    /// The workers process jobs.
    #[error("processing is not paused, so there is nothing to resume")]
    NotPaused,
    /// No process has this id.
    #[error("no process has this id; GET /api/v1/operations lists them")]
    UnknownProcess,
    /// The process is an API.
    #[error("this process is an API, and only workers can be drained; stop it with SIGTERM")]
    NotAWorker,
    /// The worker was asked before.
    #[error("this worker is already draining; it stops when its jobs have ended")]
    AlreadyDraining,
    /// The worker does not run any more.
    #[error(
        "this worker has stopped, or has not reported for 30 seconds, so it can't be drained; \
         other workers take over its jobs"
    )]
    HasStopped,
    /// The job has another status than FAILURE.
    #[error(
        "only failed jobs can be retried, and this one is {0}; GET /api/v1/operations/jobs lists those that failed"
    )]
    NotFailed(JobStatus),
}

impl Refusal {
    /// Returns whether nothing has the id in the path.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::UnknownProcess)
    }

    /// Returns the status of the job that the call was about.
    pub fn job_status(&self) -> Option<JobStatus> {
        match self {
            Self::NotFailed(status) => Some(*status),
            Self::AlreadyPaused(_)
            | Self::NotPaused
            | Self::UnknownProcess
            | Self::NotAWorker
            | Self::AlreadyDraining
            | Self::HasStopped => None,
        }
    }
}

fn since_and_by(processing: &Processing) -> String {
    let at =
        |at: DateTime<Utc>| format!(" since {}", at.to_rfc3339_opts(SecondsFormat::Secs, true));
    let by = |by: &str| format!(", by the token {by:?}");
    let since = processing.paused_at.map(at).unwrap_or_default();
    let by = processing.paused_by.as_deref().map(by);
    since + &by.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_pause_says_since_when_and_by_whom() {
        let mut processing = Processing {
            paused_at: Some(DateTime::UNIX_EPOCH),
            paused_by: Some("night shift".to_owned()),
        };
        let text = |processing: &Processing| Refusal::AlreadyPaused(processing.clone()).to_string();
        assert_eq!(
            text(&processing),
            "processing is already paused since 1970-01-01T00:00:00Z, by the token \"night shift\"; \
             POST /api/v1/operations/resume ends that"
        );
        // with AUTH=off
        processing.paused_by = None;
        assert!(
            text(&processing)
                .starts_with("processing is already paused since 1970-01-01T00:00:00Z; POST")
        );
    }
}
