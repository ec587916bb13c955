//! What a person does about failed jobs: look at them, and bring them back.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use shared_model::database::Pool;
use shared_model::job::JobId;
use shared_model::job_store::redrive::{self, FailedJob};
use uuid::Uuid;

use crate::config::Config;

const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

/// Does one thing and ends.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Operation {
    /// Bring failed jobs back to PENDING, with all their attempts before them
    Redrive {
        /// The jobs' ids
        #[arg(value_name = "JOB", required_unless_present = "all")]
        jobs: Vec<Uuid>,
        /// Every failed job that has not expired
        #[arg(long, conflicts_with = "jobs")]
        all: bool,
    },
    /// List the failed jobs, the latest first, with the reason of each
    DeadLetters,
}

/// Runs an operation, and says how the process is to end: 0, or 1 when it did not do all that was asked.
pub fn run_process(operation: Operation, config: &Config) -> ExitCode {
    shared_model::logging::init(&config.log);
    let pool = Pool::new(&config.database, "taskoverflow-worker", STATEMENT_TIMEOUT);
    let ended = tokio::runtime::Runtime::new()
        .context("could not start")
        .and_then(|runtime| runtime.block_on(run(operation, &pool, &mut std::io::stdout())));
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            log::error!(error:% = format!("{error:#}"); "nothing was done");
            ExitCode::FAILURE
        }
    }
}

/// `false`: not every job that was named could be brought back.
async fn run(operation: Operation, pool: &Pool, out: &mut impl Write) -> anyhow::Result<bool> {
    match operation {
        Operation::Redrive { jobs, all } => {
            let ids: Vec<JobId> = jobs.into_iter().map(JobId).collect();
            let named = (!all).then(|| ids.clone());
            let back = pool
                .run(move |connection| redrive::redrive(connection, named.as_deref()))
                .await?;
            for id in &back {
                writeln!(out, "{id} PENDING")?;
            }
            let left: Vec<_> = ids.iter().filter(|id| !back.contains(id)).collect();
            for id in &left {
                writeln!(out, "{id} not found among the failed jobs")?;
            }
            Ok(left.is_empty())
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
