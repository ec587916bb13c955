//! The background tasks of a server, from the preparation of its database until its last request has ended.

use std::sync::Arc;
use std::time::Duration;

use job_queue::{Publisher, findings};
use shared_model::database::DatabaseConfig;
use shared_model::processes::{NewProcess, Reporter, Role};
use shared_model::startup::{Migrations, StartupError, prepare_database};
use shared_model::telemetry::MetricsConfig;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::authentication::mode::AuthMode;
use crate::background::relay::{InboxReader, Relay};
use crate::background::sweeper::Sweeper;
use crate::background::{event_sender, gauges, usage_watch};
use crate::events::settings::EventSettings;
use crate::readiness::QueueState;
use crate::state::Api;
use crate::telemetry;

/// How often the request rates of clients that have become idle are forgotten.
const FORGET_INTERVAL: Duration = Duration::from_secs(5);

/// How often a process that starts looks whether its database is ready.
const STARTING_PAUSE: Duration = Duration::from_millis(100);

/// What the background tasks need.
#[derive(Debug)]
pub(super) struct Tasks {
    pub(super) api: Arc<Api>,
    pub(super) database: DatabaseConfig,
    pub(super) metrics: MetricsConfig,
    pub(super) migrations: Migrations,
    pub(super) sweeper: Sweeper,
    /// The messages of new jobs, unless the queue is the table of jobs.
    pub(super) inbox: Option<InboxReader>,
    /// Whether the queue has to keep the order of all jobs.
    pub(super) is_serial: bool,
    pub(super) queue: watch::Sender<QueueState>,
    pub(super) events: EventSettings,
}

impl Tasks {
    /// Runs all tasks until the last request has ended, because that request may have accepted a job.
    ///
    /// # Errors
    /// Returns an error if the database can't be prepared (see [`prepare_database`]), or if the queue answers that it can't
    /// work.
    pub(super) async fn run(
        self,
        publisher: impl Future<Output = Option<Arc<dyn Publisher>>>,
        http_ended: &CancellationToken,
    ) -> Result<(), StartupError> {
        let api = Arc::clone(&self.api);
        let pool = &api.connections.lanes;
        let metrics = self.metrics.clone();
        let reporter = reporter(&api);
        let events = self.events.clone();
        let outcome = tokio::select! {
            outcome = self.publish(publisher, http_ended) => outcome,
            () = telemetry::keep_up(&api.metrics, &metrics, &api.connections) => Ok(()),
            () = report(&api, &reporter) => Ok(()),
            () = measure(&api) => Ok(()),
            () = forget_idle_clients(&api) => Ok(()),
            () = watch_usage(&api) => Ok(()),
            () = watch_operations(&api) => Ok(()),
            () = send_events(&api, &events) => Ok(()),
            () = api.job_watch.run(pool) => Ok(()),
            () = api.notifier.run(pool) => Ok(()),
        };
        reporter.end().await;
        outcome
    }

    /// Prepares the database, then publishes jobs and sweeps.
    async fn publish(
        self,
        publisher: impl Future<Output = Option<Arc<dyn Publisher>>>,
        http_ended: &CancellationToken,
    ) -> Result<(), StartupError> {
        let preparation = prepare_database(
            &self.api.connections.requests,
            &self.database,
            self.migrations,
        );
        let Some(prepared) = http_ended.run_until_cancelled(preparation).await else {
            return Ok(());
        };
        prepared?;
        self.api.start();
        log::info!("ready");
        let Some(publisher) = http_ended.run_until_cancelled(publisher).await else {
            return Ok(());
        };
        if let Some(publisher) = &publisher {
            self.api.operations.connect(Arc::clone(publisher));
        }
        let look = look_at(publisher.clone());
        let pool = self.api.connections.lanes.clone();
        let relaying = async {
            match publisher.zip(self.inbox) {
                Some((publisher, inbox)) => {
                    let relay = Relay {
                        pool,
                        publisher,
                        inbox,
                        activity: self.api.process.activity.clone(),
                        is_serial: self.is_serial,
                        queue: self.queue,
                    };
                    relay.run(http_ended.clone()).await;
                }
                None => http_ended.cancelled().await,
            }
        };
        tokio::select! {
            () = relaying => Ok(()),
            () = self.sweeper.run() => Ok(()),
            unusable = look => Err(StartupError::UnusableQueue(unusable)),
        }
    }
}

/// Looks at the queue, if it has a publisher, until it answers. Returns what can't work; if that is nothing, never returns.
async fn look_at(publisher: Option<Arc<dyn Publisher>>) -> Vec<String> {
    if let Some(publisher) = publisher {
        let unusable = findings::until_answered(|| publisher.inspect()).await;
        if !unusable.is_empty() {
            return unusable;
        }
    }
    std::future::pending().await
}

/// Returns what reports this process to the database. Nobody asks an API to pause or to drain.
fn reporter(api: &Api) -> Reporter {
    Reporter {
        pool: api.connections.lanes.clone(),
        process: NewProcess::this(Role::Api, None),
        this: api.process.clone(),
        control: watch::Sender::new(None),
    }
}

/// Reports this process to the database, from when the database is ready.
async fn report(api: &Api, reporter: &Reporter) {
    until_started(api).await;
    reporter.run(|| None).await;
}

async fn until_started(api: &Api) {
    while !api.has_started() {
        tokio::time::sleep(STARTING_PAUSE).await;
    }
}

/// Makes snapshots for operators, from when the database is ready.
async fn watch_operations(api: &Api) {
    until_started(api).await;
    api.operations.run(&api.connections.upkeep).await;
}

/// Sends completion events, from when the database is ready. Uses the connections of the sweeper, so that it takes none
/// from requests and jobs.
async fn send_events(api: &Api, settings: &EventSettings) {
    until_started(api).await;
    event_sender::run(settings, api.connections.upkeep.clone()).await;
}

/// Measures how much is stored, for the limits, from when the database is ready.
async fn watch_usage(api: &Api) {
    until_started(api).await;
    let count_tokens = api.auth == AuthMode::Tokens;
    usage_watch::run(&api.limits.usage, &api.connections.upkeep, count_tokens).await;
}

/// Measures the service for the metrics, from when the database is ready.
async fn measure(api: &Api) {
    until_started(api).await;
    gauges::run(&api.connections.upkeep, &api.operations).await;
}

/// Limits the memory of the request rates, forever.
async fn forget_idle_clients(api: &Api) {
    loop {
        api.limits.rate.forget_idle();
        tokio::time::sleep(FORGET_INTERVAL).await;
    }
}
