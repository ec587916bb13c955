//! The worker's process: start, signals, end.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use job_queue::Subscription;
use shared_model::backoff::Backoff;
use shared_model::database::Pool;
use shared_model::migrations;
use tokio::signal::unix::{SignalKind, signal};

use crate::admin::{self, AdminData, Health};
use crate::config::Config;
use crate::consumer::{Consumer, ConsumerOptions, Ended, STOP_GRACE, Shutdown};
use crate::dead_letters;
use crate::handler::{AbandonedRenders, Handler};
use crate::isolation::IsolationGate;
use crate::render::{self, Render};
use crate::telemetry;

/// The code of a process that was started with settings that can't work.
const EXIT_USAGE: u8 = 2;
/// A statement of the worker that takes longer is ended: every one of them is short, or reads a chunk.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);
/// How much longer than its wait a poll may take before the process counts as dead.
const POLL_GRACE: Duration = Duration::from_secs(15);

/// Runs the worker until SIGTERM or SIGINT, and says how the process is to end: 0 after a drain, 2 when the settings
/// can't work, 1 otherwise.
pub fn run_process(config: Config) -> ExitCode {
    run_process_with(config, render::render)
}

/// As [`run_process`], with another way to make a calendar.
pub fn run_process_with(config: Config, render: Render) -> ExitCode {
    shared_model::logging::init(&config.log);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            log::error!(error:%; "could not start");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(async {
        let shutdown = Shutdown::default();
        listen_for_signals(shutdown.clone()).context("can't listen for signals")?;
        run(config, render, shutdown).await
    });
    // a render that would not stop must not keep the process
    runtime.shutdown_timeout(Duration::from_millis(100));
    match ended {
        Ok(code) => code,
        Err(error) => {
            log::error!(error:% = format!("{error:#}"); "the worker ended");
            ExitCode::FAILURE
        }
    }
}

/// Runs the worker until the shutdown.
///
/// # Errors
/// When it can't start.
pub async fn run(config: Config, render: Render, shutdown: Shutdown) -> anyhow::Result<ExitCode> {
    log::info!("queue.url":% = config.queue.queue_url, "worker.concurrency" = config.worker_concurrency.get(); "starting");
    let metrics = telemetry::install()?;
    let pool = Pool::new(&config.database, "taskoverflow-worker", STATEMENT_TIMEOUT);
    let health = Health::new(config.receive_wait + POLL_GRACE);
    let data = AdminData {
        health: health.clone(),
        pool: pool.clone(),
        metrics,
    };
    let (admin, admin_addr) = admin::bind(config.admin_addr, data)
        .with_context(|| format!("can't listen on ADMIN_ADDR {}", config.admin_addr))?;
    log::info!("http.address":% = admin_addr; "the admin endpoint is up");
    let admin_handle = admin.handle();
    tokio::spawn(admin);

    let prepared = tokio::select! {
        reachable = pool.wait_until_reachable() => match reachable {
            Ok(()) => tokio::select! {
                () = wait_for_migrations(&pool) => true,
                () = shutdown.drain.cancelled() => false,
            },
            Err(error) => {
                log::error!(error; "the database does not let the worker in; check DATABASE_URL (or DATABASE_HOST, _USER, _PASSWORD, _NAME)");
                return Ok(ExitCode::from(EXIT_USAGE));
            }
        },
        () = shutdown.drain.cancelled() => false,
    };
    let mut ended = Ended::Drained;
    if prepared {
        let subscription = config
            .queue
            .connect_subscription(&pool, config.subscription_options())
            .await;
        tokio::spawn(warn_of_incompatibilities(
            Arc::clone(&subscription),
            config.max_attempts.get(),
        ));
        let dead_letters = dead_letters::consume(
            Arc::clone(&subscription),
            pool.clone(),
            shutdown.drain.clone(),
        );
        let dead_letters = tokio::spawn(dead_letters);
        ended = consumer(
            &config,
            render,
            subscription,
            pool,
            shutdown.clone(),
            health,
        )
        .run()
        .await;
        tokio::select! {
            _ = dead_letters => {}
            () = shutdown.hurry.cancelled() => {}
        }
    }
    admin_handle.stop(false).await;
    log::info!("stopped");
    Ok(match ended {
        Ended::Drained => ExitCode::SUCCESS,
        Ended::Stuck => ExitCode::FAILURE,
    })
}

fn consumer(
    config: &Config,
    render: Render,
    subscription: Arc<dyn Subscription>,
    pool: Pool,
    shutdown: Shutdown,
    health: Health,
) -> Consumer {
    let handler = Handler {
        pool: pool.clone(),
        calendar_host: config.calendar_host.as_str().into(),
        lease: config.visibility_timeout,
        job_timeout: config.job_timeout,
        max_attempts: i32::try_from(config.max_attempts.get()).unwrap_or(i32::MAX),
        render_delay: config.render_delay,
        render,
        isolation: IsolationGate::default(),
        drain: shutdown.drain.clone(),
        abandoned: AbandonedRenders::default(),
    };
    let options = ConsumerOptions {
        concurrency: config.worker_concurrency.get(),
        visibility: config.visibility_timeout,
        drain_timeout: config.drain_timeout,
        stop_grace: STOP_GRACE,
        max_abandoned: config.spare_connections(),
    };
    Consumer::new(subscription, pool, handler, options, shutdown, health)
}

/// The API brings the schema up to date; a worker that is newer waits for it.
async fn wait_for_migrations(pool: &Pool) {
    let mut told = false;
    loop {
        match pool.run(migrations::are_pending).await {
            Ok(false) => return,
            Ok(true) if !told => {
                log::info!("waiting for the API to run the migrations");
                told = true;
            }
            Ok(true) => {}
            Err(error) => log::warn!(error:%; "could not look at the migrations"),
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

async fn warn_of_incompatibilities(subscription: Arc<dyn Subscription>, max_attempts: u32) {
    for failures in 1.. {
        match subscription.warnings(max_attempts).await {
            Ok(warnings) => {
                for warning in warnings {
                    log::warn!("{warning}");
                }
                return;
            }
            // the polls say why
            Err(_) => tokio::time::sleep(Backoff::CALL.after(failures)).await,
        }
    }
}

/// The first SIGTERM or SIGINT drains, the second hurries.
fn listen_for_signals(shutdown: Shutdown) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        for token in [&shutdown.drain, &shutdown.hurry] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            token.cancel();
        }
    });
    Ok(())
}
