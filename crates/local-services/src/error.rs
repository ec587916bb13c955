//! Why a local service could not be started or used.

use std::io;
use std::path::PathBuf;

/// Why a local service could not be started or used. Each message says what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A program is missing. The message says how to install it.
    #[error("{0}")]
    NotInstalled(String),
    /// Another process uses the data folder.
    #[error(
        "{} is in use by process {pid}: stop it (kill {pid}), or choose another data folder",
        folder.display()
    )]
    InUse {
        /// The data folder.
        folder: PathBuf,
        /// The id of the process that uses it.
        pid: i32,
    },
    /// A service or one of its tools ran and failed. The message ends with its output.
    #[error("{0}")]
    Failed(String),
    /// The operating system refused an operation.
    #[error("cannot {what}")]
    Io {
        /// The operation, worded to follow "cannot".
        what: String,
        /// The system's reason.
        source: io::Error,
    },
}

/// Returns a function for `map_err` that adds the operation. `what` is worded to follow "cannot".
pub(crate) fn io_error(what: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
    let what = what.into();
    move |source| Error::Io { what, source }
}

/// Returns the error and its causes on one line.
pub(crate) fn explain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
