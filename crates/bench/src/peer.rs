//! The same service in Python, as users of Flask and Celery build it (bench/peers/celery), under the same load: Redis or
//! RabbitMQ is the broker, and the todos and the results are in the same PostgreSQL server, with the same durable settings.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Double};
use local_services::postgres::Cluster;
use serde::Serialize;
use tcp_proxy::Traffic;

use crate::load::{Load, Posted, Until, per_second};
use crate::options::{PeerKind, PipelineOptions};
use crate::progress;
use crate::system::{Broker, Process, connect_to, free_address, insert_todos};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../bench/peers/celery");
const DATABASE: &str = "peer";
/// How long nothing may be completed before the run counts as stuck.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long clients post while no worker runs. Celery accepts jobs much faster than it completes them.
const ACCEPTING: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(500);

/// What the peer achieved.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct PeerResults {
    /// Which peer it is.
    pub kind: PeerKind,
    /// Many clients post while no worker runs.
    pub accept: Posted,
    /// What passed between the peer and its broker meanwhile.
    pub accept_broker: Traffic,
    /// A few clients post while no worker runs.
    pub accept_few: Posted,
    /// The jobs of the backlog.
    pub drain_jobs: u64,
    /// Jobs per second while the worker completes the backlog.
    pub drain_rate: f64,
    /// What passed between the peer and its broker meanwhile, and while the worker started.
    pub drain_broker: Traffic,
    /// A few clients post while the worker completes jobs.
    pub posting: Posted,
    /// Jobs completed in the same time, per second.
    pub posting_completed_rate: f64,
}

/// Installs, starts and measures the peer.
///
/// # Errors
/// Returns an error if a part is missing or does not start, or if a request is refused.
pub async fn run(
    kind: PeerKind,
    cluster: &Cluster,
    options: &PipelineOptions,
) -> anyhow::Result<PeerResults> {
    let environment = options.system.out.join("celery");
    let python = tokio::task::spawn_blocking(move || install(&environment)).await??;
    let mut peer = Peer::start(kind, cluster, options, python).await?;
    let many = options.system.clients;
    let few = options.few_clients;
    let idle = peer.broker.traffic();
    let accept = peer.post(many, "many", ACCEPTING).await?;
    let accept_broker = peer.broker.traffic().since(idle);
    let accept_few = peer.post(few, "few", ACCEPTING).await?;
    let drain_jobs = accept.jobs + accept_few.jobs;
    let accepted = peer.broker.traffic();
    peer.start_worker()?;
    peer.wait_until_completed(drain_jobs).await?;
    let drain_broker = peer.broker.traffic().since(accepted);
    let drain_rate = peer.rate()?;
    let before = peer.completed()?;
    let posting = peer.post(few, "posting", options.posting).await?;
    let after = peer.completed()?;
    Ok(PeerResults {
        kind,
        accept,
        accept_broker,
        accept_few,
        drain_jobs,
        drain_rate,
        drain_broker,
        posting,
        posting_completed_rate: per_second(after - before, posting.seconds),
    })
}

/// Creates the Python environment unless it exists, and returns the folder of its programs.
fn install(environment: &Path) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(environment)?;
    let programs = environment.canonicalize()?.join("bin");
    if !programs.join("celery").exists() {
        eprintln!("installing Celery in {}", environment.display());
        let python = Path::new("python3");
        succeed(Command::new(python).args(["-m", "venv"]).arg(environment))?;
        let requirements = format!("{SOURCE}/requirements.txt");
        let mut install = Command::new(programs.join("pip"));
        succeed(install.args(["install", "--quiet", "--requirement", &requirements]))?;
    }
    Ok(programs)
}

fn succeed(command: &mut Command) -> anyhow::Result<()> {
    let status = command
        .status()
        .with_context(|| format!("can't run {command:?}"))?;
    ensure!(status.success(), "{command:?} failed: {status}");
    Ok(())
}

struct Peer {
    // Declared before what they use, so that they stop before it.
    worker: Option<Process>,
    api: Process,
    broker: Broker,
    programs: PathBuf,
    settings: Vec<(String, String)>,
    database: PgConnection,
}

