//! One run of the ministack server.

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use crate::child_guard::{ChildGuard, StopPolicy};
use crate::environment;
use crate::error::{Error, io_error};
use crate::http;
use crate::waiting::wait_until;

/// How long a start may take. Python first reads a few thousand files, which is slow on a busy disk.
const READY: Duration = Duration::from_mins(1);

const LOG: &str = "ministack.log";

/// Starts the server and waits until it answers. Returns `None` if it ends before that, for example because another
/// process took its port.
pub(super) fn start(
    python: &Path,
    run_dir: &Path,
    policy: &StopPolicy,
    port: u16,
) -> Result<Option<ChildGuard>, Error> {
    let path = run_dir.join(LOG);
    let log = File::create(&path).map_err(io_error(format!("create {}", path.display())))?;
    let errors = log.try_clone().map_err(io_error("share the log"))?;
    let mut command = policy.command(python);
    command
        .args(["-m", "ministack"])
        // Other variables would change what the server starts, what it stores, and where it listens.
        .env_clear()
        .envs(
            ["PATH", "LD_LIBRARY_PATH"]
                .iter()
                .filter_map(|name| environment::variable(name).map(|value| (name, value))),
        )
        .env("BIND_HOST", Ipv4Addr::LOCALHOST.to_string())
        .env("GATEWAY_PORT", port.to_string())
        .env("SERVICES", "sqs,sns")
        // These two services would open ports of their own, on every interface.
        .env("SFTP_ENABLED", "0")
        .env("IOT_MTLS_ENABLED", "0")
        .env("LOG_LEVEL", "WARNING")
        // The server writes its process id file there.
        .env("TMPDIR", run_dir)
        .current_dir(run_dir)
        .stdout(log)
        .stderr(errors);
    let mut server = policy
        .spawn(command)
        .map_err(io_error("start the local SQS (ministack)"))?;
    let url = format!("http://{}:{port}/_ministack/health", Ipv4Addr::LOCALHOST);
    let is_ready = wait_until(READY, || match server.try_wait() {
        Ok(Some(_)) => Ok(Some(false)),
        Ok(None) => Ok(is_healthy(&url).then_some(true)),
        Err(error) => Err(io_error("watch the local SQS (ministack)")(error)),
    })?;
    Ok((is_ready == Some(true)).then_some(server))
}

fn is_healthy(url: &str) -> bool {
    http::get(url).is_ok_and(|response| response.status == 200)
}

/// Returns the server's log as an error.
pub(super) fn failure(run_dir: &Path) -> Error {
    let path = run_dir.join(LOG);
    Error::Failed(format!(
        "the local SQS (ministack) did not start; its log {} contains:\n{}",
        path.display(),
        fs::read_to_string(&path).unwrap_or_default()
    ))
}
