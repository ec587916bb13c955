//! The commands of the program: the soak, and the processes that the soak and the tests start.

use std::process::ExitCode;

use clap::Parser;
use worker::operations::{self, Operation};

use crate::poison;
use crate::soak::{self, Options};

/// Runs TaskOverflow under faults.
#[derive(Debug, Parser)]
#[command(name = "faults")]
pub struct Cli {
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// A command.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Run many jobs under a random mix of faults; exits with 1 if a guarantee was broken
    Soak(Options),
    /// Run the API, as `taskoverflow-api` does
    #[command(hide = true)]
    Api(Box<api::Config>),
    /// Run the worker, as `taskoverflow-worker` does, except that poisoned todos break a render
    #[command(hide = true)]
    Worker(Box<worker::config::Config>),
    /// Run an operator's command on failed jobs, as `taskoverflow-worker` does
    #[command(hide = true)]
    Operate {
        /// The command.
        #[command(subcommand)]
        operation: Operation,
        /// The worker's settings.
        #[command(flatten)]
        config: Box<worker::config::Config>,
    },
}

impl Command {
    /// Runs the command to its end, and returns the exit code.
    pub fn run(self) -> ExitCode {
        match self {
            Self::Soak(options) => match soak(&options) {
                Ok(true) => ExitCode::SUCCESS,
                Ok(false) => ExitCode::FAILURE,
                Err(error) => {
                    eprintln!("the soak could not be completed: {error:#}");
                    ExitCode::FAILURE
                }
            },
            Self::Api(config) => api::run_process(*config),
            Self::Worker(config) => worker::run_process_with(*config, poison::render),
            Self::Operate { operation, config } => operations::run_process(operation, &config),
        }
    }
}

/// Runs a soak and prints its table. Returns whether every guarantee was kept.
fn soak(options: &Options) -> anyhow::Result<bool> {
    let executable = std::env::current_exe()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let outcome = runtime.block_on(soak::run(&executable, options))?;
    soak::write_table(&mut std::io::stdout(), &outcome)?;
    Ok(outcome.verdict.violations.is_empty())
}
