//! Reads the state of jobs.

use std::collections::HashMap;
use std::sync::Arc;

use shared_model::batch_lane::RunBatch;
use shared_model::database::{DatabaseError, Pool};
use shared_model::job::{Job, JobId};
use shared_model::job_store::requests;

/// Reads a batch of jobs in one statement. Several requests for the same job share its row.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) pool: Pool,
}

impl RunBatch<JobId, Option<Job>> for Read {
    async fn run(&self, ids: Arc<Vec<JobId>>) -> Result<Vec<Option<Job>>, DatabaseError> {
        let mut distinct = ids.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let found = self
            .pool
            .run(move |connection| requests::find_many(connection, &distinct));
        let found: Vec<Job> = found.await?;
        let jobs: HashMap<JobId, Job> = found.into_iter().map(|job| (job.id, job)).collect();
        Ok(ids.iter().map(|id| jobs.get(id).cloned()).collect())
    }
}
