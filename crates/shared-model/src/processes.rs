//! The API processes and workers that run: each registers itself, reports once a second, and learns in return what an
//! operator wants from it.
//!
//! A report is one short statement. It flushes nothing to the disk: what a crash of the database loses is a second of a
//! display.
//!
//! A worker begins to work when its first report has succeeded, because only then it knows whether processing is paused.
//! From then on, no work depends on this: a process that can't report goes on working, and keeps to what it learned last.
//!
//! # Layout
//! - [`ThisProcess`]: the id of this process, and what it does
//! - [`Reporter`]: registers this process and reports, as long as it runs
//! - `report`: the statements of a process about itself
//! - `list`: the processes, for operators, and their sweep
//! - `drain`: asks a worker to stop

mod drain;
mod list;
mod report;
mod reporter;
mod this_process;

pub use drain::{DrainRequested, request_drain};
pub use list::{Process, ProcessState, delete_old, list};
pub use report::{Control, NewProcess, Report, register, report, stopped};
pub use reporter::Reporter;
pub use this_process::ThisProcess;

/// A process counts as gone if it has not reported for this long, in seconds.
const GONE_SECONDS: f64 = 30.0;

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It serves the API.
    Api,
    /// It runs jobs.
    Worker,
}

impl Role {
    /// Returns the name, as the API and the database write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Worker => "worker",
        }
    }
}
