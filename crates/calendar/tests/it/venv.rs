//! A Python environment with the readers, created once in cargo's target folder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Pins exact versions, so that a reader's next release can't break a build.
const REQUIREMENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/requirements.txt");

/// Returns the interpreter's path. The first caller creates the environment; all others, also in other processes, wait.
pub(crate) fn python() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(folder).unwrap();
    let lock = File::create(folder.join("calendar-readers.lock")).unwrap();
    lock.lock().unwrap();

    let venv = folder.join("calendar-readers");
    let python = venv.join("bin/python3");
    let requirements = fs::read(REQUIREMENTS).unwrap();
    let installed = venv.join("installed.txt");
    if python.exists() && fs::read(&installed).is_ok_and(|installed| installed == requirements) {
        return python;
    }
    run(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&venv),
        "install Python 3.10 or newer with its venv module: apt-get install python3 python3-venv",
    );
    run(
        Command::new(&python).args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--requirement",
            REQUIREMENTS,
        ]),
        "the readers come from the Python package index (PyPI), or from the index that pip is configured to use",
    );
    fs::write(&installed, requirements).unwrap();
    python
}

fn run(command: &mut Command, hint: &str) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; {hint}"));
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed);
    assert!(
        output.status.success(),
        "{command:?}: {}; {hint}\n{printed}",
        output.status
    );
}
