//! The readiness of the process: whether it can serve requests, and if not, what is missing.

use serde::Serialize;

/// Whether the process can serve requests, with the state of each dependency. The state of the queue does not count:
/// jobs are accepted even while the queue is down.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Readiness {
    /// Whether the database responds.
    pub database: DatabaseState,
    /// Whether the database schema is up to date.
    pub migrations: MigrationState,
    /// The result of the relay's last call to the queue, for information only.
    pub queue: QueueState,
}

impl Readiness {
    /// Returns whether the process can serve requests.
    pub fn is_ready(&self) -> bool {
        self.database == DatabaseState::Reachable && self.migrations == MigrationState::Done
    }
}

/// Whether the database responds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DatabaseState {
    /// The database responds.
    Reachable,
    /// The database does not respond, or all connections are in use.
    Unreachable,
}

/// Whether the database schema is up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MigrationState {
    /// All migrations have run.
    Done,
    /// Some migrations have not run, or the process does not know yet.
    Pending,
}

/// The result of the relay's last call to the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueState {
    /// The relay has not called the queue yet.
    Unknown,
    /// The last call succeeded.
    Reachable,
    /// The last call failed.
    Unreachable,
}
