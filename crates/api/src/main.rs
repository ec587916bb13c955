//! The API as a separate process.

use std::io::Write;
use std::process::ExitCode;

use api::authentication::commands;
use api::config::{Cli, Command, SeparateCli, SeparateCommand};
use api::events::secret_command;
use api::migrate;
use clap::Subcommand;
use shared_model::{healthcheck, settings};

fn main() -> ExitCode {
    // before the settings of the API are parsed, because these commands do not need them
    let first = std::env::args_os().nth(1).unwrap_or_default();
    if first.to_str().is_some_and(SeparateCommand::has_subcommand) {
        let SeparateCli { command } = settings::read();
        return run(command);
    }
    let Cli { config, command } = settings::read();
    match command {
        Some(Command::Healthcheck(check)) => healthcheck::run_process(config.bind_addr, check),
        Some(Command::Separate(command)) => run(command),
        None => api::run_process(config),
    }
}

fn run(command: SeparateCommand) -> ExitCode {
    match command {
        SeparateCommand::Openapi => {
            // it is not an error if the reader closes the pipe early
            let _ = writeln!(std::io::stdout(), "{}", api::openapi_document());
            ExitCode::SUCCESS
        }
        SeparateCommand::Migrate(config) => migrate::run_process(&config),
        SeparateCommand::WebhookSecret(config) => secret_command::run_process(&config),
        SeparateCommand::Tokens(config) => commands::run_process(*config),
    }
}
