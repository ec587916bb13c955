//! Makes a cluster's files.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::NAME;
use super::home::Home;
use super::installation::Installation;
use crate::error::{Error, io_error};

/// Followed by the id of the process that makes them.
const UNFINISHED: &str = "data.";

/// Makes the files unless they are there. They get their name last, so that a cluster which was
/// interrupted in the making is made anew.
pub(super) fn ensure(installation: &Installation, home: &Home) -> Result<(), Error> {
    let data = home.data();
    if data.exists() {
        return Ok(());
    }
    log::info!("creating a PostgreSQL cluster in {}", data.display());
    remove_unfinished(home);
    let unfinished = home
        .dir()
        .join(format!("{UNFINISHED}{}", std::process::id()));
    home.write_secret(&home.password_file(), &random_password()?)?;
    make_files(installation, home, &unfinished)?;
    make_database(installation, home, &unfinished)?;
    fs::rename(&unfinished, &data).map_err(io_error(format!("create {}", data.display())))
}

/// Removes what interrupted starts left. One that cannot be removed, as its `initdb` still runs, is no
/// hindrance: each start has a name of its own.
fn remove_unfinished(home: &Home) {
    for entry in fs::read_dir(home.dir()).into_iter().flatten().flatten() {
        let is_unfinished = entry.file_name().to_string_lossy().starts_with(UNFINISHED);
        if is_unfinished && let Err(error) = fs::remove_dir_all(entry.path()) {
            log::warn!(error:%; "could not remove {}", entry.path().display());
        }
    }
}

fn make_files(installation: &Installation, home: &Home, data: &Path) -> Result<(), Error> {
    let mut command = Command::new(installation.program("initdb")?);
    command
        .arg("--pgdata")
        .arg(data)
        .arg("--pwfile")
        .arg(home.password_file())
        // One locale everywhere, so that sorting is the same on every machine.
        .args(["--username", NAME, "--encoding=UTF8", "--locale=C"])
        .arg("--auth=scram-sha-256");
    if !home.is_kept() {
        command.arg("--no-sync");
    }
    run(home, command, "")
}

/// Creates the database without a client: the server's own single-user mode reads SQL.
fn make_database(installation: &Installation, home: &Home, data: &Path) -> Result<(), Error> {
    let mut command = Command::new(installation.program("postgres")?);
    command.arg("--single").arg("-D").arg(data);
    if !home.is_kept() {
        command.args(["-c", "fsync=off"]);
    }
    command.arg("postgres");
    run(home, command, &format!("CREATE DATABASE {NAME};\n"))
}

/// Runs a program to its end, giving it `input`.
fn run(home: &Home, mut command: Command, input: &str) -> Result<(), Error> {
    home.prepare(&mut command);
    let program = command.get_program().to_owned();
    let mut run = || -> std::io::Result<Output> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes())?;
        }
        child.wait_with_output()
    };
    let output = run().map_err(io_error(format!("run {}", program.display())))?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Failed(format!(
        "{} failed ({}):\n{}{}",
        program.display(),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    )))
}

/// 128 bits of the system's randomness, in characters that mean nothing in a URL.
fn random_password() -> Result<String, Error> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .map_err(io_error("read /dev/urandom"))?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}
