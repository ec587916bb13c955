//! Why a run did not go well, and what the process says with its exit code.

use std::io;
use std::process::ExitCode;

/// What was asked for cannot be done: flags, credentials or the queue. As clap ends for wrong flags.
const WRONG_SETUP: u8 = 2;

/// Why a run ended before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A flag, the credentials or the queue: only a person can mend it.
    #[error("{0}")]
    Setup(String),
    /// The run itself.
    #[error("{0}")]
    Failed(String),
    /// A call without an answer: it may have been carried out.
    #[error("{0}")]
    Unanswered(String),
    /// SQS did nothing this time, and may do it when asked again.
    #[error("{0}")]
    Busy(String),
    /// The endpoint is not AWS and knows fewer actions.
    #[error("the endpoint does not know {0}")]
    UnknownAction(&'static str),
    /// stdout cannot be written to.
    #[error("could not write to stdout: {0}")]
    Output(#[from] io::Error),
}

impl Error {
    /// Says it on stderr, unless there is nothing to say.
    pub(crate) fn report(&self) -> ExitCode {
        match self {
            // who reads us has what he wanted: `queue … | head`
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
