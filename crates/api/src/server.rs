//! The process: it listens immediately, serves requests once the database is ready, and ends after a signal.

mod http;
mod open_files;
mod tasks;
mod timed_stream;

use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use job_queue::{Publisher, QueueUrl};
use shared_model::notifier::Notifier;
use shared_model::process;
use shared_model::shutdown::Shutdown;
use shared_model::startup::Migrations;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::authentication::mode::AuthMode;
use crate::background::dispatch::Dispatch;
use crate::background::relay::RelayInbox;
use crate::background::sweeper::Sweeper;
use crate::config::Config;
use crate::connections::Connections;
use crate::limits::settings::LimitSettings;
use crate::readiness::QueueState;
use crate::state::Api;
use crate::telemetry;
use tasks::Tasks;

/// Runs the API as a process, with its own runtime, until SIGTERM or SIGINT. Returns the exit code: see
/// [`shared_model::process`].
pub fn run_process(config: Config) -> ExitCode {
    process::run(&config.problems(), &config.log.clone(), || {
        let queue = config.queue.queue_url.in_traces();
        let _export = config.traces.start("taskoverflow-api", queue)?;
        actix_web::rt::System::new().block_on(async {
            let shutdown = Shutdown::on_signals().context("can't listen for signals")?;
            Box::pin(run(config, shutdown)).await?;
            Ok(ExitCode::SUCCESS)
        })
    })
}

/// Runs the API until the shutdown.
///
/// # Errors
/// Returns an error if the address is in use, if the database can't be prepared (see
/// [`prepare_database`](shared_model::startup::prepare_database)), or if the queue answers that it can't work.
pub async fn run(config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
    let server = Server::bind(&config)?;
    log::info!("http.address":% = server.address(); "listening");
    if config.auth_mode() == AuthMode::Off
        && let Some(published_by) = config.published_by()
    {
        log::warn!(
            "AUTH is off, although {published_by}: everyone who can reach the API can read, change and delete all todos"
        );
    }
    if let Some(warning) = config.queue.warning() {
        log::warn!("{warning}");
    }
    let publisher = config.queue.connect_publisher();
    tokio::select! {
        outcome = server.run(publisher, shutdown.drain) => outcome,
        () = shutdown.hurry.cancelled() => {
            log::warn!("stopped before all open requests were finished");
            Ok(())
        }
    }
}

/// A server that listens, but does not serve requests yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    limits: LimitSettings,
    /// How long to go on serving after the shutdown began.
    shutdown_delay: Duration,
    tasks: Tasks,
}

impl Server {
    /// Listens on the configured address. Requests wait until [`run`](Self::run). Call it within a tokio runtime.
    ///
    /// # Errors
    /// Returns an error if the address is in use or does not belong to this machine.
    pub fn bind(config: &Config) -> anyhow::Result<Self> {
        let mut config = config.clone();
        let limits = &mut config.limits;
        limits.max_connections = open_files::make_room(limits.max_connections);
        let config = &config;
        let listener = http::listen(config.bind_addr, config.limits.stall_timeout)
            .with_context(|| format!("BIND_ADDR: can't listen on {}", config.bind_addr))?;
        let (queue, queue_state) = watch::channel(QueueState::Unknown);
        let metrics = telemetry::install()?;
        let connections = Connections::new(&config.database);
        let notifier = Notifier::default();
        let queue_name = match &config.queue.queue_url {
            QueueUrl::Postgres => None,
            url @ (QueueUrl::Sqs(_) | QueueUrl::Broker(_)) => Some(url.name().to_owned()),
        };
        let (dispatch, inbox) = if queue_name.is_some() {
            let (inbox, reader) = RelayInbox::new();
            (Dispatch::Relay(inbox), Some(reader))
        } else {
            (Dispatch::Notify(notifier.clone()), None)
        };
        let api = Arc::new(Api::new(
            config,
            connections,
            dispatch,
            notifier.clone(),
            queue_state,
            metrics,
        ));
        let tasks = Tasks {
            database: config.database.clone(),
            metrics: config.metrics.clone(),
            migrations: if config.migrate {
                Migrations::Run
            } else {
                Migrations::Await
            },
            sweeper: Sweeper {
                pool: api.connections.upkeep.clone(),
                notifier,
                activity: api.process.activity.clone(),
                interval: config.sweep_interval,
                queue: queue_name,
                republish_after: config.republish_after,
            },
            inbox,
            is_serial: config.queue.is_serial(),
            queue,
            events: config.events.clone(),
            api,
        };
        Ok(Self {
            address: listener.local_addr()?,
            listener,
            limits: config.limits.clone(),
            shutdown_delay: config.shutdown_delay,
            tasks,
        })
    }

    /// Returns the address on which the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves requests until `shutdown` and its delay, then finishes the open ones within a time limit. Jobs are accepted even before
    /// `publisher` is ready, and while the queue is down. There is no publisher if the queue is the table of jobs.
    ///
    /// # Errors
    /// Returns an error, and stops, if the database can't be prepared (see
    /// [`prepare_database`](shared_model::startup::prepare_database)), or if the queue answers that it can't work.
    pub async fn run(
        self,
        publisher: impl Future<Output = Option<Arc<dyn Publisher>>>,
        shutdown: CancellationToken,
    ) -> anyhow::Result<()> {
        let api = Arc::clone(&self.tasks.api);
        let http = http::serve(self.listener, Arc::clone(&api), &self.limits)?;
        let http_handle = http.handle();
        let http_ended = CancellationToken::new();
        let serving = async {
            let outcome = http.await;
            http_ended.cancel();
            outcome
        };
        let failed = CancellationToken::new();
        let stopping = async {
            tokio::select! {
                () = shutdown.cancelled() => {
                    let delay = linger(&api, self.shutdown_delay);
                    failed.run_until_cancelled(delay).await;
                    log::info!("stopping; finishing open requests");
                    api.stopping.cancel();
                    http_handle.stop(true).await;
                }
                () = http_ended.cancelled() => {}
            }
        };
        let working = async {
            let outcome = self.tasks.run(publisher, &http_ended).await;
            // without a database, there is nothing to serve; without a queue, no job would ever run
            outcome.inspect_err(|_| {
                failed.cancel();
                shutdown.cancel();
            })
        };
        let (served, worked, ()) = tokio::join!(serving, working, stopping);
        worked?;
        Ok(served?)
    }
}

/// Waits for `delay`, in which requests are still served, unless the process has never been ready: nobody uses it then.
async fn linger(api: &Api, delay: Duration) {
    if !delay.is_zero() && api.has_been_ready() {
        log::info!("stopping later; serving requests until SHUTDOWN_DELAY has passed");
        tokio::time::sleep(delay).await;
    }
}
