//! The benchmark's program, which is also the processes that it measures.

use std::process::ExitCode;

use bench::cli::Cli;

fn main() -> ExitCode {
    let cli: Cli = shared_model::settings::read();
    cli.command.run()
}
