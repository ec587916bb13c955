//! The contract that every process of the service keeps: its settings are checked before anything starts, its log goes
//! to stderr, and its exit code says how it ended.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | the process stopped in an orderly way |
//! | 1 | the process failed; the log says why |
//! | 2 | settings are invalid; all of them are named, and nothing was started |

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

/// Says why a process failed, and returns its exit code. A setting that the database refuses is reported like every other
/// invalid setting, whatever the log's filter is.
fn failure(error: &anyhow::Error) -> ExitCode {
    if let Some(StartupError::RefusedSetting { .. }) = error.downcast_ref() {
        return settings::refuse(&[format!("{error:#}")]);
    }
    log::error!("{error:#}");
    ExitCode::FAILURE
}
