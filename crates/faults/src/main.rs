//! The program of the fault suite.

use std::process::ExitCode;

use faults::cli::Cli;

fn main() -> ExitCode {
    let cli: Cli = shared_model::settings::read();
    cli.command.run()
}
