//! The launcher: one command that runs TaskOverflow on one machine. It starts a private PostgreSQL, the API and
//! workers, each as a process of its own.
//!
//! # Layout
//! - [`cli`]: the flags and the subcommands
//! - [`launcher`]: what happens in which order, from the first check until the last process has ended
//! - [`services`]: the database and the queue, started here or existing
//! - [`logins`]: the database logins of the processes
//! - [`processes`]: the API and the workers, which are this program again: `taskoverflow api` and `taskoverflow worker`
//! - [`demo`]: sample todos
//!
//! `taskoverflow lint FILE.ics` checks any calendar file with the lint of the crate [`calendar`].
//!
//! The launcher controls the API and the workers only by means that an operator has too: settings, `/readyz`, signals
//! and exit codes.

mod cli;
mod demo;
mod launcher;
mod logins;
mod processes;
mod services;

use std::process::ExitCode;

use cli::Cli;

fn main() -> ExitCode {
    let cli: Cli = shared_model::settings::read();
    match cli.role {
        Some(role) => role.run(),
        None => launcher::run(cli.options).unwrap_or_else(|error| {
            eprintln!("taskoverflow: {error:#}");
            ExitCode::FAILURE
        }),
    }
}
