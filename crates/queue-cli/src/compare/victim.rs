//! The subscriber that is killed: a process of its own, so that it ends like one that crashes or loses its power.
//!
//! It deletes what it receives. When it is told to hold, it receives up to ten more messages without deleting them,
//! reports that, and waits for its SIGKILL.

use std::env;
use std::io::BufRead;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use broker_address::BrokerAccess;
use serde::{Deserialize, Serialize};
use sqs_client::limits::MAX_BATCH;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio_util::sync::CancellationToken;

use super::record::{Arrival, Key, Subscriber, arrived, now};
use super::subscriber::{Listener, delete, request};
use crate::broker::Role;
use crate::error::Error;
use crate::target::Target;

/// The hidden command that runs the process.
pub(crate) const COMMAND: &str = "compare-victim";
/// How long it waits for a first message to hold, and then for more.
const FIRST_HELD: Duration = Duration::from_secs(5);
const MORE_HELD: Duration = Duration::from_millis(500);
/// How long it waits to be killed.
const ORPHANED: Duration = Duration::from_secs(10);

/// What the process has to do: the first line of its stdin, so that no other user sees a password.
#[derive(Debug, Serialize, Deserialize)]
struct Task {
    target: String,
    run: String,
    visibility_ms: u64,
    /// The files of [`BrokerAccess`].
    password_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
}

/// What the process reports, one line each.
#[derive(Debug, Serialize, Deserialize)]
enum Line {
    Ready,
    Received {
        key: Key,
        at: u64,
        is_held: bool,
    },
    /// No more messages will be received.
    Holding {
        calls: u64,
    },
    Failed(String),
}

/// The process, seen from the outside.
#[derive(Debug)]
pub(super) struct Victim {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Victim {
    /// Starts the process, and waits until it has connected.
    pub(super) async fn start(listener: &Listener) -> Result<Self, Error> {
        let failed = |error| Error::Failed(format!("could not start a subscriber: {error}"));
        let program = env::current_exe().map_err(failed)?;
        let mut child = Command::new(program)
            .arg(COMMAND)
            .envs(listener.address.environment())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let access = listener.address.access();
        let task = Task {
            target: listener.address.to_secret_url(),
            run: listener.run.clone(),
            visibility_ms: u64::try_from(listener.visibility.as_millis()).unwrap_or(u64::MAX),
            password_file: access.password_file,
            ca_file: access.ca_file,
        };
        let mut task = serde_json::to_string(&task).map_err(|error| failed(error.into()))?;
        task.push('\n');
        let pipes = child.stdin.take().zip(child.stdout.take());
        let Some((mut stdin, stdout)) = pipes else {
            return Err(failed(std::io::Error::other("it has no pipes")));
        };
        stdin.write_all(task.as_bytes()).await.map_err(failed)?;
        let mut victim = Self {
            child,
            stdin: Some(stdin),
            lines: BufReader::new(stdout).lines(),
        };
        match victim.next().await? {
            Line::Ready => Ok(victim),
            line => Err(unexpected(&line)),
        }
    }

    /// Tells the process to hold what it receives from now on.
    pub(super) fn hold(&mut self) {
        // closing the pipe is the signal
        drop(self.stdin.take());
    }

    /// Returns the next delivery, or the number of calls when the process holds its last messages.
    pub(super) async fn next_arrival(&mut self) -> Result<Result<Arrival, u64>, Error> {
        match self.next().await? {
            Line::Received { key, at, is_held } => Ok(Ok(Arrival {
                key,
                at,
                subscriber: Subscriber::A,
                audience: 0,
                is_completed: !is_held,
            })),
            Line::Holding { calls } => Ok(Err(calls)),
            line => Err(unexpected(&line)),
        }
    }

    /// Kills the process, and returns the time.
    pub(super) async fn kill(mut self) -> Result<u64, Error> {
        let killed_at = now();
        let killed = self.child.kill().await;
        killed.map_err(|error| Error::Failed(format!("could not kill the subscriber: {error}")))?;
        Ok(killed_at)
    }

