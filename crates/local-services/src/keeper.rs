//! A child process that cannot outlive us.
//!
//! The child is started by a few lines of `sh` that leave a watcher behind and then become the program
//! (`exec`): its process id and exit status are the program's own. The watcher reads a pipe that only we
//! hold the other end of. However we end, SIGKILL included, the system closes it, and the watcher stops
//! the child and removes its temporary folder.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

use crate::waiting::wait_until;

/// Starts the watcher and becomes the program. Arguments: the watcher's script, its arguments but for the
/// process id, then the program and its own. The watcher is started from a subshell that ends at once: it
/// must be no child of the program, which could not know what to make of it. A process in the background
/// has no standard input unless it is said again, hence the descriptor 3.
const START: &str = r#"
watch=$1 signal=$2 tenths=$3 folder=$4
shift 4
exec 3<&0 </dev/null
( /bin/sh -c "$watch" keeper $$ "$signal" "$tenths" "$folder" <&3 3<&- >/dev/null 2>&1 & )
exec "$@" 3<&-
"#;

/// Waits for the pipe's end. Arguments: process id, signal, grace in tenths of a second, folder to remove or
/// nothing. A line on the pipe says that the child was reaped, so that its process id, which may by then be
/// another's, gets no signal.
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

/// SIGKILL cannot be refused, but a process that waits for a disk ends only afterwards.
const AFTER_SIGKILL: Duration = Duration::from_secs(10);

/// How a child is to end.
#[derive(Debug, Clone)]
pub struct Keeper {
    /// Asks the child to stop.
    pub signal: Signal,
    /// How long it may take to; then it gets SIGKILL.
    pub grace: Duration,
    /// A temporary folder that we can no longer remove ourselves when the watcher has to stop the child.
    pub remove: Option<PathBuf>,
}

impl Keeper {
    /// The command that runs `program` (a path) kept. Arguments, environment, user and output are added
    /// as to any command; standard input is taken.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let signal = self.signal.as_str().trim_start_matches("SIG");
        let tenths = self.grace.as_millis().div_ceil(100).to_string();
        let folder = self.remove.as_deref().unwrap_or("".as_ref());
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", START, "keeper", WATCH, signal, &tenths])
            .arg(folder)
            .arg(program);
        command
    }

    /// Starts a command made by [`Keeper::command`], in a process group of its own, so that a terminal's
    /// Ctrl-C reaches only us.
    ///
    /// # Errors
    ///
    /// When no process can be started. A program that does not exist shows as exit code 127.
    pub fn spawn(&self, mut command: Command) -> io::Result<KeptChild> {
        let child = command.stdin(Stdio::piped()).process_group(0).spawn()?;
        Ok(KeptChild {
            child,
            keeper: self.clone(),
            status: None,
        })
    }
}

/// A running child; dropping it stops it.
#[derive(Debug)]
pub struct KeptChild {
    child: Child,
    keeper: Keeper,
    status: Option<ExitStatus>,
}

impl KeptChild {
    /// The program's process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends the child a signal; one that has ended is left alone.
    ///
    /// # Errors
    ///
    /// When the system refuses it.
    pub fn signal(&mut self, signal: Signal) -> io::Result<()> {
        if self.try_wait()?.is_none() {
            let pid = i32::try_from(self.pid()).map_err(io::Error::other)?;
            signal::kill(Pid::from_raw(pid), signal)?;
        }
        Ok(())
    }

    /// How the child ended, if it has.
    ///
    /// # Errors
    ///
    /// When the system cannot tell.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = self.child.try_wait()?;
            if self.status.is_some()
                && let Some(mut pipe) = self.child.stdin.take()
            {
                // A watcher that is gone has nothing left to do.
                let _ = pipe.write_all(b"reaped\n");
            }
        }
        Ok(self.status)
    }

    /// How the child ended, waiting for it no longer than `bound`.
    ///
    /// # Errors
    ///
    /// When the system cannot tell.
    pub fn wait_for(&mut self, bound: Duration) -> io::Result<Option<ExitStatus>> {
        wait_until(bound, || self.try_wait())
    }

    /// Stops the child as its [`Keeper`] says, and waits for its end.
    ///
    /// # Errors
    ///
    /// When the system refuses the signal.
    pub fn stop(&mut self) -> io::Result<ExitStatus> {
        self.stop_with(self.keeper.signal)
    }

    /// Stops the child with another signal than its [`Keeper`]'s.
    ///
    /// # Errors
    ///
    /// When the system refuses the signal.
    pub fn stop_with(&mut self, signal: Signal) -> io::Result<ExitStatus> {
        self.signal(signal)?;
        if let Some(status) = self.wait_for(self.keeper.grace)? {
            return Ok(status);
        }
        self.signal(Signal::SIGKILL)?;
        self.wait_for(AFTER_SIGKILL)?
            .ok_or_else(|| io::Error::other("it did not end, although it was killed"))
    }
}

impl Drop for KeptChild {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            log::warn!(pid = self.pid(), error:%; "a child process could not be stopped");
        }
    }
}
