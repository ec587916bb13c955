//! What operators watch: a snapshot of the whole service; and why what they want may be refused.
//!
//! # Layout, in the order of what happens
//! - [`watchers`]: those who watch, and the latest snapshot
//! - `sampler`: reads the database and the queue, as long as somebody watches
//! - `summary`, `rates`: make a snapshot from what was read
//! - [`snapshot`]: the snapshot, as operators receive it
//! - [`refusal`]: why an operator's call was refused

mod rates;
pub mod refusal;
mod sampler;
pub mod snapshot;
mod summary;
pub mod watchers;

use std::sync::{Arc, OnceLock};

use job_queue::{Publisher, QueueDepth, QueueError, QueueUrl};
use shared_model::database::{DatabaseError, Pool};

use crate::store::operations::{self, Reading};
use sampler::{Sampler, Source};
use summary::Counted;
use watchers::{Watchers, Watching};

/// What operators watch.
#[derive(Debug)]
pub struct Operations {
    watchers: Watchers,
    queue: QueueUrl,
    publisher: OnceLock<Arc<dyn Publisher>>,
}

impl Operations {
    /// Returns the watch of a service with this queue.
    pub fn new(queue: QueueUrl) -> Self {
        Self {
            watchers: Watchers::default(),
            queue,
            publisher: OnceLock::new(),
        }
    }

    /// Lets the messages in the queue be counted from now on.
    pub fn connect(&self, publisher: Arc<dyn Publisher>) {
        // the first one counts; there is no other
        let _ = self.publisher.set(publisher);
    }

    /// Watches. There is no snapshot before [`run`](Self::run).
    pub fn watch(&self) -> Watching {
        self.watchers.watch()
    }

    /// Counts the messages in the queue. `None` if that is the table of jobs, or not known yet.
    pub async fn count_messages(&self) -> Option<Result<QueueDepth, QueueError>> {
        Some(self.publisher.get()?.depth().await)
    }

    /// Returns whether the queue is the table of jobs, so that nothing is published.
    pub fn is_table(&self) -> bool {
        self.queue == QueueUrl::Postgres
    }

    /// Makes snapshots with connections of `pool`, forever.
    pub async fn run(&self, pool: &Pool) {
        let source = Service {
            pool,
            operations: self,
        };
        let sampler = Sampler::new(&source, &self.watchers, self.queue.to_string());
        sampler.run().await;
    }
}

/// The database and the queue.
#[derive(Debug)]
struct Service<'a> {
    pool: &'a Pool,
    operations: &'a Operations,
}

impl Source for Service<'_> {
    async fn read(&self) -> Result<Reading, DatabaseError> {
        self.pool.run(operations::read).await
    }

    async fn count_messages(&self) -> Option<Counted> {
        self.operations.count_messages().await
    }

    fn is_table(&self) -> bool {
        self.operations.is_table()
    }
}
