//! Sending through Postgres: the jobs are already there, so the workers are only notified.

use async_trait::async_trait;
use shared_model::database::{DatabaseError, Pool};
use shared_model::listener::{self, JOB_DUE};
use shared_model::message::JobMessage;

use crate::error::QueueError;
use crate::publisher::{Published, Publisher};

/// The sending half of the table of jobs.
#[derive(Debug)]
pub struct PostgresPublisher {
    pool: Pool,
}

impl PostgresPublisher {
    /// Creates a publisher over the pool that the jobs are stored through.
    pub fn new(pool: Pool) -> Self {
        Self { pool }
    }
}

#[async_trait]
impl Publisher for PostgresPublisher {
    async fn publish(&self, messages: &[JobMessage]) -> Result<Published, QueueError> {
        self.pool
            .run::<_, DatabaseError, _>(|connection| Ok(listener::notify(connection, JOB_DUE)?))
            .await?;
        Ok(Published {
            sent: messages.iter().map(|message| message.job_id).collect(),
            failed: Vec::new(),
        })
    }

    async fn check(&self) -> Result<(), QueueError> {
        Ok(self.pool.ping().await?)
    }
}
