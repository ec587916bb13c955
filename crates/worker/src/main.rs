//! The binary of the worker.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use shared_model::healthcheck::{self, Healthcheck};
use shared_model::settings;
use worker::config::Config;
use worker::operations::{self, Operation};

/// The worker of TaskOverflow: receives jobs from the queue and renders their calendars.
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
    /// Check the worker that runs with these settings: exit code 0 if it is alive and ready, otherwise 1
    Healthcheck(Healthcheck),
    #[command(flatten)]
    Operation(Operation),
}

fn main() -> ExitCode {
    let Cli { config, command } = settings::read();
    match command {
        Some(Command::Healthcheck(check)) => healthcheck::run_process(config.admin_addr, check),
        Some(Command::Operation(operation)) => operations::run_process(operation, &config),
        None => worker::run_process(config),
    }
}
