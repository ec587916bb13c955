//! Children that end with their parent.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use local_services::child_guard::StopPolicy;
use local_services::testing::eventually_blocking;
use nix::sys::signal::Signal;

use crate::support::{Owner, is_alive};

fn stop_policy() -> StopPolicy {
    StopPolicy {
        signal: Signal::SIGTERM,
        grace: Duration::from_secs(10),
        remove: None,
    }
}

fn shell(script: &str) -> Command {
    let mut command = stop_policy().command("/bin/sh");
    command.args(["-c", script]);
    command
}

#[test]
fn the_exit_status_is_that_of_the_program() {
    let mut failed = stop_policy().spawn(shell("exit 7")).unwrap();
    let status = failed.wait_for(Duration::from_secs(10)).unwrap().unwrap();
    assert_eq!(status.code(), Some(7));

    let mut stopped = stop_policy().spawn(shell("exec sleep 1000")).unwrap();
    assert_eq!(stopped.try_wait().unwrap(), None);
    let status = stopped.stop().unwrap();
    assert_eq!(status.signal(), Some(Signal::SIGTERM as i32));
    assert_eq!(
        stopped.stop().unwrap(),
        status,
        "the second stop changes nothing"
    );
}

#[test]
fn the_process_id_is_that_of_the_program() {
    let mut command = shell("echo $$");
    let output = tempfile::NamedTempFile::new().unwrap();
    command.stdout(output.reopen().unwrap());
    let mut child = stop_policy().spawn(command).unwrap();
    child.wait_for(Duration::from_secs(10)).unwrap().unwrap();
    let printed = fs::read_to_string(output.path()).unwrap();
    assert_eq!(printed.trim(), child.pid().to_string());
}

#[test]
fn a_child_that_ignores_the_signal_is_killed() {
    let mut command = shell("trap '' TERM; echo ready; while :; do sleep 0.05; done");
    let output = tempfile::NamedTempFile::new().unwrap();
    command.stdout(output.reopen().unwrap());
    let hasty = StopPolicy {
        grace: Duration::from_millis(300),
        ..stop_policy()
    };
    let mut child = hasty.spawn(command).unwrap();
    eventually_blocking("the child ignores the signal", || {
        fs::read_to_string(output.path()).unwrap() == "ready\n"
    });
    assert_eq!(child.stop().unwrap().signal(), Some(Signal::SIGKILL as i32));
}

#[test]
fn a_program_that_does_not_exist_exits_with_127() {
    let mut command = stop_policy().command("/does/not/exist");
    command.stderr(Stdio::null());
    let mut child = stop_policy().spawn(command).unwrap();
    let status = child.wait_for(Duration::from_secs(10)).unwrap().unwrap();
    assert_eq!(status.code(), Some(127));
}

#[test]
fn a_child_and_its_folder_disappear_when_the_owner_is_killed() {
    let folder = tempfile::tempdir().unwrap().keep();
    let owner = Owner::of_sleep(&folder);
    let child = owner.owned;
    assert!(is_alive(child));
    owner.kill();
    eventually_blocking("the child has ended", || !is_alive(child));
    eventually_blocking("the folder is removed", || !folder.exists());
}
