//! The connections to the database. Requests have a pool of their own, so slow requests starve nothing else.

use std::time::Duration;

use shared_model::database::{DatabaseConfig, Pool};

/// The time limit for one SQL statement, which the database enforces. Normal statements need far less, and clients usually
/// wait longer than this.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);

/// For the three lanes, the relay, the job watch and the notifier. Their statements are short, so they share these.
const LANES: u32 = 4;
/// For the sweeper, the measurements of the outbox and of what is stored, and what operators watch. Their statements may take long, and one of
/// them should not hold up the others.
const UPKEEP: u32 = 2;
/// For `/readyz`.
const PROBES: u32 = 1;

/// The connections of `DATABASE_POOL` that requests can't use.
pub const RESERVED: u32 = LANES + UPKEEP + PROBES;
/// The least value of `DATABASE_POOL`: two connections are left for requests.
pub const MIN_POOL: u32 = RESERVED + 2;

/// All connections of the process to the database, except the one that listens for notifications.
#[derive(Debug, Clone)]
pub struct Connections {
    /// For requests that run their own queries.
    pub requests: Pool,
    /// For the short statements that many requests share, and for the relay.
    pub lanes: Pool,
    /// For the sweeper, the measurements and what operators watch.
    pub upkeep: Pool,
    /// For `/readyz`.
    pub probes: Pool,
}

impl Connections {
    /// Divides the connections of `DATABASE_POOL`. Connects on first use.
    pub fn new(config: &DatabaseConfig) -> Self {
        let pool = |size| Pool::sized(config, size, "taskoverflow-api", STATEMENT_TIMEOUT);
        Self {
            requests: pool(config.database_pool.get().saturating_sub(RESERVED).max(1)),
            lanes: pool(LANES),
            upkeep: pool(UPKEEP),
            probes: pool(PROBES),
        }
    }

    /// Returns whether the database refuses the password, and only a new process has another: see
    /// [`Pool::needs_new_process`].
    pub fn need_new_process(&self) -> bool {
        [&self.requests, &self.lanes, &self.upkeep, &self.probes]
            .iter()
            .any(|pool| pool.needs_new_process())
    }
}
