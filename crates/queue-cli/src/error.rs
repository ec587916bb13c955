//! Why a run failed, and the exit code of the process.

use std::io;
use std::process::ExitCode;

use broker_address::AccessError;

/// The exit code if the options, the credentials or the queue are wrong. It is the one that clap uses for wrong
/// options.
const WRONG_SETUP: u8 = 2;

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// An option, the credentials or the queue is wrong. Only a person can correct that.
    #[error("{0}")]
    Setup(String),
    /// The run itself failed.
    #[error("{0}")]
    Failed(String),
    /// SQS did not answer a call, but may have carried it out.
    #[error("{0}")]
    Unanswered(String),
    /// SQS did not carry out a call. Another attempt may succeed.
    #[error("{0}")]
    Busy(String),
    /// The endpoint is not AWS and supports fewer actions.
    #[error("the endpoint does not support {0}")]
    UnknownAction(&'static str),
    /// stdout cannot be written to.
    #[error("could not write to stdout: {0}")]
    Output(#[from] io::Error),
}

impl From<AccessError> for Error {
    fn from(error: AccessError) -> Self {
        Self::Setup(error.to_string())
    }
}

impl Error {
    /// Prints the error to stderr and returns the exit code of the process.
    pub(crate) fn report(&self) -> ExitCode {
        match self {
            // the reader has closed the pipe, as in `queue … | head`
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            Self::Setup(_) => {
                anstream::eprintln!("queue: {self}");
                ExitCode::from(WRONG_SETUP)
            }
            Self::Failed(_)
            | Self::Unanswered(_)
            | Self::Busy(_)
            | Self::UnknownAction(_)
            | Self::Output(_) => {
                anstream::eprintln!("queue: {self}");
                ExitCode::FAILURE
            }
        }
    }
}
