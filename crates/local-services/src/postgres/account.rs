//! The unprivileged user that runs PostgreSQL when this process is root.

use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::{Uid, User};

use crate::error::{Error, io_error};

/// PostgreSQL's packages create the first; every system has the second.
const CANDIDATES: [&str; 2] = ["postgres", "nobody"];

/// A user and its group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Account {
    uid: u32,
    gid: u32,
}

impl Account {
    /// Returns the account that owns new files, or `None` if this process is not root and needs no other account.
    pub(super) fn if_root() -> Result<Option<Self>, Error> {
        if !Uid::effective().is_root() {
            return Ok(None);
        }
        CANDIDATES
            .iter()
            .find_map(|name| User::from_name(name).ok().flatten())
            .map(|user| {
                Some(Self {
                    uid: user.uid.as_raw(),
                    gid: user.gid.as_raw(),
                })
            })
            .ok_or_else(|| {
                Error::NotInstalled(
                    "PostgreSQL refuses to run as root, and this system has neither a user `postgres` \
                     nor a user `nobody` to run it as: add one (useradd --system postgres), or start \
                     this program as another user than root"
                        .to_owned(),
                )
            })
    }

    /// Returns the account that owns existing files, so that the same account goes on using them.
    pub(super) fn owner_if_root(path: &Path) -> Result<Option<Self>, Error> {
        let metadata = path
            .metadata()
            .map_err(io_error(format!("read {}", path.display())))?;
        match Self::if_root()? {
            Some(_) if metadata.uid() != 0 => Ok(Some(Self {
                uid: metadata.uid(),
                gid: metadata.gid(),
            })),
            account => Ok(account),
        }
    }

    /// Makes a command run as this account.
    pub(super) fn apply(self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }

    /// Makes this account the owner of a file or folder.
    pub(super) fn own(self, path: &Path) -> Result<(), Error> {
        chown(path, Some(self.uid), Some(self.gid))
            .map_err(io_error(format!("change the owner of {}", path.display())))
    }

    /// Returns whether this account may enter a folder. It tries to enter it, because the answer depends on every
    /// folder above and on more rules than the permission bits.
    pub(super) fn can_enter(self, folder: &Path) -> bool {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", "cd \"$1\"", "can-enter"])
            .arg(folder)
            .current_dir("/")
            .stderr(Stdio::null());
        self.apply(&mut command);
        command.status().is_ok_and(|status| status.success())
    }
}
