//! The worker's binary, as a process.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Instant;

use local_services::testing::{TIMEOUT, eventually_blocking};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Database;

/// A short visibility timeout, for tests in which another worker takes over or a message is delivered again.
pub(crate) const BRIEF: (&str, &str) = ("VISIBILITY_TIMEOUT", "2s");

/// A worker's process. It is killed when dropped.
pub(crate) struct Worker {
    child: Child,
    lines: mpsc::Receiver<String>,
    pub(crate) seen: Vec<String>,
}

impl Worker {
    /// Starts the real binary. `settings` override the defaults, which include a long visibility timeout: a busy machine
    /// must not lose deliveries.
    pub(crate) fn start(database: &Database, queue_url: &str, settings: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_taskoverflow-worker"))
            .env_clear()
            .envs([
                ("DATABASE_URL", database.url.as_str()),
                ("QUEUE_URL", queue_url),
                ("ADMIN_ADDR", "127.0.0.1:0"),
                ("VISIBILITY_TIMEOUT", "30s"),
                ("RECEIVE_WAIT", "1s"),
                ("LOG_FORMAT", "json"),
            ])
            .envs(settings.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            stderr
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        Self {
            child,
            lines,
            seen: Vec::new(),
        }
    }

    /// Runs one of the binary's commands for operators, and returns what it printed.
    pub(crate) fn operate(database: &Database, arguments: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_taskoverflow-worker"))
            .env_clear()
            .envs([
                ("DATABASE_URL", database.url.as_str()),
                ("QUEUE_URL", "postgres:"),
            ])
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Waits for a line of the log that contains `text`, and returns the line.
    pub(crate) fn wait_for_log(&mut self, text: &str) -> String {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let rest = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(rest) else {
                panic!("no log line has {text:?}; there are {:#?}", self.seen)
            };
            self.seen.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Waits until the admin endpoint is up, and returns its address.
    pub(crate) fn admin_addr(&mut self) -> String {
        let line = self.wait_for_log("listening");
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        line["http.address"].as_str().unwrap().to_owned()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(
            Pid::from_raw(i32::try_from(self.child.id()).unwrap()),
            signal,
        )
        .unwrap();
    }

    /// Waits until the process has ended.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        eventually_blocking("the worker has ended", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        self.seen.extend(self.lines.iter());
        status.unwrap()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
