//! The memory of a process, from Linux's `/proc`.

use std::fs;

/// Returns the bytes of memory that a process uses, or `None` if it does not exist.
pub fn resident_bytes(pid: u32) -> Option<u64> {
    bytes(pid, "VmRSS:")
}

/// Returns the most bytes of memory that a process has ever used, or `None` if it does not exist.
pub fn peak_bytes(pid: u32) -> Option<u64> {
    bytes(pid, "VmHWM:")
}

fn bytes(pid: u32, field: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let value = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kibibytes: u64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}
