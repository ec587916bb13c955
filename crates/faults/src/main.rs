//! The fault suite's program: the soak, and the processes that it and the tests run.

use std::process::ExitCode;

use clap::Parser;
use faults::soak::{self, Options};
use shared_model::settings;
use worker::operations::{self, Operation};

/// Runs TaskOverflow under faults.
#[derive(Debug, Parser)]
#[command(name = "faults")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
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
        #[command(subcommand)]
        operation: Operation,
        #[command(flatten)]
        config: Box<worker::config::Config>,
    },
}

fn main() -> ExitCode {
    match settings::read::<Cli>().command {
        Command::Soak(options) => match soak(&options) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("the soak could not be carried out: {error:#}");
                ExitCode::FAILURE
            }
        },
        Command::Api(config) => match api::run_process(*config) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                log::error!("{error:#}");
                ExitCode::FAILURE
            }
        },
        Command::Operate { operation, config } => operations::run_process(operation, &config),
        Command::Worker(config) => worker::run_process_with(*config, faults::poison::render),
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
