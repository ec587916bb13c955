//! Other processes that own a service and are killed.

use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use local_services::child_guard::StopPolicy;
use local_services::postgres::Cluster;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const ROLE: &str = "LOCAL_SERVICES_TEST_ROLE";

/// A process of this test executable that owns another process.
pub(crate) struct Owner {
    process: Child,
    /// The id of the process that it started.
    pub(crate) owned: i32,
}

impl Owner {
    /// Starts an owner of `sleep`. When the owner ends, `folder` is removed.
    pub(crate) fn of_sleep(folder: &Path) -> Self {
        Self::spawn("sleep", folder)
    }

    /// Starts an owner of the cluster in `data_dir`.
    pub(crate) fn of_cluster(data_dir: &Path) -> Self {
        Self::spawn("cluster", data_dir)
    }

    fn spawn(role: &str, folder: &Path) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "support::child_process_that_owns_a_service",
                "--ignored",
                "--nocapture",
            ])
            .env(ROLE, format!("{role} {}", folder.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let owned = lines
            .map_while(Result::ok)
            .find_map(|line| line.rsplit_once("owned ")?.1.parse().ok())
            .expect("the owner did not start");
        Self { process, owned }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Kills the owner, but not the process that it started.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// What the process of an [`Owner`] runs.
#[test]
#[ignore = "not a test: other tests run it as a process of its own"]
#[expect(clippy::print_stdout, reason = "reports the process id to the test")]
fn child_process_that_owns_a_service() {
    let role = variable(ROLE).expect("only Owner runs this");
    let (role, folder) = role.split_once(' ').unwrap();
    let folder = PathBuf::from(folder);
    if role == "cluster" {
        let cluster = Cluster::start(&folder, &[]).unwrap();
        println!("\nowned {}", cluster.pid().unwrap());
        wait_to_be_killed();
    }
    let policy = StopPolicy {
        signal: Signal::SIGTERM,
        grace: Duration::from_secs(5),
        remove: Some(folder),
    };
    let mut command = policy.command("/bin/sleep");
    command.arg("1000");
    let sleep = policy.spawn(command).unwrap();
    println!("\nowned {}", sleep.pid());
    wait_to_be_killed();
}

fn wait_to_be_killed() -> ! {
    let _ = io::stdin().read_line(&mut String::new());
    unreachable!("the test ended without killing the owner")
}

#[expect(clippy::disallowed_methods, reason = "tests have no config struct")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Returns whether a process exists, even if only as a zombie.
pub(crate) fn is_alive(pid: i32) -> bool {
    kill(Pid::from_raw(pid), None) != Err(Errno::ESRCH)
}
