//! The sweeper handles lost messages, overdue jobs and expired rows. Every API process runs one; a database lock lets only
//! one of them work at a time.

use std::time::Duration;

use diesel::PgConnection;
use shared_model::database::{DatabaseError, Pool};
use shared_model::job_store::sweeps;

use crate::telemetry::SWEPT;

/// Sweeps at regular intervals.
#[derive(Debug, Clone)]
pub struct Sweeper {
    /// The database.
    pub pool: Pool,
    /// The average time between two sweeps.
    pub interval: Duration,
    /// How long a published job may stay unclaimed before its message counts as lost. Doubles with each republication.
    pub republish_after: Duration,
}

impl Sweeper {
    /// Sweeps forever.
    pub async fn run(self) {
        loop {
            // jitter, so that processes that started together sweep at different times
            tokio::time::sleep(self.interval.mul_f64(0.5 + fastrand::f64())).await;
            if let Err(error) = self.sweep_once().await {
                log::debug!(error:%; "sweep failed; trying again later");
            }
        }
    }

    /// Runs every kind of sweep once.
    ///
    /// # Errors
    /// Returns an error if a statement fails. The next sweep continues.
    pub async fn sweep_once(&self) -> Result<(), DatabaseError> {
        let republish_after = self.republish_after;
        self.sweep("republished", move |connection| {
            sweeps::republish_lost(connection, republish_after)
        })
        .await?;
        self.sweep("overdue", sweeps::fail_overdue).await?;
        self.sweep("results", sweeps::delete_expired_results)
            .await?;
        self.sweep("jobs", sweeps::delete_expired_jobs).await
    }

    /// Repeats one kind of sweep until it finds less than a full batch.
    async fn sweep<F>(&self, kind: &'static str, sweep: F) -> Result<(), DatabaseError>
    where
        F: Fn(&mut PgConnection) -> Result<usize, DatabaseError> + Clone + Send + 'static,
    {
        loop {
            let swept = self.pool.run(sweep.clone()).await?;
            if swept > 0 {
                log::info!("sweep.kind" = kind, "sweep.rows" = swept; "swept");
                metrics::counter!(SWEPT, "kind" => kind).increment(swept as u64);
            }
            if swept < usize::try_from(sweeps::BATCH).unwrap_or(usize::MAX) {
                return Ok(());
            }
        }
    }
}
