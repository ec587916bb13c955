//! What the lanes do with their batches.

use std::collections::HashMap;
use std::sync::Arc;

use shared_model::batch_lane::RunBatch;
use shared_model::database::{DatabaseError, Pool};
use shared_model::job_store::claims::{
    self, ClaimOptions, Claimed, Completion, Delivered, Written,
};
use shared_model::processes::ThisProcess;
use shared_model::todo::TodoFilter;

use super::{MAX_SHARED_TODOS, SharedTodos};

/// Claims the jobs of delivered messages.
pub(super) struct ClaimBatch {
    pub(super) pool: Pool,
    pub(super) process: ThisProcess,
    pub(super) options: ClaimOptions,
}

impl RunBatch<Delivered, Claimed> for ClaimBatch {
    async fn run(&self, items: Arc<Vec<Delivered>>) -> Result<Vec<Claimed>, DatabaseError> {
        let options = ClaimOptions {
            worker_id: self.process.id(),
            ..self.options
        };
        self.pool
            .run(move |connection| claims::claim_delivered(connection, options, &items))
            .await
    }
}

/// Reads todos, once for equal filters.
pub(super) struct ReadBatch(pub(super) Pool);

impl RunBatch<TodoFilter, SharedTodos> for ReadBatch {
    async fn run(&self, items: Arc<Vec<TodoFilter>>) -> Result<Vec<SharedTodos>, DatabaseError> {
        self.0
            .run(move |connection| {
                let mut read: HashMap<&TodoFilter, SharedTodos> = HashMap::new();
                let mut answers = Vec::with_capacity(items.len());
                for filter in items.iter() {
                    if !read.contains_key(filter) {
                        let todos = match filter.select_few(connection, MAX_SHARED_TODOS)? {
                            Some(todos) => SharedTodos::Few(Arc::new(todos)),
                            None => SharedTodos::Many,
                        };
                        read.insert(filter, todos);
                    }
                    answers.extend(read.get(filter).cloned());
                }
                Ok(answers)
            })
            .await
    }
}

/// Stores results.
pub(super) struct CompleteBatch(pub(super) Pool);

impl RunBatch<Completion, Written> for CompleteBatch {
    async fn run(&self, items: Arc<Vec<Completion>>) -> Result<Vec<Written>, DatabaseError> {
        self.0
            .run(move |connection| claims::complete(connection, &items))
            .await
    }

    fn weight(&self, item: &Completion) -> usize {
        item.result.content.len()
    }
}
