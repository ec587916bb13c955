//! Runs the launcher as a process of its own, as a user does.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use local_services::http;
use local_services::testing::{empty_database, eventually_blocking};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// Returns the URL of an existing, empty database. Tests that are not about the private cluster use it to save time.
pub(crate) fn existing_database() -> String {
    empty_database()
}

/// The program, with a data folder of its own and without the settings in the environment of the test.
pub(crate) fn command(data_dir: &Path, flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_taskoverflow"));
    command
        .arg("--data-dir")
        .arg(data_dir)
        .args(flags)
        .env_remove("DATABASE_URL")
        .env("RUST_LOG", "warn");
    command
}

/// Runs the program until it ends. It uses any free port unless the flags name one.
pub(crate) fn run(data_dir: &Path, flags: &[&str]) -> Output {
    let any_port: &[&str] = if flags.contains(&"--port") {
        &[]
    } else {
        &["--port", "0"]
    };
    command(data_dir, flags).args(any_port).output().unwrap()
}

/// A launcher that runs; dropping it kills it, and the guards of its children stop them.
pub(crate) struct Launcher {
    process: Child,
    /// The addresses of the page, the database and the queue, which it printed when everything was ready.
    pub(crate) page: String,
    pub(crate) database: String,
    pub(crate) queue: String,
}

/// How a launcher ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stderr: String,
}

impl Launcher {
    /// Starts it on any free port, and waits until it reports that everything is ready.
    pub(crate) fn start(data_dir: &Path, flags: &[&str]) -> Self {
        Self::spawn(&mut command(data_dir, flags))
    }

    /// Like [`start`](Self::start), with a prepared [`command`].
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut process = command
            .args(["--port", "0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = process.stdout.take().unwrap();
        let lines: Vec<_> = BufReader::new(stdout)
            .lines()
            .take(4)
            .map(Result::unwrap)
            .collect();
        let [page, _operations, database, queue] = lines.as_slice() else {
            let ended = Self::wait(&mut process);
            panic!("it did not start ({:?}): {}", ended.code, ended.stderr);
        };
        let value = |line: &str, label: &str| line.strip_prefix(label).unwrap().trim().to_owned();
        Self {
            page: value(page, "TaskOverflow"),
            database: value(database, "Database"),
            queue: value(queue, "Queue"),
            process,
        }
    }

    pub(crate) fn pid(&self) -> i32 {
        self.process.id().cast_signed()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// Sends it a signal and waits for its end.
    pub(crate) fn stop(mut self, signal: Signal) -> Ended {
        self.signal(signal);
        Self::wait(&mut self.process)
    }

    /// Waits until it ends.
    pub(crate) fn end(mut self) -> Ended {
        Self::wait(&mut self.process)
    }

    fn wait(process: &mut Child) -> Ended {
        let mut stderr = String::new();
        process
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut stderr)
            .unwrap();
        let code = process.wait().unwrap().code();
        Ended { code, stderr }
    }

    /// Returns whether the API reports that it is ready.
    #[cfg(target_os = "linux")]
    pub(crate) fn is_ready(&self) -> bool {
        http::get(&format!("{}readyz", self.page)).is_ok_and(|answer| answer.status == 200)
    }

    /// Sends a GET request to the API and returns the JSON of the response.
    pub(crate) fn get(&self, path: &str) -> Value {
        json(&http::get(&format!("{}{path}", self.page)).unwrap())
    }

    /// Sends JSON to the API with POST and returns the JSON of the response.
    pub(crate) fn post(&self, path: &str, body: &str) -> Value {
        let headers = [("Content-Type", "application/json")];
        json(&http::post(&format!("{}{path}", self.page), &headers, body).unwrap())
    }

    /// Requests a calendar, and returns the path of the job's status.
    pub(crate) fn request_calendar(&self) -> String {
        let job = self.post("api/v1/todos/ical", "{}");
        let id = job["task_id"].as_str().unwrap();
        format!("api/v1/todos/ical/{id}/status")
    }

    /// Waits until a job has succeeded, and returns its status.
    pub(crate) fn wait_for(&self, status_path: &str) -> Value {
        let mut status = Value::Null;
        eventually_blocking("the job ends", || {
            status = self.get(status_path);
            status["task_status"] == "SUCCESS" || status["task_status"] == "FAILURE"
        });
        assert_eq!(status["task_status"], "SUCCESS", "{status}");
        status
    }

    /// Requests a calendar, waits for it, and returns it.
    pub(crate) fn calendar(&self) -> String {
        let status = self.wait_for(&self.request_calendar());
        http::get(status["result_url"].as_str().unwrap())
            .unwrap()
            .body
    }
}

impl Drop for Launcher {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn json(answer: &http::Response) -> Value {
    assert!(answer.status < 300, "{answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

/// The children of a process whose command line holds `role`.
#[cfg(target_os = "linux")]
pub(crate) fn children(parent: i32, role: &str) -> Vec<Pid> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|process| {
            let pid: i32 = process.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(process.path().join("stat")).ok()?;
            // "pid (name) state parent …", and the name may hold anything.
            let its_parent: i32 = stat
                .rsplit_once(')')?
                .1
                .split_whitespace()
                .nth(1)?
                .parse()
                .ok()?;
            let command_line = std::fs::read_to_string(process.path().join("cmdline")).ok()?;
            let matches = its_parent == parent && command_line.split('\0').any(|word| word == role);
            matches.then(|| Pid::from_raw(pid))
        })
        .collect()
}

/// Suspends a process. Signals that are sent to it meanwhile stay pending until it continues.
#[cfg(target_os = "linux")]
pub(crate) fn suspend(process: Pid) {
    kill(process, Signal::SIGSTOP).unwrap();
    eventually_blocking("the process is stopped", || {
        proc_status(process, "State:").starts_with('T')
    });
}

/// Returns whether a signal to a process is pending.
#[cfg(target_os = "linux")]
pub(crate) fn is_pending(process: Pid, signal: Signal) -> bool {
    let pending = u64::from_str_radix(&proc_status(process, "ShdPnd:"), 16).unwrap();
    pending & (1 << (signal as i32 - 1)) != 0
}

#[cfg(target_os = "linux")]
fn proc_status(process: Pid, name: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let value = status.lines().find_map(|line| line.strip_prefix(name));
    value.unwrap().trim().to_owned()
}
