//! The API as a separate process.

use std::io::Write;
use std::process::ExitCode;

use api::authentication::commands;
use api::config::{Cli, Command, MigrateCli, MigrateCommand};
use api::migrate;
use shared_model::{healthcheck, settings};

fn main() -> ExitCode {
    // before the settings are parsed, because these commands need few of them, or none
    let command = std::env::args_os().nth(1).unwrap_or_default();
    if command == "migrate" {
        let MigrateCli {
            command: MigrateCommand::Migrate(config),
        } = settings::read();
        return migrate::run_process(&config);
    }
    if command == "openapi" {
        // it is not an error if the reader closes the pipe early
        let _ = writeln!(std::io::stdout(), "{}", api::openapi_document());
        return ExitCode::SUCCESS;
    }
    let Cli { config, command } = settings::read();
    match command {
        Some(Command::Healthcheck) => healthcheck::run_process(config.bind_addr),
        Some(Command::Migrate(config)) => migrate::run_process(&config),
        Some(Command::Tokens { command }) => {
            commands::run_process(command, &config.database, config.migrate, &config.log)
        }
        Some(Command::Openapi) | None => api::run_process(config),
    }
}
