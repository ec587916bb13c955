//! What PostgreSQL, the queue and the kernel counted during a phase.

use std::collections::BTreeMap;
use std::time::Duration;

use diesel::PgConnection;
use serde::Serialize;
use tcp_proxy::Traffic;

/// Subtracts one reading of counters from a later one, field by field.
macro_rules! subtract_by_field {
    ($counters:ident: $($field:ident),+) => {
        impl std::ops::Sub for $counters {
            type Output = Self;

            fn sub(self, before: Self) -> Self {
                Self { $($field: self.$field - before.$field),+ }
            }
        }
    };
}

mod cpu;
mod database;
mod memory;

pub use cpu::CpuTime;
pub use database::{Counters, Statement};
pub use memory::Memory;

use crate::system::{Queue, System, connect};

/// Measures phases of a system.
pub struct Meter {
    database: PgConnection,
    settle: Duration,
}

impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meter")
            .field("settle", &self.settle)
            .finish_non_exhaustive()
    }
}

/// The state at the start of a phase.
#[derive(Debug)]
pub struct Start {
    counters: Counters,
    cpu: CpuTime,
    queue_calls: BTreeMap<String, u64>,
    broker: Traffic,
}

/// What was counted during a phase.
#[derive(Debug, Clone, Serialize)]
pub struct Counted {
    /// What PostgreSQL counted.
    pub database: Counters,
    /// The CPU time of each kind of process.
    pub cpu: CpuTime,
    /// The calls that the stub of SQS answered, by action.
    pub queue_calls: BTreeMap<String, u64>,
    /// What passed between the processes and the broker.
    pub broker: Traffic,
    /// TaskOverflow's statements, most frequent first.
    pub statements: Vec<Statement>,
}

impl Meter {
    /// Connects to the database of a system. `settle` is how long to wait before counters are read.
    ///
    /// # Errors
    /// Returns an error if the server refuses.
    pub fn new(system: &System, settle: Duration) -> anyhow::Result<Self> {
        Ok(Self {
            database: connect(&system.cluster)?,
            settle,
        })
    }

    /// Waits until each server process of PostgreSQL has reported its counts.
    pub async fn settle(&self) {
        tokio::time::sleep(self.settle).await;
    }

    /// Starts a phase. Before the first one, the counters have to [`settle`](Self::settle).
    ///
    /// # Errors
    /// Returns an error if something that counts does not answer.
    pub async fn start(&mut self, system: &System) -> anyhow::Result<Start> {
        database::reset_statements(&mut self.database)?;
        let mut counters = database::immediate(&mut self.database)?;
        counters.add_reported(&mut self.database)?;
        Ok(Start {
            counters,
            cpu: CpuTime::read(system)?,
            queue_calls: calls(system).await?,
            broker: traffic(system),
        })
    }

    /// Ends a phase. Returns after the counters have settled, so the next phase can start immediately.
    ///
    /// # Errors
    /// Returns an error if something that counts does not answer.
    pub async fn end(&mut self, system: &System, start: &Start) -> anyhow::Result<Counted> {
        let cpu = CpuTime::read(system)? - start.cpu;
        let mut counters = database::immediate(&mut self.database)?;
        let statements = database::statements(&mut self.database)?;
        let broker = traffic(system).since(start.broker);
        let mut queue_calls = calls(system).await?;
        for (action, before) in &start.queue_calls {
            if let Some(count) = queue_calls.get_mut(action) {
                *count -= before;
            }
        }
        self.settle().await;
        counters.add_reported(&mut self.database)?;
        Ok(Counted {
            database: counters - start.counters,
            cpu,
            queue_calls,
            broker,
            statements,
        })
    }
}

async fn calls(system: &System) -> anyhow::Result<BTreeMap<String, u64>> {
    match &system.queue {
        Some(queue) => queue.calls().await,
        None => Ok(BTreeMap::new()),
    }
}

fn traffic(system: &System) -> Traffic {
    system
        .queue
        .as_ref()
        .map(Queue::traffic)
        .unwrap_or_default()
}
