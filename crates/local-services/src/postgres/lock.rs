//! Allows one process at a time to use a data folder.

use std::fs::{self, File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal;
use nix::unistd::Pid;

use crate::error::{Error, io_error};
use crate::waiting::wait_until;

/// How long a server may take to stop after its owner was killed.
const LEFTOVER: Duration = Duration::from_secs(20);

/// How long a lock may outlast its owner: a child process that any thread is starting has the file open until it runs its
/// program.
const INHERITED: Duration = Duration::from_secs(5);

/// Locks the folder until the returned file is dropped, or until this process ends, however it ends.
pub(super) fn acquire(data_dir: &Path) -> Result<File, Error> {
    let path = data_dir.join("lock");
    let named = |verb| format!("{verb} {}", path.display());
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(io_error(named("open")))?;
    let locked = wait_until(INHERITED, || match file.try_lock() {
        Ok(()) => Ok(Some(())),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(io_error(named("lock"))(error)),
    })?;
    if locked.is_none() {
        let mut owner = String::new();
        file.read_to_string(&mut owner)
            .map_err(io_error(named("read")))?;
        return Err(Error::InUse {
            folder: data_dir.to_owned(),
            pid: owner.trim().parse().unwrap_or_default(),
        });
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(io_error(named("write")))?;
    Ok(file)
}

/// Waits until the server of a killed owner has stopped. A server that does not stop has another owner.
pub(super) fn wait_for_leftover(data: &Path) -> Result<(), Error> {
    let mut server = None;
    let gone = wait_until(LEFTOVER, || {
        server = running_server(data)?;
        Ok(server.is_none().then_some(()))
    })?;
    match (gone, server) {
        (None, Some(pid)) => Err(Error::InUse {
            folder: data.to_owned(),
            pid,
        }),
        _ => Ok(()),
    }
}

/// Returns the process id of the server that runs on these files, from PostgreSQL's own lock file.
fn running_server(data: &Path) -> Result<Option<i32>, Error> {
    let path = data.join("postmaster.pid");
    let Ok(content) = fs::read_to_string(&path) else {
        return Ok(None);
    };
    let Some(pid) = content.lines().next().and_then(|pid| pid.parse().ok()) else {
        return Ok(None);
    };
    match signal::kill(Pid::from_raw(pid), None) {
        // PostgreSQL itself replaces the lock file of a process that no longer exists.
        Err(Errno::ESRCH) => Ok(None),
        // After a crash of the machine another program may have this process id, and PostgreSQL would refuse to start.
        _ if !is_postgres(pid) => {
            fs::remove_file(&path).map_err(io_error(format!("remove {}", path.display())))?;
            Ok(None)
        }
        _ => Ok(Some(pid)),
    }
}

/// Returns whether a process is a PostgreSQL server; true if that cannot be found out.
fn is_postgres(pid: i32) -> bool {
    let from_proc = fs::read_to_string(format!("/proc/{pid}/comm")).ok();
    let name = from_proc.or_else(|| {
        let output = Command::new("ps")
            .args(["-o", "comm=", "-p", &pid.to_string()])
            .output()
            .ok()?;
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    });
    name.is_none_or(|name| name.trim().is_empty() || name.contains("postgres"))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn a_folder_is_free_when_no_child_process_has_the_lock_open_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let lock = acquire(folder.path()).unwrap();
        // as a process that is about to run another program has it
        let inherited = lock.try_clone().unwrap();
        drop(lock);
        let (_open, closed) = mpsc::channel::<()>();
        let child = thread::spawn(move || {
            let _ = closed.recv_timeout(Duration::from_millis(300));
            drop(inherited);
        });
        acquire(folder.path()).unwrap();
        child.join().unwrap();
    }
}
