//! What an operator can do about failed jobs: list them, and retry them.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use diesel::pg::PgConnection;
use shared_model::database::Pool;
use shared_model::job::JobId;
use shared_model::job_store::failed::{self, Filter, Pass, Redriver};
use shared_model::job_store::record::JobRecord;
use shared_model::process;
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::config::Config;

const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);
/// Jobs that are read at the same time.
const PAGE: usize = 500;

/// A command that does one thing and exits.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Operation {
    /// Set failed jobs back to PENDING, with the full number of attempts again
    Redrive {
        /// Ids of the jobs
        #[arg(value_name = "JOB", required_unless_present = "all")]
        jobs: Vec<Uuid>,
        /// All failed jobs that have not expired
        #[arg(long, conflicts_with = "jobs")]
        all: bool,
    },
    /// List the failed jobs and their errors, starting with the one that was requested last
    DeadLetters,
}

/// Runs an operation as a process. Returns its exit code, which is also 1 if a named job could not be redriven: see
/// [`shared_model::process`].
pub fn run_process(operation: Operation, config: &Config) -> ExitCode {
    process::run(&config.problems(), &config.log, || {
        let pool = Pool::new(&config.database, "taskoverflow-worker", STATEMENT_TIMEOUT);
        let runtime = Runtime::new().context("can't start the async runtime")?;
        let is_complete = runtime.block_on(run(operation, &pool, &mut std::io::stdout()))?;
        Ok(if is_complete {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    })
}

/// Returns `false` if one of the given jobs is not a failed job.
async fn run(operation: Operation, pool: &Pool, out: &mut impl Write) -> anyhow::Result<bool> {
    match operation {
        Operation::Redrive { all: true, .. } => redrive_all(pool, out).await,
        Operation::Redrive { jobs, .. } => redrive(jobs, pool, out).await,
        Operation::DeadLetters => list(pool, out).await,
    }
}

async fn redrive_all(pool: &Pool, out: &mut impl Write) -> anyhow::Result<bool> {
    let mut rest = Some(Pass::new());
    while let Some(pass) = rest {
        let redrive = move |connection: &mut PgConnection| {
            failed::redrive_matching(connection, &Filter::default(), pass, &Redriver::Command)
        };
        let redriven = pool.run(redrive).await?;
        write_redriven(&redriven.jobs, out)?;
        rest = redriven.rest;
    }
    Ok(true)
}

async fn redrive(jobs: Vec<Uuid>, pool: &Pool, out: &mut impl Write) -> anyhow::Result<bool> {
    let ids: Vec<JobId> = jobs.into_iter().map(JobId).collect();
    let named = ids.clone();
    let redrive = move |connection: &mut PgConnection| {
        failed::redrive(connection, &named, &Redriver::Command)
    };
    let redriven = pool.run(redrive).await?;
    write_redriven(&redriven, out)?;
    let not_found: Vec<_> = ids.iter().filter(|id| !redriven.contains(id)).collect();
    for id in &not_found {
        writeln!(out, "{id} not found among the failed jobs")?;
    }
    Ok(not_found.is_empty())
}

fn write_redriven(redriven: &[JobId], out: &mut impl Write) -> std::io::Result<()> {
    redriven
        .iter()
        .try_for_each(|id| writeln!(out, "{id} PENDING"))
}

async fn list(pool: &Pool, out: &mut impl Write) -> anyhow::Result<bool> {
    let mut before = None;
    loop {
        let list = move |connection: &mut PgConnection| {
            failed::list(connection, &Filter::default(), before, PAGE)
        };
        let page = pool.run(list).await?;
        for job in &page.jobs {
            write_job(job, out)?;
        }
        before = page.next;
        if before.is_none() {
            return Ok(true);
        }
    }
}

fn write_job(job: &JobRecord, out: &mut impl Write) -> anyhow::Result<()> {
    let JobRecord { id, attempt, .. } = job;
    let finished_at = job.finished_at.unwrap_or_default();
    let finished_at = finished_at.format("%Y-%m-%dT%H:%M:%SZ");
    let (code, detail) = match &job.error {
        Some(error) => (serde_json::to_value(error.code)?, error.detail.as_str()),
        None => (serde_json::Value::Null, ""),
    };
    let code = code.as_str().unwrap_or("unknown");
    writeln!(
        out,
        "{id}  {finished_at}  attempts {attempt}  {code}: {detail}"
    )?;
    Ok(())
}
