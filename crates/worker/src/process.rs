//! The worker's process: startup, signals and shutdown.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use shared_model::process;
use shared_model::processes::{Control, NewProcess, Reporter, Role};
use shared_model::shutdown::Shutdown;
use shared_model::startup::{Migrations, StartupError, prepare_database};
use shared_model::trace;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::admin::{self, AdminData};
use crate::config::Config;
use crate::consumer::{Consumer, ConsumerOptions, Ended, STOP_GRACE};
use crate::database::Database;
use crate::dead_letters;
use crate::handler::{Handler, HandlerOptions, LONGEST_BUSY_RELEASE};
use crate::health::Health;
use crate::isolation;
use crate::look::Look;
use crate::pause::Pause;
use crate::protection;
use crate::render::{self, Render};
use crate::telemetry;

/// How much longer than `RECEIVE_WAIT` a poll may take before it is considered dead.
const POLL_GRACE: Duration = Duration::from_secs(15);

/// After a second signal, how long the worker has to record that it has ended.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Runs the worker as a process, with a runtime of its own, until SIGTERM or SIGINT. Returns the exit code: see
/// [`shared_model::process`].
pub fn run_process(config: Config) -> ExitCode {
    run_process_with(config, render::render)
}

/// Does what [`run_process`] does, but renders calendars with another function.
pub fn run_process_with(config: Config, render: Render) -> ExitCode {
    process::run(&config.problems(), &config.log.clone(), || {
        let runtime = Runtime::new().context("can't start the async runtime")?;
        if let Some((key, trace)) = isolation::requested_attempt()? {
            let attempt = isolation::run(key, &config, render);
            let ended = runtime.block_on(trace::scope(Some(trace), attempt));
            runtime.shutdown_background();
            return ended;
        }
        let queue = config.queue.queue_url.in_traces();
        let _export = config.traces.start("taskoverflow-worker", queue)?;
        let ended = runtime.block_on(async {
            let shutdown = Shutdown::on_signals().context("can't listen for signals")?;
            run(config, render, shutdown).await
        });
        // A render that does not stop must not keep the process alive.
        runtime.shutdown_timeout(Duration::from_millis(100));
        ended
    })
}

/// Runs the worker until the shutdown. Returns the exit code, which is a failure if the worker had to stop because too
/// many abandoned renders did not end.
///
/// # Errors
/// Returns an error if the worker can't start, or if its queue answers that it can't work.
pub async fn run(config: Config, render: Render, shutdown: Shutdown) -> anyhow::Result<ExitCode> {
    log::info!("queue.url":% = config.queue.queue_url, "worker.concurrency" = config.worker_concurrency.get(); "starting");
    if let Some(warning) = config.queue.warning() {
        log::warn!("{warning}");
    }
    let metrics = telemetry::install()?;
    let database = Database::new(&config.database, config.claim_options());
    let _telemetry = AbortOnDropHandle::new(tokio::spawn(telemetry::keep_up(
        metrics.clone(),
        config.metrics.clone(),
        database.clone(),
    )));
    let health = Health::new(config.receive_wait + POLL_GRACE);
    let data = AdminData {
        health: health.clone(),
        pool: database.pool.clone(),
        process: database.process.clone(),
        metrics,
    };
    let (admin, admin_addr) = admin::bind(config.admin_addr, data)
        .with_context(|| format!("ADMIN_ADDR: can't listen on {}", config.admin_addr))?;
    log::info!("http.address":% = admin_addr; "listening");
    let admin_handle = admin.handle();
    tokio::spawn(admin);

    let preparation = prepare_database(&database.pool, &config.database, Migrations::Await);
    let prepared = shutdown.drain.run_until_cancelled(preparation).await;
    let ended = match prepared.transpose()? {
        Some(()) => work(&config, render, database, shutdown, health).await?,
        None => Ended::Drained,
    };
    admin_handle.stop(false).await;
    log::info!("stopped");
    Ok(match ended {
        Ended::Drained => ExitCode::SUCCESS,
        Ended::Stuck => ExitCode::FAILURE,
    })
}