impl Peer {
    async fn start(
        kind: PeerKind,
        cluster: &Cluster,
        options: &PipelineOptions,
        programs: PathBuf,
    ) -> anyhow::Result<Self> {
        let database = create_database(cluster, options.system.todos)?;
        let broker = Broker::start(kind.broker(), &[]).await?;
        let broker_url = match kind {
            PeerKind::Celery => format!("redis://{}/0", broker.address()),
            PeerKind::CeleryRabbitMq => format!("amqp://guest:guest@{}//", broker.address()),
        };
        let settings = vec![
            ("DATABASE_URL".to_owned(), cluster.url_of(DATABASE)),
            ("BROKER_URL".to_owned(), broker_url),
        ];
        let address = free_address()?;
        let bind = address.to_string();
        let gunicorn = programs.join("gunicorn");
        let arguments = [
            "--chdir",
            SOURCE,
            "--bind",
            &bind,
            "--workers",
            "2",
            "--threads",
            "4",
            "--log-level",
            "warning",
            "service:app",
        ];
        let api = Process::start(&gunicorn, &arguments, &settings, address)?;
        api.wait_until_ready("/livez").await?;
        Ok(Self {
            worker: None,
            api,
            broker,
            programs,
            settings,
            database,
        })
    }

    fn start_worker(&mut self) -> anyhow::Result<()> {
        let celery = self.programs.join("celery");
        let arguments = [
            "--app",
            "service.celery",
            "--workdir",
            SOURCE,
            "worker",
            "--loglevel",
            "WARNING",
        ];
        let address = self.api.address;
        self.worker = Some(Process::start(
            &celery,
            &arguments,
            &self.settings,
            address,
        )?);
        Ok(())
    }

    async fn post(
        &self,
        clients: std::num::NonZeroU32,
        name: &'static str,
        duration: Duration,
    ) -> anyhow::Result<Posted> {
        let until = Until::Time(Instant::now() + duration);
        let load = Load::new(vec![self.api.address], clients, name, until);
        load.post(&progress::bar(format!("Celery: {clients} clients post"), 0))
            .await
    }

    /// Returns how many jobs are completed. Celery creates its table with the first result.
    fn completed(&mut self) -> anyhow::Result<u64> {
        let count = diesel::select(diesel::dsl::sql::<BigInt>(
            "(SELECT count(*) FROM celery_taskmeta WHERE status = 'SUCCESS')",
        ))
        .get_result::<i64>(&mut self.database);
        Ok(u64::try_from(count.unwrap_or(0))?)
    }

    async fn wait_until_completed(&mut self, jobs: u64) -> anyhow::Result<()> {
        let bar = progress::bar("Celery: the worker completes", jobs);
        let mut latest = (0, Instant::now());
        while latest.0 < jobs {
            tokio::time::sleep(PAUSE).await;
            let count = self.completed()?;
            if count > latest.0 {
                latest = (count, Instant::now());
            }
            bar.set_position(count);
            ensure!(
                latest.1.elapsed() < PATIENCE,
                "Celery completes no more jobs"
            );
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Returns jobs per second, from the first completion to the last.
    fn rate(&mut self) -> QueryResult<f64> {
        diesel::select(diesel::dsl::sql::<Double>(
            "(SELECT (count(*) / extract(epoch FROM max(date_done) - min(date_done)))::float8
              FROM celery_taskmeta WHERE status = 'SUCCESS')",
        ))
        .get_result(&mut self.database)
    }
}

fn create_database(cluster: &Cluster, todos: u32) -> anyhow::Result<PgConnection> {
    cluster.execute("postgres", &format!("CREATE DATABASE {DATABASE}"))?;
    let mut database = connect_to(&cluster.url_of(DATABASE))?;
    diesel::sql_query(
        "CREATE TABLE todos (
             id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
             title varchar(80) NOT NULL,
             description varchar(120),
             completed boolean NOT NULL DEFAULT false,
             deadline_at timestamp,
             created_at timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
             updated_at timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'utc'))",
    )
    .execute(&mut database)?;
    insert_todos(&mut database, todos)?;
    Ok(database)
}
