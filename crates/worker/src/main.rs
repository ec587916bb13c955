//! The worker's process.

use std::process::ExitCode;

use clap::Parser;
use worker::config::Config;
use worker::operations::{self, Operation};

/// The worker of TaskOverflow: takes jobs from the queue and renders their calendars.
#[derive(Debug, Parser)]
#[command(name = "taskoverflow-worker", version)]
struct Cli {
    #[command(flatten)]
    config: Config,
    #[command(subcommand)]
    operation: Option<Operation>,
}

fn main() -> ExitCode {
    let Cli { config, operation } = shared_model::settings::read();
    let problems = config.problems();
    if !problems.is_empty() {
        shared_model::settings::refuse::<Cli>(&problems);
    }
    match operation {
        Some(operation) => operations::run_process(operation, &config),
        None => worker::run_process(config),
    }
}
