//! Installs ministack in a Python virtual environment, once for each folder.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Error, io_error};

/// The version that the tests were run with. A newer one may behave differently.
const REQUIREMENT: &str = "ministack==1.5.33";

const WAYS_OUT: &str = "or set AWS_ENDPOINT_URL_SQS to an SQS endpoint that is already running";

/// Returns the Python of a virtual environment in `dir` that contains ministack. The first call installs it; other
/// calls, also from other processes, wait for the first.
pub(super) fn ensure(dir: &Path) -> Result<PathBuf, Error> {
    let venv = dir.join(name());
    let python = venv.join("bin/python3");
    let finished = venv.join("installed");
    let lock_path = dir.join("ministack.lock");
    // Locked until the end of this function.
    let lock =
        File::create(&lock_path).map_err(io_error(format!("create {}", lock_path.display())))?;
    lock.lock()
        .map_err(io_error(format!("lock {}", lock_path.display())))?;
    // Both must exist, because the environment only links to the Python that created it.
    if finished.is_file() && python.exists() {
        return Ok(python);
    }
    require_python()?;
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
        Error::Failed(format!(
            "could not create the Python environment {}:\n{reason}",
            venv.display()
        ))
    })?;
    let mut install = Command::new(&python);
    install
        .args(["-m", "pip", "install", "--quiet"])
        .args(["--disable-pip-version-check", REQUIREMENT]);
    run(install).map_err(|reason| {
        Error::NotInstalled(format!(
            "{REQUIREMENT} could not be installed from the Python package index; the reason is \
             below. Remove it and try again, {WAYS_OUT}\n{reason}"
        ))
    })?;
    fs::write(&finished, "").map_err(io_error(format!("write {}", finished.display())))?;
    Ok(python)
}

/// Checks that Python can create an environment. Debian packages the modules that this needs separately from Python.
fn require_python() -> Result<(), Error> {
    let mut import = Command::new("python3");
    import.args(["-c", "import ensurepip, venv"]);
    if run(import).is_ok() {
        return Ok(());
    }
    Err(Error::NotInstalled(format!(
        "the local SQS (ministack) needs python3 with venv: install it (Debian: apt-get install python3-venv), {WAYS_OUT}"
    )))
}

/// Links the environment of one folder into another.
pub(super) fn link(from: &Path, to: &Path) -> Result<(), Error> {
    ensure(from)?;
    let name = name();
    fs::create_dir_all(to)
        .and_then(|()| symlink(from.join(&name), to.join(&name)))
        .map_err(io_error(format!("write to {}", to.display())))
}

/// Returns the name of the environment's folder.
fn name() -> String {
    REQUIREMENT.replace("==", "-")
}

/// Runs a program until it ends. If it fails, the error is its output.
fn run(mut command: Command) -> Result<(), String> {
    let output = command
        .output()
        .map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    if output.status.success() {
        return Ok(());
    }
    let printed = [output.stdout, output.stderr].concat();
    Err(String::from_utf8_lossy(&printed).trim_end().to_owned())
}

/// Returns Cargo's target folder, which contains the test executable and which all tests share.
pub(super) fn cargo_target() -> Result<PathBuf, Error> {
    let executable = std::env::current_exe().map_err(io_error("find the test executable"))?;
    let target = executable
        .ancestors()
        // Cargo marks its target folder with this file, so that backups skip it.
        .find(|folder| folder.join("CACHEDIR.TAG").is_file());
    Ok(target.map_or_else(std::env::temp_dir, Path::to_owned))
}
