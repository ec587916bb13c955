//! Checks the port, starts everything, reports when it is ready, restarts processes that end, and stops everything.

use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use shared_model::shutdown::StopRequests;
use shared_model::{logging, settings};
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::cli::Options;
use crate::demo;
use crate::processes::{DRAIN, Ended, Processes, is_ready};
use crate::services::Services;

/// How long everything may take to become ready. Migrating a small database takes less.
const READY: Duration = Duration::from_mins(1);
/// The interval between two requests to `/readyz` while the processes start.
const READY_POLL: Duration = Duration::from_millis(100);
/// The pause before a process is restarted, so that a process that can't run does not restart in a busy loop.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// Runs everything until Ctrl-C, and returns the exit code. If the API or a worker ends, another one is started, as
/// Docker Compose and ECS do, also if it was a worker that an operator has drained; but
/// everything stops if that happens before all processes are ready, or if the database or the local SQS ends.
pub(crate) fn run(options: Options) -> anyhow::Result<ExitCode> {
    logging::init(&options.log);
    let Some(port) = free_port(options.port)? else {
        let port = options.port;
        return Ok(settings::refuse(&[format!(
            "port {port} is in use: stop the program that listens on it, or choose another port with --port"
        )]));
    };
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(launch(options, port));
    // After Ctrl-C during the start, a thread may still wait for a service. The `ChildGuard` of the service stops it.
    runtime.shutdown_background();
    ended
}

/// Returns the port to listen on: any free port if `port` is 0, or nothing if `port` is in use.
fn free_port(port: u16) -> anyhow::Result<Option<u16>> {
    if port == 0 {
        let free = local_services::free_port(None).context("cannot listen on 127.0.0.1")?;
        return Ok(Some(free));
    }
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Ok(Some(port)),
        Err(error) if error.kind() == ErrorKind::AddrInUse => Ok(None),
        Err(error) => Err(error).context(format!("cannot listen on 127.0.0.1:{port}")),
    }
}

async fn launch(options: Options, port: u16) -> anyhow::Result<ExitCode> {
    let mut stop_requests = StopRequests::listen().context("cannot listen for signals")?;
    let starting = {
        let options = options.clone();
        spawn_blocking(move || Services::start(&options))
    };
    let services = tokio::select! {
        services = starting => services.context("the thread that starts the services failed")??,
        () = stop_requests.next() => return Ok(ExitCode::SUCCESS),
    };
    let mut running = Running::start(&options, services, port)?;
    let ended = tokio::select! {
        ended = running.serve(&options) => ended,
        () = stop_requests.next() => Ok(ExitCode::SUCCESS),
    };
    running.stop(&mut stop_requests).await?;
    ended
}

/// Everything that was started.
struct Running {
    processes: Processes,
    services: Services,
    child_signals: Signal,
    port: u16,
}

impl Running {
    fn start(options: &Options, services: Services, port: u16) -> anyhow::Result<Self> {
        // This listens before the first child starts; otherwise the end of that child could go unnoticed.
        let child_signals = signal(SignalKind::child()).context("cannot listen for signals")?;
        let processes = Processes::start(options, &services, port)
            .context("cannot start the API and the workers")?;
        Ok(Self {
            processes,
            services,
            child_signals,
            port,
        })
    }

    /// Waits until all processes are ready, announces that, and restarts those that end.
    ///
    /// Returns the exit code if a process ended in a way that a restart can't fix.
    async fn serve(&mut self, options: &Options) -> anyhow::Result<ExitCode> {
        let ready_urls = self.processes.ready_urls();
        tokio::select! {
            ready = timeout(READY, wait_until_ready(ready_urls)) => match ready {
                Ok(ready) => ready?,
                Err(_) => bail!(
                    "the API and the workers were not ready after {READY:?}; see the log above for the cause"
                ),
            },
            ended = self.first_end() => return Ok(give_up(&ended?)),
        }
        if options.demo {
            // Not localhost, which may resolve to an IPv6 address where another program listens.
            let api = format!("http://{}:{}/api/v1", Ipv4Addr::LOCALHOST, self.port);
            spawn_blocking(move || demo::add_todos(&api)).await??;
        }
        self.announce()?;
        loop {
            let ended = self.first_end().await?;
            if ended.status.code() == Some(settings::EXIT_INVALID.into()) {
                return Ok(give_up(&ended));
            }
            if ended.status.success() {
                // an operator has drained it, or sent it a signal
                log::info!(
                    "{} has stopped as it was asked to; starting another in its place",
                    ended.name
                );
            } else {
                log::warn!(
                    "{} ended ({}) and is being restarted",
                    ended.name,
                    ended.status
                );
            }
            sleep(RESTART_PAUSE).await;
            self.processes
                .restart(&ended, options, &self.services)
                .with_context(|| format!("cannot restart {}", ended.name))?;
        }
    }

    fn announce(&self) -> anyhow::Result<()> {
        let lines = format!(
            "TaskOverflow  http://localhost:{port}/\nOperations    http://localhost:{port}/operations\n\
             Database      {}\nQueue         {}\n",
            self.services.shown_database,
            self.services.shown_queue(),
            port = self.port,
        );
        let mut stdout = std::io::stdout();
        stdout
            .write_all(lines.as_bytes())
            .and_then(|()| stdout.flush())
            .context("cannot write to stdout")
    }

    /// Waits until a process ends that was not asked to.
    ///
    /// # Errors
    /// Returns an error if the database or the local SQS ends.
    async fn first_end(&mut self) -> anyhow::Result<Ended> {
        loop {
            if let Some(ended) = self.services.ended() {
                bail!("{ended}, so everything was stopped");
            }
            if let Some(ended) = self.processes.ended()? {
                return Ok(ended);
            }
            self.child_signals.recv().await;
        }
    }

    /// Stops the processes, then the services that they need. Another Ctrl-C hurries the processes.
    async fn stop(mut self, stop_requests: &mut StopRequests) -> anyhow::Result<()> {
        log::info!("stopping; press Ctrl-C again to stop without finishing running work");
        self.processes.terminate()?;
        let deadline = Instant::now() + DRAIN;
        while !self.processes.all_ended()? {
            let waited = timeout_at(deadline, async {
                tokio::select! {
                    _ = self.child_signals.recv() => false,
                    () = stop_requests.next() => true,
                }
            });
            match waited.await {
                Ok(true) => self.processes.hurry()?,
                Ok(false) => {}
                Err(_) => self.processes.kill()?,
            }
        }
        self.services.stop()?;
        Ok(())
    }
}

/// Reports which process made everything stop, and returns the exit code.
fn give_up(ended: &Ended) -> ExitCode {
    eprintln!(
        "taskoverflow: {} ended ({}), so everything was stopped",
        ended.name, ended.status
    );
    if ended.status.code() == Some(settings::EXIT_INVALID.into()) {
        ExitCode::from(settings::EXIT_INVALID)
    } else {
        ExitCode::FAILURE
    }
}

async fn wait_until_ready(urls: Vec<String>) -> anyhow::Result<()> {
    for url in urls {
        loop {
            let url = url.clone();
            if spawn_blocking(move || is_ready(&url)).await? {
                break;
            }
            sleep(READY_POLL).await;
        }
    }
    Ok(())
}
