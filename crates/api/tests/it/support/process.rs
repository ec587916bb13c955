//! The real binary as a process.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use local_services::testing::eventually_blocking;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

fn command(settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_taskoverflow-api"));
    command
        .env_clear()
        .envs([
            ("BIND_ADDR", "127.0.0.1:0"),
            ("QUEUE_URL", "postgres:"),
            ("LOG_FORMAT", "json"),
        ])
        .envs(settings.iter().copied());
    command
}

/// Runs the process until it ends.
pub(crate) fn output(settings: &[(&str, &str)]) -> Output {
    command(settings).output().unwrap()
}

/// A running process. Killed when dropped.
pub(crate) struct Process {
    child: Child,
    log: BufReader<std::process::ChildStderr>,
    /// Such as `http://127.0.0.1:41234`, once the log has its address.
    pub(crate) url: String,
    /// The last line of the log.
    pub(crate) last_line: String,
}

impl Process {
    /// Starts the process and waits until it logs `until`.
    pub(crate) fn start(settings: &[(&str, &str)], until: &str) -> Self {
        let mut child = command(settings).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut process = Self {
            child,
            log,
            url: String::new(),
            last_line: String::new(),
        };
        loop {
            let line = process.next_line();
            if let Some(address) = line["http.address"].as_str() {
                process.url = format!("http://{address}");
            }
            if line["message"] == until {
                return process;
            }
        }
    }

    pub(crate) fn next_line(&mut self) -> Value {
        let mut line = String::new();
        assert!(
            self.log.read_line(&mut line).unwrap() > 0,
            "the process has ended"
        );
        let value = serde_json::from_str(&line).unwrap();
        self.last_line = line;
        value
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    /// Returns the most memory that the process has ever used.
    #[cfg(target_os = "linux")]
    pub(crate) fn peak_bytes(&self) -> usize {
        let bytes = local_services::testing::peak_bytes(self.child.id());
        bytes.unwrap().try_into().unwrap()
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        eventually_blocking("the process has ended", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
