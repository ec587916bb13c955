//! The worker's process.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use shared_model::{healthcheck, settings};
use worker::config::Config;
use worker::operations::{self, Operation};

/// The worker of TaskOverflow: takes jobs from the queue and renders their calendars.
#[derive(Debug, Parser)]
#[command(name = "taskoverflow-worker", version)]
struct Cli {
    #[command(flatten)]
    config: Config,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Clone, Subcommand)]
enum Command {
    /// Ask the worker that runs with these settings how it is: exit code 0 when it is alive and ready, else 1
    Healthcheck,
    #[command(flatten)]
    Operation(Operation),
}

fn main() -> ExitCode {
    let Cli { config, command } = settings::read();
    match command {
        Some(Command::Healthcheck) => healthcheck::run_process(config.admin_addr),
        Some(Command::Operation(operation)) => operations::run_process(operation, &config),
        None => worker::run_process(config),
    }
}
