//! The background tasks of a server, from the preparation of its database until its last request has ended.

use std::sync::Arc;
use std::time::Duration;

use job_queue::Publisher;
use shared_model::database::{DatabaseConfig, Pool};
use shared_model::job_store::outbox::{self, Backlog};
use shared_model::startup::{Migrations, StartupError, prepare_database};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::background::relay::Relay;
use crate::background::sweeper::Sweeper;
use crate::readiness::QueueState;
use crate::state::Api;
use crate::telemetry::{OUTBOX_JOBS, OUTBOX_OLDEST_AGE};

/// How often the outbox is measured and the metrics are tidied up.
const MEASURE_INTERVAL: Duration = Duration::from_secs(5);

/// What the background tasks need.
#[derive(Debug)]
pub(super) struct Tasks {
    pub(super) api: Arc<Api>,
    pub(super) pool: Pool,
    pub(super) database: DatabaseConfig,
    pub(super) migrations: Migrations,
    pub(super) sweeper: Sweeper,
    pub(super) queue: watch::Sender<QueueState>,
}

impl Tasks {
    /// Runs all tasks until the last request has ended, because that request may have accepted a job.
    ///
    /// # Errors
    /// Returns an error if the database can't be prepared: see [`prepare_database`].
    pub(super) async fn run(
        self,
        publisher: impl Future<Output = Arc<dyn Publisher>>,
        http_ended: &CancellationToken,
    ) -> Result<(), StartupError> {
        let (api, pool) = (Arc::clone(&self.api), self.pool.clone());
        tokio::select! {
            outcome = self.publish(publisher, http_ended) => outcome,
            () = measure(&api) => Ok(()),
            () = api.job_watch.run(&pool) => Ok(()),
        }
    }

    /// Prepares the database, then publishes jobs and sweeps.
    async fn publish(
        self,
        publisher: impl Future<Output = Arc<dyn Publisher>>,
        http_ended: &CancellationToken,
    ) -> Result<(), StartupError> {
        let preparation = prepare_database(&self.pool, &self.database, self.migrations);
        let Some(prepared) = http_ended.run_until_cancelled(preparation).await else {
            return Ok(());
        };
        prepared?;
        self.api.start();
        log::info!("ready");
        let Some(publisher) = http_ended.run_until_cancelled(publisher).await else {
            return Ok(());
        };
        let relay = Relay {
            pool: self.pool,
            publisher,
            wake: Arc::clone(&self.api.job_accepted),
            queue: self.queue,
        };
        tokio::select! {
            () = relay.run(http_ended.clone()) => {}
            () = self.sweeper.run() => {}
        }
        Ok(())
    }
}

/// Updates the gauges of the outbox and limits the memory of the metrics, forever.
async fn measure(api: &Api) {
    loop {
        api.metrics.run_upkeep();
        // while the database is unavailable, the gauges keep their values, and other metrics show the problem
        if let Ok(backlog) = api.query(outbox::backlog).await {
            let Backlog {
                jobs,
                oldest_age_seconds,
            } = backlog;
            #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
            metrics::gauge!(OUTBOX_JOBS).set(jobs as f64);
            metrics::gauge!(OUTBOX_OLDEST_AGE).set(oldest_age_seconds);
        }
        tokio::time::sleep(MEASURE_INTERVAL).await;
    }
}
