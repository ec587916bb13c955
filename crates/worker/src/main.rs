//! The worker's process.

use std::process::ExitCode;

use clap::Parser;
use worker::config::Config;

/// The worker of TaskOverflow: takes jobs from the queue and renders their calendars.
#[derive(Debug, Parser)]
#[command(name = "taskoverflow-worker", version)]
struct Cli {
    #[command(flatten)]
    config: Config,
}

fn main() -> ExitCode {
    let config = shared_model::settings::read::<Cli>().config;
    let problems = config.problems();
    if !problems.is_empty() {
        shared_model::settings::refuse::<Cli>(&problems);
    }
    worker::run_process(config)
}
