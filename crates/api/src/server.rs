//! The process: it listens at once, serves once the database is there, and ends when it is told to.

use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::web::Data;
use actix_web::{App, HttpServer};
use anyhow::Context;
use job_queue::Publisher;
use shared_model::database::{DatabaseConfig, Pool};
use shared_model::job_store::outbox::{self, Backlog};
use shared_model::process;
use shared_model::shutdown::Shutdown;
use shared_model::startup::{Migrations, prepare_database};
use tokio::net::TcpSocket;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::background::relay::Relay;
use crate::background::sweeper::Sweeper;
use crate::config::Config;
use crate::observe::observe;
use crate::readiness::QueueState;
use crate::routes;
use crate::state::{Api, STATEMENT_TIMEOUT};
use crate::telemetry::{self, OUTBOX_JOBS, OUTBOX_OLDEST_AGE};

/// How long open requests may take once the process was told to stop; orchestrators kill after 30 seconds.
const DRAIN_TIMEOUT_SECONDS: u64 = 20;
/// How long an idle connection is kept: longer than load balancers do (60 seconds), so that they never send into one
/// that is being closed.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How many clients may wait to be let in: the standard library's 128 make those of a burst try again a second later.
const BACKLOG: u32 = 2048;
/// How often the outbox is measured and the metrics are tidied up.
const MEASURE_INTERVAL: Duration = Duration::from_secs(5);

/// Runs the API as a process, with a runtime of its own, until SIGTERM or SIGINT. Returns the exit code: see
/// [`shared_model::process`].
pub fn run_process(config: Config) -> ExitCode {
    process::run(&config.problems(), &config.log.clone(), || {
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
/// Returns an error if the address is taken or the API can't start: see [`prepare_database`].
pub async fn run(config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
    let pool = Pool::new(&config.database, "taskoverflow-api", STATEMENT_TIMEOUT);
    let server = Server::bind(&config, pool.clone())?;
    log::info!("http.address":% = server.address(); "listening");
    let publisher = config.queue.connect_publisher(&pool);
    tokio::select! {
        outcome = server.run(publisher, shutdown.drain) => outcome,
        () = shutdown.hurry.cancelled() => {
            log::warn!("stopped before all open requests were finished");
            Ok(())
        }
    }
}

/// An API that listens and is about to run.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    api: Arc<Api>,
    pool: Pool,
    database: DatabaseConfig,
    migrations: Migrations,
    sweeper: Sweeper,
    queue: watch::Sender<QueueState>,
}

impl Server {
    /// Listens. Requests wait until [`run`](Self::run). Call it within a tokio runtime.
    ///
    /// # Errors
    /// When the address is taken or not this machine's.
    pub fn bind(config: &Config, pool: Pool) -> anyhow::Result<Self> {
        let listener = listen(config.bind_addr)
            .with_context(|| format!("BIND_ADDR: can't listen on {}", config.bind_addr))?;
        let (queue, queue_seen) = watch::channel(QueueState::Unknown);
        let metrics = telemetry::install()?;
        Ok(Self {
            address: listener.local_addr()?,
            listener,
            api: Arc::new(Api::new(config, pool.clone(), queue_seen, metrics)),
            database: config.database.clone(),
            migrations: if config.migrate {
                Migrations::Run
            } else {
                Migrations::Await
            },
            sweeper: Sweeper {
                pool: pool.clone(),
                interval: config.sweep_interval,
                republish_after: config.republish_after,
            },
            pool,
            queue,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`, then finishes what is open within its bound. Jobs are accepted also while the queue is
    /// down, or `publisher` not there yet.
    ///
    /// # Errors
    /// Returns an error, and stops, if the database can't be prepared: see [`prepare_database`].
    pub async fn run(
        self,
        publisher: impl Future<Output = Arc<dyn Publisher>>,
        shutdown: CancellationToken,
    ) -> anyhow::Result<()> {
        let http = serve(self.listener, Arc::clone(&self.api))?;
        let http_handle = http.handle();
        let http_ended = CancellationToken::new();
        let serving = async {
            let outcome = http.await;
            http_ended.cancel();
            outcome
        };
        let stopping = async {
            tokio::select! {
                () = shutdown.cancelled() => {
                    log::info!("stopping; finishing open requests");
                    self.api.stopping.cancel();
                    http_handle.stop(true).await;
                }
                () = http_ended.cancelled() => {}
            }
        };
        // until the last request has ended: it may have accepted a job
        let watch_pool = self.pool.clone();
        let publishing = async {
            let preparation = prepare_database(&self.pool, &self.database, self.migrations);
            let Some(()) = http_ended
                .run_until_cancelled(preparation)
                .await
                .transpose()
                .inspect_err(|_| shutdown.cancel())?
            else {
                return Ok(());
            };
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
            anyhow::Ok(())
        };
        let background = async {
            tokio::select! {
                outcome = publishing => outcome,
                () = measure(&self.api) => Ok(()),
                () = self.api.job_watch.run(&watch_pool) => Ok(()),
            }
        };
        let (served, background, ()) = tokio::join!(serving, background, stopping);
        background?;
        Ok(served?)
    }
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // or a restart would wait for the connections of the process before it
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

fn serve(listener: TcpListener, api: Arc<Api>) -> std::io::Result<actix_web::dev::Server> {
    let api = Data::from(api);
    let app = move || {
        App::new()
            .app_data(api.clone())
            .wrap(from_fn(observe))
            .configure(routes::configure)
    };
    let server = HttpServer::new(app)
        .keep_alive(KEEP_ALIVE)
        .tcp_nodelay(true)
        .shutdown_timeout(DRAIN_TIMEOUT_SECONDS)
        .disable_signals()
        .listen(listener)?;
    Ok(server.run())
}

/// Keeps the outbox's gauges up to date and the metrics' memory small, for ever.
async fn measure(api: &Api) {
    loop {
        api.metrics.run_upkeep();
        // a database that is away has its own signs
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
