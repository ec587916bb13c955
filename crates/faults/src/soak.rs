//! The soak (F30): runs many jobs while random faults are injected, and then checks the guarantees.
//!
//! # Layout
//! - `load`: the clients and their requests
//! - `injector`: the faults
//! - `table`: the report
//! - [`run`]: the whole soak

use std::io::{IsTerminal, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::check::{Verdict, check};
use crate::cluster::{DurableCluster, Storage};
use crate::database::Database;
use crate::process::Role;
use crate::queue::{Queue, QueueKind};
use crate::supervisor::Supervised;
use crate::system::{RECOVERY, System};

mod injector;
mod load;
mod table;

pub use table::write as write_table;

/// All jobs must end within this time after the last fault.
const DRAIN_TIMEOUT: Duration = Duration::from_mins(3);
/// A process must end within this time after SIGTERM.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a terminal shows the progress.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);

/// The options of a soak.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Number of jobs to request
    #[arg(long, value_name = "COUNT", default_value = "10000")]
    pub jobs: NonZeroUsize,
    /// Number of workers
    #[arg(long, value_name = "COUNT", default_value = "3")]
    pub workers: NonZeroUsize,
    /// Number of APIs
    #[arg(long, value_name = "COUNT", default_value = "2")]
    pub apis: NonZeroUsize,
    /// Seed of the random choices, which makes them repeatable [default: random]
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
    /// Kind of queue; an SQS queue or a broker is a local one
    #[arg(long, value_name = "QUEUE", default_value = "postgres:")]
    pub queue: QueueKind,
}

/// The outcome of a soak.
#[derive(Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// The kind of queue.
    pub queue: QueueKind,
    /// The time from the first request to the last check.
    pub took: Duration,
    /// The result of the checks.
    pub verdict: Verdict,
}

/// Runs a soak. `executable` is this program.
///
/// # Errors
/// Returns an error if the soak cannot be carried out. A violation is not an error.
pub async fn run(executable: &Path, options: &Options) -> anyhow::Result<Outcome> {
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
    eprintln!("seed {seed}");
    let kind = options.queue;
    let create = || anyhow::Ok((DurableCluster::start(Storage::Disk)?, Queue::create(kind)?));
    let (cluster, queue) = tokio::task::block_in_place(create)?;
    let database = Database::new(cluster.url())?;
    let system = System::new(executable.to_owned(), database, queue, seed)?;
    load::store_todos(&system).await?;

    let began = Instant::now();
    let fleet = Arc::new(Fleet::start(&system, options));
    let progress = Progress::show(&system, options.jobs.get());
    let stop = CancellationToken::new();
    let injector = injector::Injector::new(system.clone(), Arc::clone(&fleet), cluster, seed);
    let injecting = tokio::spawn(injector.run(stop.clone()));
    let loaded = load::run(&system, &fleet, options.jobs.get(), seed).await;
    stop.cancel();
    let cluster = injecting.await??;
    loaded?;
    let mut verdict = settle(&system, fleet).await?;
    drop(progress);
    eprintln!();
    let checked = check(&system, RECOVERY).await?;
    let broken = std::mem::take(&mut verdict.violations);
    verdict = checked;
    verdict.violations.extend(broken);
    tokio::task::block_in_place(|| drop(cluster));
    Ok(Outcome {
        seed,
        queue: kind,
        took: began.elapsed(),
        verdict,
    })
}

/// Waits until every job has ended, and stops the processes. Then no message may be in flight (G6).
async fn settle(system: &System, fleet: Arc<Fleet>) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict::default();
    for member in fleet.all() {
        member.process().await?.heal();
    }
    if tokio::time::timeout(DRAIN_TIMEOUT, system.drain_whole())
        .await
        .is_err()
    {
        let open = system.database.open_jobs().await?;
        verdict.add_violation(
            "G1",
            format!("{open} jobs did not end within {DRAIN_TIMEOUT:?} after the last fault"),
        );
    }
    load::read_again(system, &fleet).await?;
    let fleet = Arc::into_inner(fleet).context("something still uses the processes")?;
    for member in fleet.into_all() {
        if let Err(error) = member.stop(STOP_TIMEOUT).await {
            verdict.add_violation("G6", format!("{error:#}"));
        }
    }
    let in_flight = system.queue.depth().await?.in_flight;
    if in_flight > 0 {
        verdict.add_violation(
            "G6",
            format!("{in_flight} messages are in flight although every worker has stopped"),
        );
    }
    // Not every broker counts what is in flight. A message that a worker has kept is in the queue again now.
    if matches!(system.queue, Queue::Broker(_))
        && system.queue.counts_what_is_held()
        && let Err(error) = system.drain_queue().await
    {
        verdict.add_violation("G6", format!("a worker has kept a message: {error:#}"));
    }
    Ok(verdict)
}

/// The supervised processes.
#[derive(Debug)]
struct Fleet {
    apis: Vec<Supervised>,
    workers: Vec<Supervised>,
}

impl Fleet {
    fn start(system: &System, options: &Options) -> Self {
        let start = |role, settings: &[(&'static str, &str)]| {
            let settings = settings
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned()));
            Supervised::start(system.clone(), role, settings.collect())
        };
        let api = || start(Role::Api, &[("REPUBLISH_AFTER", "8s")]);
        let worker = || {
            let busy = [("JOB_TIMEOUT", "2s"), ("WORKER_CONCURRENCY", "32")];
            start(Role::Worker, &busy)
        };
        Self {
            apis: (0..options.apis.get()).map(|_| api()).collect(),
            workers: (0..options.workers.get()).map(|_| worker()).collect(),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Supervised> {
        self.apis.iter().chain(&self.workers)
    }

    fn into_all(self) -> impl Iterator<Item = Supervised> {
        self.apis.into_iter().chain(self.workers)
    }
}

/// Shows the progress of the run until it is dropped.
struct Progress(#[expect(dead_code, reason = "dropping it ends the task")] AbortOnDropHandle<()>);

impl Progress {
    fn show(system: &System, jobs: usize) -> Self {
        let system = system.clone();
        let began = Instant::now();
        // Without a terminal, print a line now and then.
        let (end, interval) = if std::io::stderr().is_terminal() {
            ("\r", PROGRESS_INTERVAL)
        } else {
            ("\n", PROGRESS_INTERVAL * 20)
        };
        Self(AbortOnDropHandle::new(tokio::spawn(async move {
            loop {
                let accepted = system.history.acceptances();
                let faults = system.history.faults().len();
                let open = match system.database.open_jobs().await {
                    Ok(open) => open.to_string(),
                    Err(_) => "?".to_owned(),
                };
                let seconds = began.elapsed().as_secs();
                let mut stderr = std::io::stderr();
                // The run continues even if the terminal is gone.
                let _ = write!(
                    stderr,
                    "{seconds:>4} s  {accepted}/{jobs} jobs accepted, {open} open, {faults} faults   {end}"
                );
                tokio::time::sleep(interval).await;
            }
        })))
    }
}
