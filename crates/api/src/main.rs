//! The API as a process of its own.

use std::io::Write;
use std::process::ExitCode;

use api::config::{Cli, Command};
use shared_model::{healthcheck, settings};

fn main() -> ExitCode {
    // before the settings, which the parser would miss: it needs none
    if std::env::args_os()
        .nth(1)
        .is_some_and(|word| word == "openapi")
    {
        // who closes the pipe has read enough
        let _ = writeln!(std::io::stdout(), "{}", api::openapi_document());
        return ExitCode::SUCCESS;
    }
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
