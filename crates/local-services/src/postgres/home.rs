//! Where a cluster's files are, and which account uses them.
//!
//! ```text
//! <data dir>/lock           locked by the process that runs the cluster
//! <data dir>/postgres.log   the server's log since the latest start
//! <data dir>/postgres/      a folder, or a link to a folder that an unprivileged user can enter
//!     data/                 PostgreSQL's data directory
//!     password              the superuser's password, readable by its owner only
//!     port                  the port of the latest start, which the next start uses again
//! ```

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::account::Account;
use super::lock;
use crate::error::{Error, io_error};

/// Where the files go if only root may enter the data folder.
const PUBLIC: &str = "/var/lib/taskoverflow";

/// A cluster's files.
#[derive(Debug)]
pub(super) struct Home {
    dir: PathBuf,
    log: PathBuf,
    account: Option<Account>,
    hold: Hold,
}

/// What is released when the cluster is dropped.
#[derive(Debug)]
enum Hold {
    Lock { _file: File },
    Folder { _folder: TempDir },
}

impl Home {
    /// Returns the home in a data folder, and creates it if necessary. No other process can use it until the returned
    /// value is dropped.
    pub(super) fn kept(data_dir: &Path) -> Result<Self, Error> {
        fs::create_dir_all(data_dir).map_err(io_error(format!("create {}", data_dir.display())))?;
        let data_dir = data_dir
            .canonicalize()
            .map_err(io_error(format!("find {}", data_dir.display())))?;
        let file = lock::acquire(&data_dir)?;
        let dir = data_dir.join("postgres");
        let account = if dir.exists() {
            Account::owner_if_root(&dir)?
        } else {
            let account = Account::if_root()?;
            make_dir(&dir, account)?;
            account
        };
        // The account may be unable to follow the link.
        let dir = dir
            .canonicalize()
            .map_err(io_error(format!("find {}", dir.display())))?;
        if let Some(account) = account
            && !account.can_enter(&dir)
        {
            return Err(Error::Failed(format!(
                "PostgreSQL refuses to run as root, and the unprivileged user who owns {} cannot enter \
                 it: allow that user to enter the folders above it (chmod o+x), or choose another data \
                 folder",
                dir.display()
            )));
        }
        let home = Self {
            dir,
            log: data_dir.join("postgres.log"),
            account,
            hold: Hold::Lock { _file: file },
        };
        lock::wait_for_leftover(&home.data())?;
        Ok(home)
    }

    /// Returns a home in a temporary folder, which is removed when the returned value is dropped.
    pub(super) fn temporary() -> Result<Self, Error> {
        let account = Account::if_root()?;
        let mut parent = std::env::temp_dir();
        if account.is_some_and(|account| !account.can_enter(&parent)) {
            parent = PathBuf::from("/tmp");
        }
        let folder = make_unique_dir(&parent, account)?;
        Ok(Self {
            dir: folder.path().to_owned(),
            log: folder.path().join("postgres.log"),
            account,
            hold: Hold::Folder { _folder: folder },
        })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The account that runs the server, if it is not this process's own.
    pub(super) fn account(&self) -> Option<Account> {
        self.account
    }

    /// PostgreSQL's data directory.
    pub(super) fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// The server's log since its latest start.
    pub(super) fn log(&self) -> &Path {
        &self.log
    }

    /// Whether the files outlive this process, so that writes must reach the disk.
    pub(super) fn is_kept(&self) -> bool {
        matches!(self.hold, Hold::Lock { .. })
    }

    /// Returns the major version of PostgreSQL that created the files, or `None` if there are no files yet.
    pub(super) fn major(&self) -> Result<Option<u32>, Error> {
        let path = self.data().join("PG_VERSION");
        match fs::read_to_string(&path) {
            Ok(version) => Ok(version.trim().parse().ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error(format!("read {}", path.display()))(error)),
        }
    }

    /// The superuser's password.
    pub(super) fn password(&self) -> Result<String, Error> {
        let path = self.password_file();
        fs::read_to_string(&path)
            .map(|password| password.trim().to_owned())
            .map_err(io_error(format!("read {}", path.display())))
    }

    pub(super) fn password_file(&self) -> PathBuf {
        self.dir.join("password")
    }

    /// Writes a file that only its owner, the server's account, can read.
    pub(super) fn write_secret(&self, path: &Path, text: &str) -> Result<(), Error> {
        let mut options = File::options();
        options.write(true).create(true).truncate(true).mode(0o600);
        options
            .open(path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(io_error(format!("write {}", path.display())))?;
        self.account.map_or(Ok(()), |account| account.own(path))
    }

    /// The port of the latest start.
    pub(super) fn last_port(&self) -> Option<u16> {
        let port = fs::read_to_string(self.dir.join("port")).ok()?;
        port.trim().parse().ok()
    }

    pub(super) fn remember_port(&self, port: u16) -> Result<(), Error> {
        let path = self.dir.join("port");
        fs::write(&path, format!("{port}\n")).map_err(io_error(format!("write {}", path.display())))
    }

    /// Prepares a command that works on these files: as their owner, in their folder, with messages in English, and
    /// without the settings that this process's environment may contain for another server.
    pub(super) fn prepare(&self, command: &mut Command) {
        let foreign = std::env::vars_os().map(|(name, _)| name);
        for name in foreign.filter(|name| name.as_encoded_bytes().starts_with(b"PG")) {
            command.env_remove(name);
        }
        command.env("LC_ALL", "C").current_dir(&self.dir);
        if let Some(account) = self.account {
            account.apply(command);
        }
    }
}

/// Creates a cluster's folder, or a link to one elsewhere if the account could not enter it here.
fn make_dir(dir: &Path, account: Option<Account>) -> Result<(), Error> {
    // It may be a link to a folder that no longer exists.
    let _ = fs::remove_file(dir);
    let parent = dir.parent().unwrap_or(dir);
    if account.is_none_or(|account| account.can_enter(parent)) {
        fs::DirBuilder::new()
            .mode(0o700)
            .create(dir)
            .map_err(io_error(format!("create {}", dir.display())))?;
        return account.map_or(Ok(()), |account| account.own(dir));
    }
    fs::create_dir_all(PUBLIC).map_err(io_error(format!("create {PUBLIC}")))?;
    let elsewhere = make_unique_dir(Path::new(PUBLIC), account)?.keep();
    log::info!(
        "the user who runs PostgreSQL cannot enter {}; the files go to {}",
        parent.display(),
        elsewhere.display()
    );
    symlink(&elsewhere, dir).map_err(io_error(format!("create {}", dir.display())))
}

/// Creates a folder with a unique name that only its owner can enter.
fn make_unique_dir(parent: &Path, account: Option<Account>) -> Result<TempDir, Error> {
    let folder = tempfile::Builder::new()
        .prefix("postgres-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(parent)
        .map_err(io_error(format!("create a folder in {}", parent.display())))?;
    if let Some(account) = account {
        account.own(folder.path())?;
    }
    Ok(folder)
}