    async fn next(&mut self) -> Result<Line, Error> {
        let failed = |error: String| Error::Failed(format!("the subscriber failed: {error}"));
        match self.lines.next_line().await {
            Ok(Some(line)) => {
                serde_json::from_str(&line).map_err(|error| failed(error.to_string()))
            }
            Ok(None) => Err(failed("it ended".to_owned())),
            Err(error) => Err(failed(error.to_string())),
        }
    }
}

fn unexpected(line: &Line) -> Error {
    match line {
        Line::Failed(error) => Error::Failed(format!("the subscriber failed: {error}")),
        line => Error::Failed(format!("the subscriber reported {line:?} too early")),
    }
}

/// Runs the process: the hidden command of the program.
pub(crate) async fn be_the_victim() -> Result<(), Error> {
    let result = live().await;
    if let Err(error) = &result {
        report(&Line::Failed(error.to_string()))?;
    }
    result
}

async fn live() -> Result<(), Error> {
    let told = CancellationToken::new();
    let task = read_task(&told)?;
    let mut target: Target = task.target.parse().map_err(Error::Setup)?;
    target.set_access(&BrokerAccess {
        password_file: task.password_file,
        ca_file: task.ca_file,
    })?;
    let visibility = Duration::from_millis(task.visibility_ms);
    let mut queue = target.open(Role::Subscriber).await?;
    report(&Line::Ready)?;
    while !told.is_cancelled() {
        let messages = queue.receive(request(MAX_BATCH, visibility)).await?;
        // what came while the signal did is held already
        let is_held = told.is_cancelled() && !messages.is_empty();
        for (key, at) in messages
            .iter()
            .filter_map(|message| arrived(message, &task.run))
        {
            report(&Line::Received { key, at, is_held })?;
        }
        if is_held {
            return await_death(queue.calls().total());
        }
        delete(queue.as_mut(), &messages).await?;
    }
    let mut held = 0;
    let mut deadline = Instant::now() + FIRST_HELD;
    while held < MAX_BATCH && Instant::now() < deadline {
        let messages = queue.receive(request(MAX_BATCH - held, visibility)).await?;
        for (key, at) in messages
            .iter()
            .filter_map(|message| arrived(message, &task.run))
        {
            report(&Line::Received {
                key,
                at,
                is_held: true,
            })?;
        }
        if held == 0 && !messages.is_empty() {
            deadline = Instant::now() + MORE_HELD;
        }
        held += messages.len();
    }
    await_death(queue.calls().total())
}

/// Blocks the thread, so that nothing runs that could settle a message or keep a connection alive. It ends by itself if
/// the process that should kill it is gone.
fn await_death(calls: u64) -> Result<(), Error> {
    report(&Line::Holding { calls })?;
    let end = Instant::now() + ORPHANED;
    while Instant::now() < end {
        std::thread::park_timeout(ORPHANED);
    }
    Err(Error::Failed("nobody killed this process".to_owned()))
}

/// Reads the task. The end of stdin cancels `hold`.
fn read_task(hold: &CancellationToken) -> Result<Task, Error> {
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    read.map_err(|error| Error::Failed(format!("stdin: {error}")))?;
    let hold = hold.clone();
    std::thread::spawn(move || {
        let mut rest = String::new();
        // the end, or an error: the parent is gone, or wants this process to hold
        let _ = std::io::stdin().lock().read_line(&mut rest);
        hold.cancel();
    });
    serde_json::from_str(&line).map_err(|error| Error::Setup(format!("stdin: {error}")))
}

fn report(line: &Line) -> Result<(), Error> {
    let mut text = serde_json::to_string(line).map_err(std::io::Error::from)?;
    text.push('\n');
    let mut stdout = std::io::stdout().lock();
    std::io::Write::write_all(&mut stdout, text.as_bytes())?;
    Ok(std::io::Write::flush(&mut stdout)?)
}
