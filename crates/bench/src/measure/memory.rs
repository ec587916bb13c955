//! Memory, from Linux's `/proc`.

use serde::Serialize;

use crate::system::{Process, System};

/// Resident memory, in MB (10⁶ bytes).
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Memory {
    /// The largest API, now.
    pub api: f64,
    /// The largest worker, now.
    pub worker: f64,
    /// The most that any worker has ever used.
    pub worker_peak: f64,
}

impl Memory {
    /// Reads the memory used now.
    pub fn read(system: &System) -> Self {
        Self {
            api: largest(&system.apis, "VmRSS:"),
            worker: largest(&system.workers, "VmRSS:"),
            worker_peak: largest(&system.workers, "VmHWM:"),
        }
    }
}

fn largest(processes: &[Process], field: &str) -> f64 {
    let sizes = processes.iter().filter_map(|process| {
        let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid())).ok()?;
        let value = status.lines().find_map(|line| line.strip_prefix(field))?;
        let kibibytes: f64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kibibytes * 1024.0 / 1e6)
    });
    sizes.fold(0.0, f64::max)
}
