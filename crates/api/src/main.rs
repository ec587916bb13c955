//! The API as a process of its own.

use std::process::ExitCode;

use api::config::{Cli, Command};
use shared_model::{healthcheck, settings};

fn main() -> ExitCode {
    let Cli { config, command } = settings::read();
    if let Some(Command::Healthcheck) = command {
        return healthcheck::run_process(config.bind_addr);
    }
    match api::run_process(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
