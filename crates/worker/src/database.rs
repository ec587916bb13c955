//! How the worker uses the database: statements that many jobs share, and connections for large calendars.
//!
//! # Layout
//! - `lanes`: claim, read and complete for many jobs at a time

use std::sync::Arc;
use std::time::Duration;

use shared_model::batch_lane::{Lane, LaneLimits};
use shared_model::database::{DatabaseConfig, DatabaseError, Pool};
use shared_model::job_store::claims::{ClaimOptions, Claimed, Completion, Delivered, Written};
use shared_model::notifier::Notifier;
use shared_model::processes::ThisProcess;
use shared_model::todo::{SelectedTodos, TodoFilter};
use tokio::sync::Semaphore;

use self::lanes::{ClaimBatch, CompleteBatch, ReadBatch};

mod lanes;

/// The database ends a statement that takes longer than this. Every statement of the worker is short; the longest reads
/// one chunk of todos.
pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);
/// A calendar with more todos than this is read chunk by chunk, on a connection of its own.
pub const MAX_SHARED_TODOS: u16 = 2000;
/// A result that is larger than this, in bytes, does not share a statement with others: they would wait for its transfer.
const LARGE_RESULT: usize = 256 * 1024;

/// The connections of the worker. Clones share them.
#[derive(Debug, Clone)]
pub struct Database {
    /// For short statements.
    pub pool: Pool,
    /// For large calendars. Each keeps a connection until it is rendered.
    pub large: Pool,
    /// One permit for each connection in `large`. Waiting for one is unlimited. A job keeps its permit until its result is
    /// stored.
    pub large_slots: Arc<Semaphore>,
    /// Notifies other processes.
    pub notifier: Notifier,
    /// What this process is, and what it does.
    pub process: ThisProcess,
    claims: Lane<Delivered, Claimed>,
    todos: Lane<TodoFilter, SharedTodos>,
    results: Lane<Completion, Written>,
    large_results: Lane<Completion, Written>,
}

/// The todos of a calendar, as jobs share them.
#[derive(Debug, Clone)]
pub enum SharedTodos {
    /// All of them.
    Few(Arc<SelectedTodos>),
    /// There are more than [`MAX_SHARED_TODOS`].
    Many,
}

impl Database {
    /// Connects on first use. Half of the connections are for large calendars. Call it within a tokio runtime.
    pub fn new(config: &DatabaseConfig, claim_options: ClaimOptions) -> Self {
        let large_count = config.database_pool.get() / 2;
        let count = config.database_pool.get() - large_count;
        let pool = |size| Pool::sized(config, size, "taskoverflow-worker", STATEMENT_TIMEOUT);
        Self::with_pools(pool(count), pool(large_count), large_count, claim_options)
    }

    /// Uses existing pools; `large` has `large_count` connections. Call it within a tokio runtime.
    pub fn with_pools(
        pool: Pool,
        large: Pool,
        large_count: u32,
        claim_options: ClaimOptions,
    ) -> Self {
        let limits = |items| LaneLimits {
            calls: 3,
            ..LaneLimits::items(items)
        };
        let process = ThisProcess::default();
        let claims = ClaimBatch {
            pool: pool.clone(),
            process: process.clone(),
            options: claim_options,
        };
        Self {
            claims: Lane::start(limits(100), claims),
            // each item may be another filter, and each filter may take long in a large table
            todos: Lane::start(
                LaneLimits {
                    parallel: slow_statements(large_count).min(2),
                    ..limits(16)
                },
                ReadBatch(pool.clone()),
            ),
            results: Lane::start(
                LaneLimits {
                    weight: 4 * LARGE_RESULT,
                    ..limits(128)
                },
                CompleteBatch(pool.clone()),
            ),
            large_results: Lane::start(
                LaneLimits {
                    // there are at least as many connections for short statements
                    parallel: slow_statements(large_count),
                    ..limits(1)
                },
                CompleteBatch(pool.clone()),
            ),
            large_slots: Arc::new(Semaphore::new(large_count as usize)),
            notifier: Notifier::default(),
            process,
            pool,
            large,
        }
    }

    /// Claims the job of a delivered message.
    ///
    /// # Errors
    /// Returns an error if the database does not answer. The claim then runs out.
    pub async fn claim(&self, delivered: Delivered) -> Result<Claimed, DatabaseError> {
        self.claims.call(delivered).await
    }

    /// Reads the todos that a filter selects. The read begins after this call, so they are as new as the caller.
    ///
    /// # Errors
    /// Returns an error if the database does not answer.
    pub async fn todos(&self, filter: &TodoFilter) -> Result<SharedTodos, DatabaseError> {
        self.todos.call(filter.clone()).await
    }

    /// Stores a result and ends its job.
    ///
    /// # Errors
    /// Returns an error if the database does not answer. Whether the result is stored is then unknown.
    pub async fn complete(&self, completion: Completion) -> Result<Written, DatabaseError> {
        let lane = if completion.result.content.len() > LARGE_RESULT {
            &self.large_results
        } else {
            &self.results
        };
        lane.call(completion).await
    }
}

/// Returns how many statements of one kind that can take many seconds run at the same time, each over one of the
/// `connections` for short statements: transfers of results that are larger than [`LARGE_RESULT`], and reads of todos.
/// Renewals should find a connection beside them. (With the smallest pool, one of each kind can still use both connections.)
fn slow_statements(connections: u32) -> usize {
    (connections as usize / 4).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_results_leave_connections_to_short_statements() {
        assert_eq!([2, 4, 8, 16].map(slow_statements), [1, 1, 2, 4]);
    }
}
