//! Everything of TaskOverflow on one machine, in one command: a private PostgreSQL, the API and workers, each a
//! process of its own.
//!
//! # Layout
//! - [`cli`]: the flags
//! - [`launcher`]: the order of things, from the first check to the last process
//! - [`services`]: the database and the queue, started here or given
//! - [`processes`]: the API and the workers: this program again, as `taskoverflow api` and `taskoverflow worker`
//! - [`demo`]: sample todos
//!
//! `taskoverflow lint FILE.ics` is the worker's lint of calendars, for any file.
//!
//! It knows no more of the API and the workers than an operator does: settings, `/readyz`, signals, exit codes.

mod cli;
mod demo;
mod launcher;
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
