//! The sweeper handles lost messages, overdue jobs and expired rows. Every API process runs one; a database lock lets only
//! one of them work at a time.

use std::time::Duration;

use diesel::PgConnection;
use shared_model::database::{DatabaseError, Pool};
use shared_model::job::JobId;
use shared_model::job_store::sweeps;
use shared_model::notifier::Notifier;

use crate::telemetry::SWEPT;

/// Sweeps at regular intervals.
#[derive(Debug, Clone)]
pub struct Sweeper {
    /// The database.
    pub pool: Pool,
    /// Reports the jobs that a sweep ends.
    pub notifier: Notifier,
    /// The average time between two sweeps.
    pub interval: Duration,
    /// The queue whose lost messages are sent again, or `None` if the queue is the table of jobs, which loses none.
    pub queue_url: Option<String>,
    /// How long a job waits for its message before the message may count as lost. Doubles with each time it is sent.
    pub republish_after: Duration,
}

/// The rows that one statement changed or deleted.
trait Swept: Send + 'static {
    fn count(&self) -> usize;
}

impl Swept for usize {
    fn count(&self) -> usize {
        *self
    }
}

impl Swept for Vec<JobId> {
    fn count(&self) -> usize {
        self.len()
    }
}

impl Sweeper {
    /// Sweeps forever.
    pub async fn run(self) {
        loop {
            // jitter, so that processes that started together sweep at different times
            tokio::time::sleep(self.interval.mul_f64(0.5 + fastrand::f64())).await;
            self.sweep_once().await;
        }
    }

    /// Runs every kind of sweep once. If one fails, the others run all the same, and the next round tries it again.
    pub async fn sweep_once(&self) {
        let republish_after = self.republish_after;
        if let Some(url) = self.queue_url.clone() {
            let lost = move |connection: &mut PgConnection| {
                sweeps::republish_lost(connection, &url, republish_after)
            };
            self.sweep("republished", lost, |_| {}).await;
        }
        self.sweep("overdue", sweeps::fail_overdue, |ids| {
            self.notifier.jobs_changed(ids);
        })
        .await;
        self.sweep("results", sweeps::delete_expired_results, |_| {})
            .await;
        self.sweep("jobs", sweeps::delete_expired_jobs, |_| {})
            .await;
    }

    /// Repeats one kind of sweep until it finds less than a full batch or fails.
    async fn sweep<S: Swept>(
        &self,
        kind: &'static str,
        sweep: impl Fn(&mut PgConnection) -> Result<S, DatabaseError> + Clone + Send + 'static,
        report: impl Fn(S),
    ) {
        loop {
            let rows = match self.pool.run(sweep.clone()).await {
                Ok(swept) => {
                    let rows = swept.count();
                    report(swept);
                    rows
                }
                Err(error) => {
                    log::warn!("sweep.kind" = kind, error:%; "a sweep failed; trying again later");
                    return;
                }
            };
            if rows > 0 {
                log::info!("sweep.kind" = kind, "sweep.rows" = rows; "swept");
                metrics::counter!(SWEPT, "kind" => kind).increment(rows as u64);
            }
            if rows < usize::try_from(sweeps::BATCH).unwrap_or(usize::MAX) {
                return;
            }
        }
    }
}
