//! What the program can do: the soak, and the processes that it and the tests run.

use std::process::ExitCode;

use clap::Parser;
use worker::operations::{self, Operation};

use crate::poison;
use crate::soak::{self, Options};

/// Runs TaskOverflow under faults.
#[derive(Debug, Parser)]
#[command(name = "faults")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can do.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Many jobs under a random mix of faults; ends with 1 when a guarantee was broken
    Soak(Options),
    /// The API, as `taskoverflow-api` runs it
    #[command(hide = true)]
    Api(Box<api::Config>),
    /// The worker, as `taskoverflow-worker` runs it, but for todos whose titles say that they spoil a render
    #[command(hide = true)]
    Worker(Box<worker::config::Config>),
    /// What a person does about failed jobs, as `taskoverflow-worker` does it
    #[command(hide = true)]
    Operate {
        /// What to do about them.
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
                    eprintln!("the soak could not be carried out: {error:#}");
                    ExitCode::FAILURE
                }
            },
            Self::Api(config) => api::run_process(*config),
            Self::Worker(config) => worker::run_process_with(*config, poison::render),
            Self::Operate { operation, config } => operations::run_process(operation, &config),
        }
    }
}

/// Whether every guarantee was kept.
fn soak(options: &Options) -> anyhow::Result<bool> {
    let executable = std::env::current_exe()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let outcome = runtime.block_on(soak::run(&executable, options))?;
    soak::write_table(&mut std::io::stdout(), &outcome)?;
    Ok(outcome.verdict.violations.is_empty())
}
