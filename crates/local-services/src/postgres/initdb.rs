//! Creates a cluster's files.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::NAME;
use super::home::Home;
use super::installation::Installation;
use crate::error::{Error, io_error};

/// The start of the folder's name while the files are created. The process id follows.
const UNFINISHED: &str = "data.";

/// Creates the files unless they exist. The folder gets its final name last, so that an interrupted creation starts
/// again from nothing.
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

/// Removes what interrupted creations left. If a folder cannot be removed because its `initdb` still runs, it does no
/// harm: each process uses a name of its own.
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

/// Runs a program with `input` on its standard input, until it ends.
fn run(home: &Home, mut command: Command, input: &str) -> Result<(), Error> {
    home.prepare(&mut command);
    let program = command.get_program().to_owned();
    let mut run = || -> std::io::Result<Output> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let written = child
            .stdin
            .take()
            .map_or(Ok(()), |mut stdin| stdin.write_all(input.as_bytes()));
        let output = child.wait_with_output()?;
        // a program that fails may end before it has read everything; its output says why
        if output.status.success() {
            written?;
        }
        Ok(output)
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

/// Returns 128 random bits in characters that need no escaping in a URL.
fn random_password() -> Result<String, Error> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .map_err(io_error("read /dev/urandom"))?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}
