//! Sees to what time has overtaken: lost messages, jobs that nobody did in time, results and jobs that are kept no
//! longer. Every API process runs one; a lock in the database lets one at a time do the work.

use std::time::Duration;

use diesel::PgConnection;
use shared_model::database::{DatabaseError, Pool};
use shared_model::job_store::sweeps;

use crate::telemetry::SWEPT;

/// Sweeps at an interval.
#[derive(Debug, Clone)]
pub struct Sweeper {
    /// The database.
    pub pool: Pool,
    /// How often it looks.
    pub interval: Duration,
    /// How long a published job may go unclaimed before its message counts as lost; doubles with each time.
    pub republish_after: Duration,
}

impl Sweeper {
    /// Sweeps for ever.
    pub async fn run(self) {
        loop {
            // several processes that started together look at different times
            tokio::time::sleep(self.interval.mul_f64(0.5 + fastrand::f64())).await;
            if let Err(error) = self.sweep_once().await {
                log::debug!(error:%; "could not sweep; trying again later");
            }
        }
    }

    /// Does all there is to do.
    ///
    /// # Errors
    /// When the database does not answer; the rest is left to the next time.
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

    /// Runs one kind of sweep until it finds less than a batch.
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
