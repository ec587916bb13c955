//! Queues for the tests, and the program as a process.

pub(crate) mod brokers;
pub(crate) mod failing_sqs;
#[cfg(feature = "kafka")]
pub(crate) mod kafka;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Instant;

use local_services::sqs::{ENDPOINT_VARIABLE, LocalSqs, REGION};
use local_services::testing::TIMEOUT;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use uuid::Uuid;

/// An endpoint that nobody listens on, for tests that need no answer of SQS.
pub(crate) const NO_ENDPOINT: &str = "http://127.0.0.1:1";
/// The end of the name of a FIFO queue.
pub(crate) const FIFO: &str = ".fifo";

/// A queue that no other test uses.
pub(crate) struct Queue {
    pub(crate) name: String,
    pub(crate) url: String,
    is_fifo: bool,
}

impl Queue {
    pub(crate) fn standard() -> Self {
        Self::create("", &[])
    }

    /// Creates a FIFO queue with content-based deduplication, like the practical's.
    pub(crate) fn fifo() -> Self {
        Self::create(FIFO, &[("ContentBasedDeduplication", "true")])
    }

    pub(crate) fn create(suffix: &str, attributes: &[(&str, &str)]) -> Self {
        let name = unused_name(suffix);
        let url = LocalSqs::shared().create_queue(&name, attributes).unwrap();
        Self {
            name,
            url,
            is_fifo: suffix == FIFO,
        }
    }

    /// Creates a queue and its dead-letter queue.
    pub(crate) fn with_dead_letters(suffix: &str, max_receive_count: u32) -> (Self, Self) {
        let name = unused_name(suffix);
        let sqs = LocalSqs::shared();
        let url = sqs
            .create_queue_with_dead_letters(&name, max_receive_count)
            .unwrap();
        let policy = sqs.queue_attributes(&url).unwrap()["RedrivePolicy"].clone();
        let policy: Value = serde_json::from_str(&policy).unwrap();
        let arn = policy["deadLetterTargetArn"].as_str().unwrap();
        let dead_letters = arn.rsplit(':').next().unwrap().to_owned();
        let dead_letters_url = url.replace(&name, &dead_letters);
        let dead_letters = Self {
            name: dead_letters,
            url: dead_letters_url,
            is_fifo: suffix == FIFO,
        };
        let queue = Self {
            name,
            url,
            is_fifo: suffix == FIFO,
        };
        (queue, dead_letters)
    }

    /// Sends messages with these bodies, in order.
    pub(crate) fn send(&self, bodies: &[&str]) {
        for body in bodies {
            let mut call = json!({ "QueueUrl": self.url, "MessageBody": body });
            if self.is_fifo {
                call["MessageGroupId"] = json!("default");
                call["MessageDeduplicationId"] = json!(Uuid::now_v7());
            }
            LocalSqs::shared().call("SendMessage", &call).unwrap();
        }
    }

    /// Receives up to ten messages with all their attributes, and leaves them in flight.
    pub(crate) fn receive(&self) -> Vec<Value> {
        let call = json!({
            "QueueUrl": self.url, "MaxNumberOfMessages": 10,
            "MessageSystemAttributeNames": ["All"], "MessageAttributeNames": ["All"],
        });
        let mut answer = LocalSqs::shared().call("ReceiveMessage", &call).unwrap();
        match answer["Messages"].take() {
            Value::Array(messages) => messages,
            _ => Vec::new(),
        }
    }

    /// Receives up to ten messages, which are visible again immediately.
    pub(crate) fn receive_and_release(&self) {
        let call = json!({
            "QueueUrl": self.url, "MaxNumberOfMessages": 10, "VisibilityTimeout": 0,
        });
        LocalSqs::shared().call("ReceiveMessage", &call).unwrap();
    }

    fn count(&self, attribute: &str) -> usize {
        let attributes: BTreeMap<_, _> = LocalSqs::shared().queue_attributes(&self.url).unwrap();
        attributes[attribute].parse().unwrap()
    }

    pub(crate) fn visible(&self) -> usize {
        self.count("ApproximateNumberOfMessages")
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.count("ApproximateNumberOfMessagesNotVisible")
    }
}

pub(crate) fn unused_name(suffix: &str) -> String {
    format!("test-{}{suffix}", Uuid::now_v7().simple())
}

