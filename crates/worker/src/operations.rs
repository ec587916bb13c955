//! What an operator can do about failed jobs: list them, and retry them.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use shared_model::database::Pool;
use shared_model::job::JobId;
use shared_model::job_store::redrive::{self, FailedJob};
use shared_model::process;
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::config::Config;

const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

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
    /// List the failed jobs and their errors, latest first
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
        Operation::Redrive { jobs, all } => {
            let ids: Vec<JobId> = jobs.into_iter().map(JobId).collect();
            let named = (!all).then(|| ids.clone());
            let redriven = pool
                .run(move |connection| redrive::redrive(connection, named.as_deref()))
                .await?;
            for id in &redriven {
                writeln!(out, "{id} PENDING")?;
            }
            let not_found: Vec<_> = ids.iter().filter(|id| !redriven.contains(id)).collect();
            for id in &not_found {
                writeln!(out, "{id} not found among the failed jobs")?;
            }
            Ok(not_found.is_empty())
        }
        Operation::DeadLetters => {
            for FailedJob {
                id,
                attempt,
                finished_at,
                error,
            } in pool.run(redrive::list_failed).await?
            {
                let finished_at = finished_at.format("%Y-%m-%dT%H:%M:%SZ");
                let (code, detail) = match &error {
                    Some(error) => (serde_json::to_value(error.code)?, error.detail.as_str()),
                    None => (serde_json::Value::Null, ""),
                };
                let code = code.as_str().unwrap_or("unknown");
                writeln!(
                    out,
                    "{id}  {finished_at}  attempts {attempt}  {code}: {detail}"
                )?;
            }
            Ok(true)
        }
    }
}
