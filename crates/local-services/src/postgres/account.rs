//! The unprivileged user that PostgreSQL runs as when we are root.

use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::{Uid, User};

use crate::error::{Error, io_error};

/// Whoever installs PostgreSQL's packages gets the first; every system has the second.
const CANDIDATES: [&str; 2] = ["postgres", "nobody"];

/// A user and its group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Account {
    uid: u32,
    gid: u32,
}

impl Account {
    /// The account for new files; `None` when we are not root and stay who we are.
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
                    "PostgreSQL refuses to run as root, and there is neither a user `postgres` nor \
                     `nobody` to run it as: add one (useradd --system postgres), or start this as \
                     another user than root"
                        .to_owned(),
                )
            })
    }

    /// The account that owns existing files, so that a cluster made by somebody is continued as him.
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

    /// Lets a command run as this account.
    pub(super) fn apply(self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }

    /// Gives a file or folder to this account.
    pub(super) fn own(self, path: &Path) -> Result<(), Error> {
        chown(path, Some(self.uid), Some(self.gid))
            .map_err(io_error(format!("change the owner of {}", path.display())))
    }

    /// Whether this account may enter a folder. Only trying tells: every folder above it counts, and
    /// there are more rules than the permission bits.
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
