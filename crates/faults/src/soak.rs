//! F30: many jobs under a random mix of faults, and then the question what became of them.
//!
//! # Layout
//! - `load`: the clients and what they ask for
//! - `chaos`: what goes wrong meanwhile
//! - `table`: what is said in the end
//! - [`soak`](run): all of it

use std::io::{IsTerminal, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::check::{Verdict, check};
use crate::cluster::DurableCluster;
use crate::database::Database;
use crate::process::Role;
use crate::queue::{Queue, QueueKind};
use crate::supervisor::Supervised;
use crate::system::{RECOVERY, System};

mod chaos;
mod load;
mod table;

pub use table::write as write_table;

/// After the last fault, all that is left has to be done within this.
const DRAIN_BOUND: Duration = Duration::from_mins(3);
/// After SIGTERM a process has to be gone within this.
const STOP_BOUND: Duration = Duration::from_secs(30);
/// How often the progress is shown.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);

/// What a soak is told.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Jobs to be promised
    #[arg(long, value_name = "COUNT", default_value = "10000")]
    pub jobs: NonZeroUsize,
    /// Workers that run at once
    #[arg(long, value_name = "COUNT", default_value = "3")]
    pub workers: NonZeroUsize,
    /// APIs that run at once
    #[arg(long, value_name = "COUNT", default_value = "2")]
    pub apis: NonZeroUsize,
    /// Decides what chance decides [default: chance itself]
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
    /// The queue
    #[arg(long, value_name = "QUEUE", default_value = "postgres:")]
    pub queue: QueueKind,
}

/// What a soak came to.
#[derive(Debug)]
pub struct Outcome {
    /// Which run it was.
    pub seed: u64,
    /// The queue.
    pub queue: QueueKind,
    /// From the first request to the last check.
    pub took: Duration,
    /// What the checks found.
    pub verdict: Verdict,
}

/// Runs a soak; `executable` is our own program.
///
/// # Errors
/// When it can't be carried out; what it finds is no error.
pub async fn run(executable: &Path, options: &Options) -> anyhow::Result<Outcome> {
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
    eprintln!("seed {seed}");
    let kind = options.queue;
    let made = || anyhow::Ok((DurableCluster::start()?, Queue::create(kind)?));
    let (cluster, queue) = tokio::task::block_in_place(made)?;
    let database = Database::new(cluster.url())?;
    let system = System::new(executable.to_owned(), database, queue, seed);
    load::store_todos(&system).await?;

    let began = Instant::now();
    let fleet = Arc::new(Fleet::start(&system, options));
    let progress = Progress::show(&system, options.jobs.get());
    let stop = CancellationToken::new();
    let chaos = chaos::Chaos::new(system.clone(), Arc::clone(&fleet), cluster, seed);
    let chaos = tokio::spawn(chaos.run(stop.clone()));
    let loaded = load::run(&system, &fleet, options.jobs.get(), seed).await;
    stop.cancel();
    let cluster = chaos.await??;
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

/// Waits until everything is done, and stops the processes, which then may hold nothing (G6).
async fn settle(system: &System, fleet: Arc<Fleet>) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict::default();
    for member in fleet.all() {
        member.process().await?.heal();
    }
    if tokio::time::timeout(DRAIN_BOUND, system.drain_whole())
        .await
        .is_err()
    {
        let open = system.database.open_jobs().await?;
        verdict.broken(
            "G1",
            format!("{open} jobs do not end within {DRAIN_BOUND:?}"),
        );
    }
    load::look_at_the_end(system, &fleet).await?;
    let fleet = Arc::into_inner(fleet).context("something still uses the processes")?;
    for member in fleet.into_all() {
        if let Err(error) = member.stop(STOP_BOUND).await {
            verdict.broken("G6", format!("{error:#}"));
        }
    }
    if let Queue::Sqs(queue) = &system.queue {
        let in_flight = queue.depth().await?.in_flight;
        if in_flight > 0 {
            verdict.broken(
                "G6",
                format!("{in_flight} messages belong to stopped workers"),
            );
        }
    }
    Ok(verdict)
}

/// The processes.
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
        let worker = || start(Role::Worker, &[("JOB_TIMEOUT", "2s")]);
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

/// One line that says how far the run is.
struct Progress(
    #[expect(dead_code, reason = "ends the line's task when dropped")] AbortOnDropHandle<()>,
);

impl Progress {
    fn show(system: &System, jobs: usize) -> Self {
        let system = system.clone();
        let began = Instant::now();
        // what is no terminal gets a line now and then
        let (end, interval) = if std::io::stderr().is_terminal() {
            ("\r", PROGRESS_INTERVAL)
        } else {
            ("\n", PROGRESS_INTERVAL * 20)
        };
        Self(AbortOnDropHandle::new(tokio::spawn(async move {
            loop {
                let promised = system.history.accepted().len();
                let faults = system.history.faults().len();
                let open = match system.database.open_jobs().await {
                    Ok(open) => open.to_string(),
                    Err(_) => "?".to_owned(),
                };
                let seconds = began.elapsed().as_secs();
                let mut stderr = std::io::stderr();
                // a terminal that is gone must not end the run
                let _ = write!(
                    stderr,
                    "{seconds:>4} s  {promised}/{jobs} jobs promised, {open} open, {faults} faults   {end}"
                );
                tokio::time::sleep(interval).await;
            }
        })))
    }
}
