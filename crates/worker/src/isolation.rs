//! Runs an attempt in a process of its own, so that a job that crashes its worker takes no other job with it.
//!
//! The process is this program again, with the same arguments and environment, and with the claim in one more variable. It
//! renders the calendar and stores it under the claim. The worker renews the claim meanwhile, and kills the process if the
//! attempt is stopped or takes too long. If the worker itself dies, the process notices that its standard input ends, and
//! ends too.

use std::env;
use std::io::{self, Read};
use std::process::{ExitCode, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use shared_model::database::DatabaseError;
use shared_model::job::JobId;
use shared_model::job_store::claims::{ClaimKey, Completion, Written};
use shared_model::job_store::requests;
use shared_model::results::NewResult;
use shared_model::shutdown::StopRequests;
use shared_model::trace::{self, Trace};
use tokio::process::Command;
use tokio::time::Instant;
use uuid::Uuid;

use crate::config::Config;
use crate::database::Database;
use crate::in_flight::{InFlight, StopReason};
use crate::render::{Compressor, Render, RenderError, Source};
use crate::rendered::Rendered;

/// The variable that holds the claim: the job's id and the claim's, and the context of the job's trace if there is one,
/// with spaces in between.
const VARIABLE: &str = "TASKOVERFLOW_ISOLATED_CLAIM";

/// How the process ends, apart from crashes.
const STORED: u8 = 0;
const LOST: u8 = 40;
const DATABASE_FAILED: u8 = 41;
const TOO_LARGE: u8 = 42;
/// The exit code of a Rust program that panics.
const PANICKED: u8 = 101;

/// How long the process waits before it writes again to a row that another session has locked.
const BUSY_WAIT: Duration = Duration::from_millis(50);

/// Runs an attempt in a process of its own and waits for it. Dropping the future kills the process.
pub(crate) async fn attempt(key: ClaimKey) -> Rendered {
    let status = match wait_for_process(key).await {
        Ok(status) => status,
        Err(error) => {
            return Rendered::Crashed(format!("can't start a process for the attempt: {error}"));
        }
    };
    match status.code().and_then(|code| u8::try_from(code).ok()) {
        Some(STORED) => Rendered::Stored,
        Some(LOST) => Rendered::Stopped(StopReason::Lost),
        Some(TOO_LARGE) => Rendered::Failed(RenderError::TooLarge),
        Some(DATABASE_FAILED) => {
            let error = "the process of the attempt could not use it; its log has the reason";
            Rendered::Failed(DatabaseError::Unavailable(error.to_owned()).into())
        }
        Some(PANICKED) => Rendered::Panicked("in a process of its own".to_owned()),
        _ => Rendered::Crashed(format!("the process of the attempt ended: {status}")),
    }
}

async fn wait_for_process(key: ClaimKey) -> io::Result<ExitStatus> {
    let mut process = Command::new(env::current_exe()?)
        .args(env::args_os().skip(1))
        .env(VARIABLE, written(key))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    // `wait` would close it
    let _stdin = process.stdin.take();
    process.wait().await
}

/// Returns the value of the variable.
fn written(key: ClaimKey) -> String {
    let ClaimKey { id, claim } = key;
    match trace::current().and_then(Trace::context) {
        Some(context) => format!("{id} {claim} {context}"),
        None => format!("{id} {claim}"),
    }
}

/// Returns the claim whose attempt this process has to run, and the trace of its job, if it was started for one.
///
/// # Errors
/// Returns an error if the variable does not hold a claim.
#[expect(
    clippy::disallowed_methods,
    reason = "not a setting: the worker passes it to itself"
)]
pub(crate) fn requested_attempt() -> anyhow::Result<Option<(ClaimKey, Trace)>> {
    let Ok(value) = env::var(VARIABLE) else {
        return Ok(None);
    };
    let mut words = value.split(' ');
    let mut id = || words.next()?.parse::<Uuid>().ok();
    let key = id().zip(id()).map(|(id, claim)| ClaimKey {
        id: JobId(id),
        claim,
    });
    let key = key.with_context(|| format!("{VARIABLE} does not hold a claim"))?;
    Ok(Some((key, Trace::of_job(key.id.0, words.next()))))
}

/// Runs the attempt of a claim. Returns the exit code that tells the worker how it ended.
///
/// # Errors
/// Returns an error if no thread can be started, or the process can't listen for signals.
pub(crate) async fn run(
    key: ClaimKey,
    config: &Config,
    render: Render,
) -> anyhow::Result<ExitCode> {
    end_with_the_worker()?;
    // a signal to a whole group of processes is for the worker, which decides when this one ends
    let _ignored = StopRequests::listen()?;
    let database = Database::new(&config.database, config.claim_options());
    let host = config.calendar_host.clone();
    let rendered = database.large.run_long(move |connection| {
        let Some(job) = requests::find(connection, key.id)? else {
            return Ok(None);
        };
        // nobody stops this render, except by killing the process
        let guard = InFlight::default().add_claim(key, Instant::now());
        let control = guard.render_control();
        let source = Source::Database(connection);
        let compressor = &mut Compressor::default();
        render(source, &job.request, &host, &control, compressor).map(Some)
    });
    let code = match rendered.await {
        Ok(Some(result)) => store(&database, key, Arc::new(result)).await,
        Ok(None) => LOST,
        Err(RenderError::TooLarge) => TOO_LARGE,
        Err(error @ (RenderError::Database(_) | RenderError::Stopped)) => {
            log::warn!("job.id":% = key.id, error:%; "the attempt failed");
            DATABASE_FAILED
        }
    };
    Ok(ExitCode::from(code))
}

/// Ends this process when its standard input ends, which the worker holds open.
fn end_with_the_worker() -> io::Result<()> {
    let wait = || {
        let _ = io::stdin().read(&mut [0]);
        #[expect(
            clippy::exit,
            reason = "the worker is gone, and a render can't be stopped"
        )]
        std::process::exit(i32::from(LOST));
    };
    std::thread::Builder::new()
        .name("worker-watch".to_owned())
        .spawn(wait)
        .map(drop)
}

/// Stores the result. While the job's row is locked, tries again, until the worker ends this process.
async fn store(database: &Database, key: ClaimKey, result: Arc<NewResult>) -> u8 {
    loop {
        let result = Arc::clone(&result);
        match database.complete(Completion { key, result }).await {
            Ok(Written::Done) => return STORED,
            Ok(Written::Lost) => return LOST,
            Ok(Written::Busy) => tokio::time::sleep(BUSY_WAIT).await,
            Err(error) => {
                log::warn!("job.id":% = key.id, error:%; "could not store the calendar");
                return DATABASE_FAILED;
            }
        }
    }
}
