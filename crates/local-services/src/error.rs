//! Why a local service could not be had.

use std::io;
use std::path::PathBuf;

/// Why a local service could not be started or used. Each message says what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A program is missing; the message names the ways to get it.
    #[error("{0}")]
    NotInstalled(String),
    /// Another process uses the folder.
    #[error(
        "{} is in use by process {pid}: stop it (kill {pid}), or choose another data folder",
        folder.display()
    )]
    InUse {
        /// The folder both wanted.
        folder: PathBuf,
        /// The process that has it.
        pid: i32,
    },
    /// A service or one of its tools ran and failed; the message ends with what it said.
    #[error("{0}")]
    Failed(String),
    /// The operating system refused something.
    #[error("cannot {what}")]
    Io {
        /// What was tried, as the end of a sentence that starts with "cannot".
        what: String,
        /// Its reason.
        source: io::Error,
    },
}

/// Names what was tried, for `map_err`.
pub(crate) fn io_error(what: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
    let what = what.into();
    move |source| Error::Io { what, source }
}

/// The error and everything that caused it, on one line.
pub fn explain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
