//! Finds out whether programs run on this machine.

use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use super::error::DownloadError;
use crate::postgres::account::Account;
use crate::waiting::wait_until;

/// The programs that this crate uses.
const NEEDED: [&str; 3] = ["postgres", "initdb", "psql"];

/// How long a file that was just written may be busy: a process that another thread starts has it open for a moment.
const BUSY: Duration = Duration::from_secs(5);

/// Returns whether the programs are in a folder. Somebody may have removed a part of it to save space.
pub(super) fn finds_all(programs: &Path) -> bool {
    NEEDED.iter().all(|name| programs.join(name).is_file())
}

/// Runs each program, as `account` if there is one, to see whether the system has the libraries that it needs, and
/// whether `folder`, which contains it, allows that.
pub(super) fn run(
    programs: &Path,
    folder: &Path,
    account: Option<Account>,
) -> Result<(), DownloadError> {
    for name in NEEDED {
        let mut command = Command::new(programs.join(name));
        command.arg("--version").current_dir("/");
        if let Some(account) = account {
            account.apply(&mut command);
        }
        let reason = match output_of(&mut command) {
            Ok(Some(output)) if output.status.success() => continue,
            Ok(Some(output)) => format!(
                "{} ({})",
                String::from_utf8_lossy(&output.stderr).trim_end(),
                output.status
            ),
            Ok(None) => "the file is busy".to_owned(),
            Err(reason) if reason.kind() == ErrorKind::PermissionDenied => {
                return Err(DownloadError::NotExecutable {
                    folder: folder.to_owned(),
                    reason,
                });
            }
            Err(error) => error.to_string(),
        };
        return Err(DownloadError::Unusable {
            reason: format!("{name}: {reason}"),
        });
    }
    Ok(())
}

fn output_of(command: &mut Command) -> std::io::Result<Option<Output>> {
    wait_until(BUSY, || match command.output() {
        Ok(output) => Ok(Some(output)),
        Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => Ok(None),
        Err(error) => Err(error),
    })
}
