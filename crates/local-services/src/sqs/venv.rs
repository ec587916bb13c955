//! Installs ministack, once for each folder.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Error, io_error};

/// Tried with our tests; a newer one may behave differently.
const REQUIREMENT: &str = "ministack==1.5.33";

const WAYS_OUT: &str = "or name an SQS endpoint that runs already in AWS_ENDPOINT_URL_SQS";

/// The Python of a virtual environment in `dir` that has ministack. The first caller makes it; others,
/// in other processes too, wait for him.
pub(super) fn ensure(dir: &Path) -> Result<PathBuf, Error> {
    let venv = dir.join(name());
    let python = venv.join("bin/python3");
    let finished = venv.join("installed");
    let lock_path = dir.join("ministack.lock");
    // Held until the end of this function.
    let lock =
        File::create(&lock_path).map_err(io_error(format!("create {}", lock_path.display())))?;
    lock.lock()
        .map_err(io_error(format!("lock {}", lock_path.display())))?;
    // Both, because the environment only points to the Python it was made with.
    if finished.is_file() && python.exists() {
        return Ok(python);
    }
    log::info!("installing {REQUIREMENT} in {}", venv.display());
    match fs::remove_dir_all(&venv) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(io_error(format!("remove {}", venv.display()))(error));
        }
        _ => {}
    }
    let mut make = Command::new("python3");
    make.args(["-m", "venv"]).arg(&venv);
    run(make).map_err(|reason| {
        Error::NotInstalled(format!(
            "the local SQS (ministack) needs Python 3 with its venv module: \
             apt-get install python3 python3-venv, {WAYS_OUT}\n{reason}"
        ))
    })?;
    let mut install = Command::new(&python);
    install
        .args(["-m", "pip", "install", "--quiet"])
        .args(["--disable-pip-version-check", REQUIREMENT]);
    run(install).map_err(|reason| {
        Error::NotInstalled(format!(
            "{REQUIREMENT} could not be installed from the Python package index: look at the reason \
             below and try again, {WAYS_OUT}\n{reason}"
        ))
    })?;
    fs::write(&finished, "").map_err(io_error(format!("write {}", finished.display())))?;
    Ok(python)
}

/// Makes the environment of one folder another's too.
pub(super) fn lend(from: &Path, to: &Path) -> Result<(), Error> {
    ensure(from)?;
    let name = name();
    fs::create_dir_all(to)
        .and_then(|()| symlink(from.join(&name), to.join(&name)))
        .map_err(io_error(format!("write to {}", to.display())))
}

/// The folder's name.
fn name() -> String {
    REQUIREMENT.replace("==", "-")
}

/// Runs a program to its end; what it said if that is a bad one.
fn run(mut command: Command) -> Result<(), String> {
    let output = command
        .output()
        .map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(String::from_utf8_lossy(&said).trim_end().to_owned())
}

/// Cargo's target folder, which a test executable lies in and which all tests share.
pub(super) fn cargo_target() -> Result<PathBuf, Error> {
    let executable = std::env::current_exe().map_err(io_error("find the test executable"))?;
    let target = executable
        .ancestors()
        // Cargo marks it, so that backups leave it out.
        .find(|folder| folder.join("CACHEDIR.TAG").is_file());
    Ok(target.map_or_else(std::env::temp_dir, Path::to_owned))
}
