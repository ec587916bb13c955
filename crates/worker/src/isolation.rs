//! Runs an attempt in a process of its own, so that a job that crashes its worker takes no other job with it.
//!
//! The process is this program again, with the same arguments and environment, and with the claim in one more variable. It
//! renders the calendar and stores it under the claim. The worker renews the claim meanwhile, and kills the process if the
//! attempt is stopped or takes too long.

use std::env;
use std::io;
use std::process::{ExitCode, Stdio};
use std::sync::Arc;

use anyhow::Context;
use shared_model::database::DatabaseError;
use shared_model::job::JobId;
use shared_model::job_store::claims::{ClaimKey, Completion, Written};
use shared_model::job_store::requests;
use shared_model::results::NewResult;
use tokio::process::Command;
use uuid::Uuid;

use crate::config::Config;
use crate::database::Database;
use crate::handler::Rendered;
use crate::in_flight::{InFlight, StopReason};
use crate::render::{Render, RenderError, Source};

/// The variable that holds the claim: the job's id and the claim's, with a space in between.
const VARIABLE: &str = "TASKOVERFLOW_ISOLATED_CLAIM";

/// How the process ends, apart from crashes.
const STORED: u8 = 0;
const LOST: u8 = 40;
const DATABASE_FAILED: u8 = 41;
const TOO_LARGE: u8 = 42;

/// Runs an attempt in a process of its own and waits for it. Dropping the future kills the process.
pub(crate) async fn attempt(key: ClaimKey) -> Rendered {
    let status = async {
        Command::new(env::current_exe()?)
            .args(env::args_os().skip(1))
            .env(VARIABLE, format!("{} {}", key.id, key.claim))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .status()
            .await
    };
    let status: io::Result<_> = status.await;
    let code = match &status {
        Ok(status) => status.code().and_then(|code| u8::try_from(code).ok()),
        Err(_) => None,
    };
    match (code, status) {
        (Some(STORED), _) => Rendered::Stored,
        (Some(LOST), _) => Rendered::Stopped(StopReason::Lost),
        (Some(TOO_LARGE), _) => Rendered::Failed(RenderError::TooLarge),
        (Some(DATABASE_FAILED), _) => Rendered::Failed(
            DatabaseError::Unavailable("the isolated attempt lost it".to_owned()).into(),
        ),
        (_, Ok(status)) => {
            Rendered::Panicked(format!("the process of the attempt ended: {status}"))
        }
        (_, Err(error)) => {
            Rendered::Panicked(format!("can't start a process for the attempt: {error}"))
        }
    }
}

/// Returns the claim whose attempt this process has to run, if it was started for one.
///
/// # Errors
/// Returns an error if the variable does not hold a claim.
pub(crate) fn requested_attempt() -> anyhow::Result<Option<ClaimKey>> {
    let Ok(value) = env::var(VARIABLE) else {
        return Ok(None);
    };
    let (id, claim) = value
        .split_once(' ')
        .with_context(|| format!("{VARIABLE} does not hold a claim"))?;
    Ok(Some(ClaimKey {
        id: JobId(id.parse::<Uuid>().context(VARIABLE)?),
        claim: claim.parse().context(VARIABLE)?,
    }))
}

/// Runs the attempt of a claim. Returns the exit code that tells the worker how it ended.
///
/// # Errors
/// Never fails; the signature is that of a process.
pub(crate) async fn run(
    key: ClaimKey,
    config: &Config,
    render: Render,
) -> anyhow::Result<ExitCode> {
    let database = Database::new(&config.database, config.claim_options());
    let host = config.calendar_host.clone();
    let rendered = database.large.run_long(move |connection| {
        let Some(job) = requests::find(connection, key.id)? else {
            return Ok(None);
        };
        // nobody stops this render, except by killing the process
        let guard = InFlight::default().add_claim(key, tokio::time::Instant::now());
        let control = guard.render_control();
        render(Source::Database(connection), &job.request, &host, &control).map(Some)
    });
    let code = match rendered.await {
        Ok(Some(result)) => store(&database, key, result).await,
        Ok(None) => LOST,
        Err(RenderError::TooLarge) => TOO_LARGE,
        Err(RenderError::Database(_) | RenderError::Stopped) => DATABASE_FAILED,
    };
    Ok(ExitCode::from(code))
}

async fn store(database: &Database, key: ClaimKey, result: NewResult) -> u8 {
    let completion = Completion {
        key,
        result: Arc::new(result),
    };
    match database.complete(completion).await {
        Ok(Written::Done) => STORED,
        Ok(Written::Lost) => LOST,
        Ok(Written::Busy) | Err(_) => DATABASE_FAILED,
    }
}
