//! The command `pipeline`.
//!
//! Its phases, one after the other on one system: many clients post jobs, then a few clients do, both while no worker
//! runs; the workers complete this backlog; a few clients post while the workers complete; jobs run one after the other
//! on an idle system; statuses are read.

use std::path::Path;
use std::time::Instant;

use diesel::PgConnection;
use serde::Serialize;

mod backlog;

use crate::load::{self, Load, Posted, Times, Until};
use crate::measure::{Counted, Memory, Meter};
use crate::options::PipelineOptions;
use crate::peer::{self, PeerResults};
use crate::progress;
use crate::system::{System, connect};
use crate::timeline::{Phases, Timeline};
use crate::watchers::{Watched, Watchers};

const HEALTH: &str = "/api/v1/health";

/// What a run measured.
#[derive(Debug, Serialize)]
pub struct Results {
    /// How the run was started.
    pub options: PipelineOptions,
    /// Many clients post while no worker runs.
    pub accept: Accepted,
    /// A few clients post while no worker runs.
    pub accept_few: Posted,
    /// The workers complete the backlog.
    pub drain: Completed,
    /// A few clients post while the workers complete jobs.
    pub posting: Posting,
    /// Response times of jobs that run one after the other on an idle system.
    pub idle: Times,
    /// Reads per second.
    pub reads: Reads,
    /// Memory at the end.
    pub memory: Memory,
    /// What those who watched saw in each phase that accepts or completes jobs. Empty if nobody watched.
    pub watched: Vec<Watched>,
    /// Another system that did the same.
    pub peer: Option<PeerResults>,
    /// Every second of the run.
    pub timeline: Timeline,
}

/// What happened while clients posted.
#[derive(Debug, Serialize)]
pub struct Accepted {
    /// What the clients saw.
    pub posted: Posted,
    /// What it cost.
    pub counted: Counted,
}

/// What happened while the workers completed a backlog.
#[derive(Debug, Serialize)]
pub struct Completed {
    /// The jobs of the backlog.
    pub jobs: u64,
    /// From the first claim to the last completion, in seconds.
    pub seconds: f64,
    /// Jobs per second.
    pub rate: f64,
    /// What it cost.
    pub counted: Counted,
}

/// What happened while clients posted and workers completed jobs.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Posting {
    /// What the clients saw.
    pub posted: Posted,
    /// Jobs completed in the same time, per second.
    pub completed_rate: f64,
}

/// Reads per second.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Reads {
    /// `GET …/status` of a finished job.
    pub status: f64,
    /// `GET /api/v1/health`, which does not use the database.
    pub health: f64,
}

/// Runs all phases, and then the peer.
///
/// # Errors
/// Returns an error if a process does not start, if a request is refused, or if jobs are no longer completed.
pub async fn run(executable: &Path, options: &PipelineOptions) -> anyhow::Result<Results> {
    let mut system = System::start(executable, &options.system).await?;
    let mut run = Run {
        database: connect(&system.cluster)?,
        meter: Meter::new(&system, options.system.settle)?,
        phases: Phases::default(),
        watchers: Watchers::open(&system.addresses(), options.watchers).await?,
        options,
    };
    run.meter.settle().await;
    let accept = run.accept(&system).await?;
    let accept_few = run.accept_few(&system).await?;
    let drain = run.drain(&mut system).await?;
    let posting = run.posting(&system).await?;
    let idle = run.idle(&system).await?;
    let reads = run.reads(&system).await?;
    let memory = Memory::read(&system);
    let timeline = run.phases.read(&mut run.database)?;
    let watched = run.watchers.close();
    system.stop_processes().await?;
    let peer = match options.peer {
        Some(kind) => Some(peer::run(kind, &system.cluster, options).await?),
        None => None,
    };
    Ok(Results {
        options: options.clone(),
        accept,
        accept_few,
        drain,
        posting,
        idle,
        reads,
        memory,
        watched,
        peer,
        timeline,
    })
}

struct Run<'a> {
    options: &'a PipelineOptions,
    database: PgConnection,
    meter: Meter,
    phases: Phases,
    watchers: Watchers,
}

