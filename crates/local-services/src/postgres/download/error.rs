//! Why PostgreSQL could not be downloaded.

use std::io;
use std::path::{Path, PathBuf};

/// Why PostgreSQL could not be downloaded, and what to do about it. The programs that were there before, if any, are
/// unchanged, and of the download nothing is left.
#[derive(Debug, thiserror::Error)]
pub(in crate::postgres) enum DownloadError {
    #[error(
        "no download exists for this kind of machine ({}, {})",
        std::env::consts::OS,
        std::env::consts::ARCH
    )]
    Unsupported,
    #[error(
        "PostgreSQL needs the system's time zones, and {} is missing: install them (Debian, Ubuntu: apt-get install \
         tzdata)",
        file.display()
    )]
    NoTimeZones { file: PathBuf },
    #[error(
        "it needs glibc {}.{} or newer (Debian 12, Ubuntu 22.04, Fedora 35, RHEL 9), and this system has {}.{}",
        needed.0, needed.1, found.0, found.1
    )]
    OldGlibc {
        needed: (u32, u32),
        found: (u32, u32),
    },
    #[error(
        "POSTGRES_MIRROR is {mirror}, but must be the URL of a folder, such as https://mirror.example.org/wheels (http or \
         https only)"
    )]
    InvalidMirror { mirror: String },
    #[error("this user has no home folder: set XDG_CACHE_HOME to the folder to download it to")]
    NoHome,
    #[error(
        "cannot {what}: {reason}; {} must be writable and have 80 MB of free space: see to that, or set XDG_CACHE_HOME to \
         another folder",
        folder.display()
    )]
    Folder {
        /// The operation, worded to follow "cannot".
        what: String,
        folder: PathBuf,
        reason: io::Error,
    },
    #[error(
        "cannot get {url}: {reason}; check the network connection (a proxy is read from HTTPS_PROXY), or set \
         POSTGRES_MIRROR to the URL of a folder that contains this file"
    )]
    Unreachable { url: String, reason: String },
    #[error("{url} was interrupted after {received} of {size} bytes: {reason}; try again")]
    Interrupted {
        url: String,
        received: u64,
        size: u64,
        reason: io::Error,
    },
    #[error(
        "{url} is not the expected file and was discarded (SHA-256 {actual} instead of {expected}): try again; if that \
         does not help, a proxy or a mirror has changed the file"
    )]
    WrongHash {
        url: String,
        expected: String,
        actual: String,
    },
    #[error(
        "its programs may not be run in {} ({reason}), and were removed again: the file system is probably mounted with \
         noexec; set XDG_CACHE_HOME to a folder on another file system",
        folder.display()
    )]
    NotExecutable { folder: PathBuf, reason: io::Error },
    #[error("it does not run on this system, and was removed again: {reason}")]
    Unusable { reason: String },
}

impl DownloadError {
    /// Returns a function for `map_err` that adds the operation and the folder. `what` is worded to follow "cannot".
    pub(super) fn in_folder(
        what: impl Into<String>,
        folder: &Path,
    ) -> impl FnOnce(io::Error) -> Self {
        let (what, folder) = (what.into(), folder.to_owned());
        move |reason| Self::Folder {
            what,
            folder,
            reason,
        }
    }
}