/// The exit code and the output of the program.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) lines: Vec<String>,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }

    /// Returns all lines of stdout, parsed as JSON.
    pub(crate) fn json(&self) -> Vec<Value> {
        let parse = |line: &String| serde_json::from_str(line);
        let lines: Result<Vec<Value>, _> = self.lines.iter().map(parse).collect();
        lines.unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// Returns the lines of one event.
    pub(crate) fn events(&self, event: &str) -> Vec<Value> {
        let mut events = self.json();
        events.retain(|line| line["event"] == event);
        events
    }

    /// Returns the bodies that were received, in order.
    pub(crate) fn bodies(&self) -> Vec<String> {
        let body = |line: &Value| line["body"].as_str().unwrap().to_owned();
        self.events("received").iter().map(body).collect()
    }

    /// Returns the last line.
    pub(crate) fn summary(&self) -> Value {
        let last = self.json().pop().unwrap();
        assert_eq!(last["event"], "summary");
        last
    }
}

/// Runs the program with the local SQS until it exits.
pub(crate) fn queue(arguments: &[&str]) -> Ended {
    start(arguments, &[]).finish()
}

/// Like [`queue`], with these lines on stdin.
pub(crate) fn queue_reading(arguments: &[&str], stdin: &str) -> Ended {
    let mut running = start(arguments, &[]);
    running.write(stdin.as_bytes());
    running.finish()
}

/// Starts the program with the environment variables for the local SQS, changed by `variables`. An empty value removes a
/// variable.
pub(crate) fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Running {
    start_at(LocalSqs::shared().endpoint_url(), arguments, variables)
}

/// Like [`start`], with another SQS endpoint.
pub(crate) fn start_at(
    endpoint_url: &str,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> Running {
    let mut command = command(endpoint_url, arguments);
    for (name, value) in variables {
        match *value {
            "" => command.env_remove(name),
            value => command.env(name, value),
        };
    }
    Running::spawn(command)
}

fn command(endpoint_url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_queue"));
    command
        .args(arguments)
        .env_clear()
        // without the AWS files of the person who runs the tests, and without the metadata service
        .env("HOME", "/nonexistent")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env(ENDPOINT_VARIABLE, endpoint_url)
        .env("AWS_REGION", REGION)
        .env("AWS_ACCESS_KEY_ID", "local")
        .env("AWS_SECRET_ACCESS_KEY", "local")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Starts the program with a stdout that nobody reads.
pub(crate) fn start_unread(arguments: &[&str]) -> Running {
    let command = command(LocalSqs::shared().endpoint_url(), arguments);
    let mut running = Running::quiet(command);
    drop(running.child.stdout.take());
    running
}

/// The running program. It is killed when this is dropped.
pub(crate) struct Running {
    child: Child,
    stdout: Lines,
    stderr: Lines,
}

impl Running {
    fn spawn(command: Command) -> Self {
        let mut running = Self::quiet(command);
        let stdout = running.child.stdout.take().unwrap();
        running.stdout = Lines::of(stdout);
        running
    }

    fn quiet(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stderr = Lines::of(child.stderr.take().unwrap());
        Self {
            child,
            stdout: Lines::of(std::io::empty()),
            stderr,
        }
    }

    /// Waits for a line of stdout.
    pub(crate) fn await_line(&mut self, text: &str) {
        self.stdout.await_line(text);
    }

    /// Waits for a line of stderr.
    pub(crate) fn await_note(&mut self, text: &str) {
        self.stderr.await_line(text);
    }

    /// Writes to stdin and closes it.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let mut pipe = self.child.stdin.take().unwrap();
        pipe.write_all(bytes).unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).unwrap();
        kill(Pid::from_raw(id), signal).unwrap();
    }

    /// Waits until the program exits.
    pub(crate) fn finish(mut self) -> Ended {
        drop(self.child.stdin.take());
        let lines = self.stdout.read_to_end();
        let stderr = self.stderr.read_to_end().join("\n");
        Ended {
            code: self.child.wait().unwrap().code(),
            lines,
            stderr,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines of a pipe, as they arrive.
struct Lines {
    coming: Receiver<String>,
    read: Vec<String>,
}

impl Lines {
    fn of(pipe: impl Read + Send + 'static) -> Self {
        let (sender, coming) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines() {
                if sender.send(line.unwrap()).is_err() {
                    return;
                }
            }
        });
        Self {
            coming,
            read: Vec::new(),
        }
    }

    fn await_line(&mut self, text: &str) {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.coming.recv_timeout(left);
            let line = line.unwrap_or_else(|error| panic!("{error}, no {text:?}: {:?}", self.read));
            self.read.push(line);
            if self.read.last().unwrap().contains(text) {
                return;
            }
        }
    }

    /// Returns all lines. The pipe is closed when the process exits.
    fn read_to_end(&mut self) -> Vec<String> {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.coming.recv_timeout(left) {
                Ok(line) => self.read.push(line),
                Err(RecvTimeoutError::Disconnected) => return std::mem::take(&mut self.read),
                Err(RecvTimeoutError::Timeout) => panic!("no end: {:?}", self.read),
            }
        }
    }
}
