//! CPU time, from Linux's `/proc`.

use std::fs;

use anyhow::Context;
use serde::Serialize;

use crate::system::{Queue, System};

/// `sysconf(_SC_CLK_TCK)`, which is 100 on every Linux that Rust's standard library supports.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time in user and kernel mode, in seconds, of each kind of process.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct CpuTime {
    /// All APIs.
    pub api: f64,
    /// All workers.
    pub worker: f64,
    /// All processes of PostgreSQL.
    pub postgres: f64,
    /// The stub of SQS.
    pub queue_stub: f64,
    /// The broker.
    pub broker: f64,
    /// The benchmark itself: mostly the clients, and the proxy in front of a broker.
    pub clients: f64,
}

impl CpuTime {
    /// Reads the CPU time used so far.
    ///
    /// # Errors
    /// Returns an error if a process has ended.
    pub fn read(system: &System) -> anyhow::Result<Self> {
        let sum = |processes: &[crate::system::Process]| -> anyhow::Result<f64> {
            processes.iter().map(|process| of(process.pid())).sum()
        };
        let queue = system.queue.as_ref();
        let stub = queue.and_then(Queue::stub_pid);
        let broker = queue.and_then(Queue::broker_pid);
        Ok(Self {
            api: sum(&system.apis)?,
            worker: sum(&system.workers)?,
            postgres: of_family(system.cluster.pid().context("PostgreSQL is stopped")?)?,
            queue_stub: stub.map_or(Ok(0.0), of)?,
            broker: broker.map_or(Ok(0.0), of_family)?,
            clients: of(std::process::id())?,
        })
    }
}

subtract_by_field!(CpuTime: api, worker, postgres, queue_stub, broker, clients);

/// Returns the CPU time of a process, in seconds.
fn of(pid: u32) -> anyhow::Result<f64> {
    let stat = Stat::read(pid)?;
    Ok(stat.own_ticks / TICKS_PER_SECOND)
}

/// Returns the CPU time of a process and of all its children, including those that have ended.
fn of_family(parent: u32) -> anyhow::Result<f64> {
    let stat = Stat::read(parent)?;
    let mut ticks = stat.own_ticks + stat.ended_children_ticks;
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let pid = name.to_str().and_then(|name| name.parse().ok());
        // A process that has ended meanwhile is counted in its parent next time.
        if let Some(child) = pid.and_then(|pid| Stat::read(pid).ok())
            && child.parent == parent
        {
            ticks += child.own_ticks;
        }
    }
    Ok(ticks / TICKS_PER_SECOND)
}

/// A part of [`/proc/PID/stat`](https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html).
#[derive(Debug, PartialEq)]
struct Stat {
    parent: u32,
    own_ticks: f64,
    ended_children_ticks: f64,
}

impl Stat {
    fn read(pid: u32) -> anyhow::Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        Self::parse(&text).with_context(|| format!("can't read /proc/{pid}/stat: {text}"))
    }

    fn parse(text: &str) -> Option<Self> {
        // The second field, the program's name in parentheses, may contain spaces. The first field after it is number 3.
        let (_, fields) = text.rsplit_once(')')?;
        let fields: Vec<_> = fields.split_whitespace().collect();
        let ticks = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            own_ticks: ticks(14)? + ticks(15)?,
            ended_children_ticks: ticks(16)? + ticks(17)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_after_a_name_with_spaces_are_found() {
        let text = "42 (a (b) c) S 7 42 42 0 -1 4194560 1 2 3 4 100 20 3000 400 20 0 1 0 5";
        assert_eq!(
            Stat::parse(text),
            Some(Stat {
                parent: 7,
                own_ticks: 120.0,
                ended_children_ticks: 3400.0
            })
        );
    }
}
