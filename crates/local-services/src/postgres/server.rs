//! One run of the server.

use std::fs::{self, File};
use std::time::Duration;

use super::home::Home;
use super::installation::Installation;
use crate::child_guard::{ChildGuard, StopPolicy};
use crate::error::{Error, io_error};
use crate::waiting::wait_until;

/// How long a start may take. Recovery after a crash reads everything since the last checkpoint.
const READY: Duration = Duration::from_mins(1);

/// Reasons for a failed start that soon disappear: another process took the port first, or the last processes of a
/// killed server have not ended yet.
const TEMPORARY: [&str; 2] = [
    "could not create any TCP/IP sockets",
    "pre-existing shared memory block",
];

/// How many lines of the log an error shows.
const SHOWN: usize = 10;

/// Starts the server and waits until it accepts connections. Returns `None` if another attempt may succeed.
pub(super) fn start(
    installation: &Installation,
    home: &Home,
    policy: &StopPolicy,
    options: &[String],
    port: u16,
) -> Result<Option<ChildGuard>, Error> {
    let log =
        File::create(home.log()).map_err(io_error(format!("create {}", home.log().display())))?;
    let errors = log.try_clone().map_err(io_error("share the log"))?;
    let mut command = policy.command(installation.program("postgres")?);
    command
        .arg("-D")
        .arg(home.data())
        .args(["-c", "listen_addresses=127.0.0.1"])
        // The path of a socket has a maximum length, which a deep data folder would exceed.
        .args(["-c", "unix_socket_directories="])
        .args(["-c", &format!("port={port}")])
        .args(options.iter().flat_map(|option| ["-c", option]))
        .stdout(log)
        .stderr(errors);
    home.prepare(&mut command);
    let mut server = policy
        .spawn(command)
        .map_err(io_error("start PostgreSQL"))?;

    let ended = wait_until(READY, || match server.try_wait() {
        Ok(None) if is_ready(home, server.pid()) => Ok(Some(false)),
        Ok(None) => Ok(None),
        Ok(Some(_)) => Ok(Some(true)),
        Err(error) => Err(io_error("watch PostgreSQL")(error)),
    })?;
    match ended {
        Some(false) => Ok(Some(server)),
        Some(true) if is_temporary(home) => Ok(None),
        _ => Err(failure(home)),
    }
}

/// Returns whether the server's lock file reports that it is ready. `pg_ctl` does the same: the first line is the
/// process id, the eighth is the state.
fn is_ready(home: &Home, pid: u32) -> bool {
    let Ok(content) = fs::read_to_string(home.data().join("postmaster.pid")) else {
        return false;
    };
    let mut lines = content.lines();
    lines.next().and_then(|line| line.parse().ok()) == Some(pid)
        && lines.nth(6).is_some_and(|line| line.trim() == "ready")
}

fn is_temporary(home: &Home) -> bool {
    let log = fs::read_to_string(home.log()).unwrap_or_default();
    TEMPORARY.iter().any(|reason| log.contains(reason))
}

/// Returns the end of the log as an error.
pub(super) fn failure(home: &Home) -> Error {
    let log = fs::read_to_string(home.log()).unwrap_or_default();
    let lines: Vec<_> = log.lines().collect();
    let end = lines.get(lines.len().saturating_sub(SHOWN)..);
    Error::Failed(format!(
        "PostgreSQL did not start; its log {} ends with:\n{}",
        home.log().display(),
        end.unwrap_or_default().join("\n")
    ))
}