impl Run<'_> {
    fn begin(&mut self, phase: &'static str) -> anyhow::Result<()> {
        self.phases.begin(&mut self.database, phase)?;
        self.watchers.begin();
        Ok(())
    }

    async fn accept(&mut self, system: &System) -> anyhow::Result<Accepted> {
        self.begin("accept")?;
        let jobs = self.options.jobs.get().into();
        let clients = self.options.system.clients;
        let load = Load::new(system.addresses(), clients, "many", Until::Jobs(jobs));
        let start = self.meter.start(system).await?;
        let bar = progress::bar(format!("{clients} clients post"), jobs);
        let posted = load.post(&bar).await?;
        self.watchers.end("accept")?;
        system.wait_until_sent(jobs).await?;
        let counted = self.meter.end(system, &start).await?;
        Ok(Accepted { posted, counted })
    }

    async fn accept_few(&mut self, system: &System) -> anyhow::Result<Posted> {
        self.begin("accept, few clients")?;
        let jobs = u64::from(self.options.jobs.get() / 2);
        let clients = self.options.few_clients;
        let load = Load::new(system.addresses(), clients, "few", Until::Jobs(jobs));
        let posted = load
            .post(&progress::bar(format!("{clients} clients post"), jobs))
            .await?;
        self.watchers.end("accept, few clients")?;
        system.wait_until_sent(self.backlog()).await?;
        self.meter.settle().await;
        Ok(posted)
    }

    fn backlog(&self) -> u64 {
        let jobs = self.options.jobs.get();
        u64::from(jobs) + u64::from(jobs / 2)
    }

    async fn drain(&mut self, system: &mut System) -> anyhow::Result<Completed> {
        self.begin("drain")?;
        let jobs = self.backlog();
        let start = self.meter.start(system).await?;
        system.start_workers().await?;
        let bar = progress::bar("the workers complete the backlog", jobs);
        backlog::wait_until_completed(&mut self.database, jobs, &bar).await?;
        self.watchers.end("drain")?;
        let counted = self.meter.end(system, &start).await?;
        let seconds = backlog::seconds(&mut self.database)?;
        Ok(Completed {
            jobs,
            seconds,
            rate: load::per_second(jobs, seconds),
            counted,
        })
    }

    async fn posting(&mut self, system: &System) -> anyhow::Result<Posting> {
        self.begin("post and complete")?;
        let before = backlog::completed(&mut self.database)?;
        let clients = self.options.few_clients;
        let until = Until::Time(Instant::now() + self.options.posting);
        let load = Load::new(system.addresses(), clients, "posting", until);
        let bar = progress::bar(format!("{clients} clients post, the workers complete"), 0);
        let posted = load.post(&bar).await?;
        self.watchers.end("post and complete")?;
        let after = backlog::completed(&mut self.database)?;
        let bar = progress::bar("the workers complete the rest", before + posted.jobs);
        backlog::wait_until_completed(&mut self.database, before + posted.jobs, &bar).await?;
        Ok(Posting {
            posted,
            completed_rate: load::per_second(after - before, posted.seconds),
        })
    }

    async fn idle(&mut self, system: &System) -> anyhow::Result<Times> {
        self.begin("one at a time")?;
        let Some(address) = system.addresses().first().copied() else {
            return Ok(Times::default());
        };
        let jobs = self.options.idle_jobs;
        let bar = progress::bar("one job at a time", jobs.into());
        let times = load::one_by_one(address, jobs, &bar).await?;
        self.watchers.end("one at a time")?;
        Ok(times)
    }

    async fn reads(&mut self, system: &System) -> anyhow::Result<Reads> {
        let addresses = system.addresses();
        let clients = self.options.system.clients;
        let path = format!(
            "{}/{}/status",
            load::JOBS,
            backlog::any_completed(&mut self.database)?
        );
        Ok(Reads {
            status: load::read(&addresses, clients, &path, self.options.reads).await?,
            health: load::read(&addresses, clients, HEALTH, self.options.reads).await?,
        })
    }
}