/// Receives jobs and dead letters until the shutdown.
///
/// # Errors
/// Returns an error if the queue answers that it can't work.
async fn work(
    config: &Config,
    render: Render,
    database: Database,
    shutdown: Shutdown,
    health: Health,
) -> Result<Ended, StartupError> {
    let (pool, notifier) = (&database.pool, &database.notifier);
    let (reporter, control) = reporter(config, &database);
    let following = follow(control.clone(), shutdown.drain.clone());
    let _following = AbortOnDropHandle::new(tokio::spawn(following));
    let pause = Pause::new(control);
    let options = config.subscription_options();
    let subscription = config
        .queue
        .connect_subscription(pool, notifier, &database.process, options)
        .await;
    let look = Look::begin(
        Arc::clone(&subscription),
        config.needs(),
        database.clone(),
        shutdown.drain.clone(),
    )
    .await?;
    let dead_letters = tokio::spawn(dead_letters::consume(
        Arc::clone(&subscription),
        database.clone(),
        pause.clone(),
        shutdown.drain.clone(),
    ));
    let hurry = shutdown.hurry.clone();
    let handler = handler(config, render, database.clone());
    let options = consumer_options(config);
    let report = handler.evidence().report(
        pool.clone(),
        config.queue.queue_url.name().to_owned(),
        config
            .queue
            .is_serial()
            .then(|| serial_silence(options.visibility)),
    );
    let report = AbortOnDropHandle::new(tokio::spawn(report));
    let consumer = Consumer::new(subscription, handler, options, shutdown, pause, health);
    let in_flight = consumer.in_flight();
    let _protection = protection::begin(in_flight.clone(), config.job_timeout);
    let ended = tokio::select! {
        ended = consumer.run() => ended,
        () = notifier.run(pool) => Ended::Drained,
        () = reporter.run(|| Some(in_flight.count())) => Ended::Drained,
    };
    drop(report);
    tokio::select! {
        _ = dead_letters => {}
        () = hurry.cancelled() => {}
    }
    let hurried = async {
        hurry.cancelled().await;
        tokio::time::sleep(LAST_WORDS).await;
    };
    tokio::select! {
        () = reporter.end() => {}
        () = hurried => {}
    }
    look.end()?;
    Ok(ended)
}

/// Returns what reports this process, and what it learns.
fn reporter(config: &Config, database: &Database) -> (Reporter, watch::Receiver<Option<Control>>) {
    let (control, learned) = watch::channel(None);
    let slots = config.worker_concurrency.get();
    let reporter = Reporter {
        pool: database.pool.clone(),
        process: NewProcess::this(Role::Worker, Some(slots)),
        this: database.process.clone(),
        control,
    };
    (reporter, learned)
}

/// Logs what operators want from this worker, and drains it when one asks for it. [`Pause`] does the rest.
async fn follow(mut control: watch::Receiver<Option<Control>>, drain: CancellationToken) {
    let mut was_paused = false;
    loop {
        let Control {
            paused,
            drain: drains,
            ..
        } = control.borrow_and_update().unwrap_or_default();
        if paused && !was_paused {
            log::info!("processing is paused: running jobs finish, and no others begin");
        } else if was_paused && !paused {
            log::info!("processing is resumed");
        }
        was_paused = paused;
        if drains && !drain.is_cancelled() {
            log::info!("an operator has asked this worker to drain");
            drain.cancel();
        }
        if control.changed().await.is_err() {
            return;
        }
    }
}

/// Returns how long the polls of a queue that delivers one message at a time have to stay empty before it counts as empty:
/// longer than it can hide a message without a job that explains it. `visibility` is for how long it hides what a worker
/// has received, if the worker dies.
fn serial_silence(visibility: Duration) -> Duration {
    2 * visibility + LONGEST_BUSY_RELEASE
}

fn handler(config: &Config, render: Render, database: Database) -> Handler {
    let options = HandlerOptions {
        calendar_host: config.calendar_host.as_str().into(),
        claim: config.claim_options(),
        job_timeout: config.job_timeout,
        render_delay: config.render_delay,
        render,
    };
    Handler::new(database, options)
}

fn consumer_options(config: &Config) -> ConsumerOptions {
    ConsumerOptions {
        concurrency: config.worker_concurrency.get(),
        visibility: config.visibility_timeout,
        drain_timeout: config.drain_timeout,
        stop_grace: STOP_GRACE,
        max_abandoned: config.max_abandoned(),
    }
}
