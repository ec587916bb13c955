//! The contract that every process of the service keeps: its settings are checked before anything starts, its log goes
//! to stderr, and its exit code says how it ended.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | the process stopped in an orderly way |
//! | 1 | the process failed; the log says why |
//! | 2 | settings are invalid, or the queue can't work with them; all reasons are named |

use std::process::ExitCode;

use crate::logging::{self, LogConfig};
use crate::settings;
use crate::startup::StartupError;

/// Runs a process. If there are `problems` with its settings, reports all of them; otherwise starts the log and calls
/// `run`. Returns the exit code: the one that `run` returns, or the one for its error.
pub fn run(
    problems: &[String],
    log: &LogConfig,
    run: impl FnOnce() -> anyhow::Result<ExitCode>,
) -> ExitCode {
    if !problems.is_empty() {
        return settings::refuse(problems);
    }
    logging::init(log);
    run().unwrap_or_else(|error| failure(&error))
}

/// Says why a process failed, and returns its exit code. A setting that the database refuses and a queue that can't work are
/// reported like every other invalid setting, whatever the log's filter is.
fn failure(error: &anyhow::Error) -> ExitCode {
    match error.downcast_ref() {
        Some(StartupError::RefusedSetting { .. }) => settings::refuse(&[format!("{error:#}")]),
        Some(StartupError::UnusableQueue(reasons)) => settings::refuse(reasons),
        Some(StartupError::Migration(_)) | None => {
            log::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_cannot_work_is_an_invalid_setting() {
        let reasons = vec!["there is no stream ical".to_owned()];
        let error = anyhow::Error::from(StartupError::UnusableQueue(reasons));
        let invalid = ExitCode::from(settings::EXIT_INVALID);
        assert_eq!(failure(&error), invalid);
        assert_eq!(failure(&error.context("can't start")), invalid);
        assert_eq!(failure(&anyhow::anyhow!("no")), ExitCode::FAILURE);
    }
}
