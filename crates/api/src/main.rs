//! The API as a separate process.

use std::io::Write;
use std::process::ExitCode;

use api::config::{Cli, Command};
use shared_model::{healthcheck, settings};

fn main() -> ExitCode {
    // before the settings are parsed, because this command needs none of them
    if std::env::args_os()
        .nth(1)
        .is_some_and(|word| word == "openapi")
    {
        // it is not an error if the reader closes the pipe early
        let _ = writeln!(std::io::stdout(), "{}", api::openapi_document());
        return ExitCode::SUCCESS;
    }
    let Cli { config, command } = settings::read();
    match command {
        Some(Command::Healthcheck) => healthcheck::run_process(config.bind_addr),
        _ => api::run_process(config),
    }
}
