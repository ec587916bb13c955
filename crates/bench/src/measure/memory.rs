//! Memory, from Linux's `/proc`.

use local_services::testing::{peak_bytes, resident_bytes};
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
            api: largest(&system.apis, resident_bytes),
            worker: largest(&system.workers, resident_bytes),
            worker_peak: largest(&system.workers, peak_bytes),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "megabytes need no more digits")]
fn largest(processes: &[Process], bytes: fn(u32) -> Option<u64>) -> f64 {
    let sizes = processes.iter().filter_map(|process| bytes(process.pid()));
    sizes.max().unwrap_or(0) as f64 / 1e6
}
