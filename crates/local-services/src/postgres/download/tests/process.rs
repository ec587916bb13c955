//! Downloads in a process of their own, which can be killed, limited, and given another environment.

use std::path::Path;
use std::process::Command;

use super::super::package::Package;
use super::{REASON, download};
use crate::environment;

const TASK: &str = "LOCAL_SERVICES_TEST_DOWNLOAD";

/// What the process prints before the message of an error.
const FAILED: &str = "download failed: ";

/// Returns a command that downloads `package` from `server` into the cache in `folder`. The process starts as a shell
/// that runs `limits`.
pub(super) fn command(folder: &Path, server: &str, package: &Package, limits: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", &format!("{limits}\nexec \"$@\""), "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture"])
        .arg("postgres::download::tests::process::child_process_that_downloads")
        .env(
            TASK,
            format!(
                "{}\n{server}\n{}\n{}",
                folder.display(),
                package.size,
                package.sha256
            ),
        );
    command
}

/// Runs a command until it ends. Returns the message of the error, or `None` if the download is complete.
pub(super) fn error_of(mut command: Command) -> Option<String> {
    let output = command.output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}");
    let message = printed.split_once(FAILED)?.1;
    message.lines().next().map(ToOwned::to_owned)
}

/// What the process runs.
#[test]
#[ignore = "not a test: other tests run it as a process of its own"]
#[expect(clippy::print_stdout, reason = "reports the result to the test")]
fn child_process_that_downloads() {
    let task = environment::variable(TASK).expect("only `command` runs this");
    let task = task.into_string().unwrap();
    let [folder, server, size, sha256] = task.lines().collect::<Vec<_>>()[..] else {
        panic!("{task}");
    };
    let package = Package {
        size: size.parse().unwrap(),
        sha256: sha256.to_owned().leak(),
        ..super::package_of(&[])
    };
    if let Err(error) = download(Path::new(folder), server, &package).programs(REASON) {
        println!("\n{FAILED}{error}");
    }
}
