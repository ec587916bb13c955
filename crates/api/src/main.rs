//! The API as a process of its own.

use std::process::ExitCode;

use shared_model::settings;

fn main() -> ExitCode {
    let cli: api::config::Cli = settings::read();
    match api::run_process(cli.config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
