//! A child process that cannot outlive this one.
//!
//! A few lines of `sh` start a watcher and then become the program (`exec`), so the child's process id and exit
//! status are the program's own. The watcher reads from a pipe whose other end only this process holds. When this
//! process ends, even by SIGKILL, the system closes the pipe, and the watcher stops the child and removes its
//! temporary folder.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

use crate::waiting::wait_until;

/// Starts the watcher and becomes the program. Its arguments are the watcher's script, the watcher's arguments except
/// the process id, the program, and the program's arguments. A subshell starts the watcher and ends immediately,
/// because the program may not expect a child that it did not start. A shell gives background processes an empty
/// standard input, so descriptor 3 keeps the pipe for the watcher.
const START: &str = r#"
watch=$1 signal=$2 tenths=$3 folder=$4
shift 4
exec 3<&0 </dev/null
( /bin/sh -c "$watch" child-guard $$ "$signal" "$tenths" "$folder" <&3 3<&- >/dev/null 2>&1 & )
exec "$@" 3<&-
"#;

/// Waits for the end of the pipe. Its arguments are the process id, the signal, the grace period in tenths of a
/// second, and the folder to remove, or nothing. A line on the pipe reports that the child was reaped: the watcher
/// then sends no signal, because the process id may belong to another process by now.
const WATCH: &str = r#"
child=$1 signal=$2 tenths=$3 folder=$4
cd /
read -r reaped && exit
kill -s "$signal" "$child"
while [ "$tenths" -gt 0 ] && kill -0 "$child"; do
  sleep 0.1
  tenths=$((tenths - 1))
done
kill -s KILL "$child"
[ -z "$folder" ] || rm -rf "$folder"
"#;

/// How long a process may take to end after SIGKILL. It cannot ignore the signal, but it may first wait for a disk.
const AFTER_SIGKILL: Duration = Duration::from_secs(10);

/// How to stop a child.
#[derive(Debug, Clone)]
pub struct StopPolicy {
    /// The signal that asks the child to stop.
    pub signal: Signal,
    /// How long the child may take to stop before it gets SIGKILL.
    pub grace: Duration,
    /// A temporary folder that the watcher removes if it has to stop the child, because this process has ended by then.
    pub remove: Option<PathBuf>,
}

impl StopPolicy {
    /// Returns a command that runs `program` (a path) under a guard. Arguments, environment, user and output can be
    /// set as usual; standard input is not available.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let signal = self.signal.as_str().trim_start_matches("SIG");
        let tenths = self.grace.as_millis().div_ceil(100).to_string();
        let folder = self.remove.as_deref().unwrap_or("".as_ref());
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", START, "child-guard", WATCH, signal, &tenths])
            .arg(folder)
            .arg(program);
        command
    }

    /// Starts a command made by [`StopPolicy::command`], in a process group of its own, so that Ctrl-C in a terminal
    /// reaches only this process.
    ///
    /// # Errors
    ///
    /// Returns an error if no process can be started. If the program does not exist, the child exits with code 127.
    pub fn spawn(&self, mut command: Command) -> io::Result<ChildGuard> {
        let child = command.stdin(Stdio::piped()).process_group(0).spawn()?;
        Ok(ChildGuard {
            child,
            policy: self.clone(),
            status: None,
        })
    }
}

/// A child process. Dropping the guard stops the child.
#[derive(Debug)]
pub struct ChildGuard {
    child: Child,
    policy: StopPolicy,
    status: Option<ExitStatus>,
}

impl ChildGuard {
    /// Returns the process id of the program.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the child, unless the child has ended.
    ///
    /// # Errors
    ///
    /// Returns an error if the system refuses the signal.
    pub fn signal(&mut self, signal: Signal) -> io::Result<()> {
        if self.try_wait()?.is_none() {
            let pid = i32::try_from(self.pid()).map_err(io::Error::other)?;
            signal::kill(Pid::from_raw(pid), signal)?;
        }
        Ok(())
    }

    /// Returns the exit status, or `None` while the child runs.
    ///
    /// # Errors
    ///
    /// Returns an error if the system cannot report the status.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = self.child.try_wait()?;
            if self.status.is_some()
                && let Some(mut pipe) = self.child.stdin.take()
            {
                // A watcher that has ended needs no message.
                let _ = pipe.write_all(b"reaped\n");
            }
        }
        Ok(self.status)
    }

    /// Waits at most `timeout` for the child to end, and returns its exit status, or `None` if it still runs.
    ///
    /// # Errors
    ///
    /// Returns an error if the system cannot report the status.
    pub fn wait_for(&mut self, timeout: Duration) -> io::Result<Option<ExitStatus>> {
        wait_until(timeout, || self.try_wait())
    }

    /// Stops the child as its [`StopPolicy`] says, and waits until it has ended.
    ///
    /// # Errors
    ///
    /// Returns an error if the system refuses the signal, or if the child does not end.
    pub fn stop(&mut self) -> io::Result<ExitStatus> {
        self.stop_with(self.policy.signal)
    }

    /// Stops the child with `signal` in place of the one in its [`StopPolicy`].
    ///
    /// # Errors
    ///
    /// Returns an error if the system refuses the signal, or if the child does not end.
    pub fn stop_with(&mut self, signal: Signal) -> io::Result<ExitStatus> {
        self.signal(signal)?;
        if let Some(status) = self.wait_for(self.policy.grace)? {
            return Ok(status);
        }
        self.signal(Signal::SIGKILL)?;
        self.wait_for(AFTER_SIGKILL)?
            .ok_or_else(|| io::Error::other("the process still runs after SIGKILL"))
    }
}

impl Drop for ChildGuard {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            log::warn!(pid = self.pid(), error:%; "could not stop a child process");
        }
    }
}
