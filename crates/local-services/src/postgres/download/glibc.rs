//! Finds out whether the system's glibc is new enough, before anything is downloaded.

use std::process::Command;

use super::error::DownloadError;
use super::package::Package;

/// Returns an error if the system's glibc is too old for a package. If the version cannot be found out, the trial after
/// the download decides.
pub(super) fn require(package: &Package) -> Result<(), DownloadError> {
    let Some(needed) = package.glibc() else {
        return Ok(());
    };
    let output = Command::new("getconf").arg("GNU_LIBC_VERSION").output();
    let found = output
        .ok()
        .and_then(|output| version(&String::from_utf8_lossy(&output.stdout)));
    new_enough(needed, found)
}

fn new_enough(needed: (u32, u32), found: Option<(u32, u32)>) -> Result<(), DownloadError> {
    match found {
        Some(found) if found < needed => Err(DownloadError::OldGlibc { needed, found }),
        _ => Ok(()),
    }
}

/// Returns the version in the output of `getconf`: (2, 36) of `glibc 2.36`.
fn version(output: &str) -> Option<(u32, u32)> {
    let (major, minor) = output.trim().strip_prefix("glibc ")?.split_once('.')?;
    let minor = minor.split('.').next()?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_the_output_of_getconf() {
        assert_eq!(version("glibc 2.36\n"), Some((2, 36)));
        assert_eq!(version("glibc 2.3.4\n"), Some((2, 3)));
        assert_eq!(version("getconf: Unrecognized variable"), None);
        assert_eq!(version(""), None);
    }

    #[test]
    fn an_old_glibc_is_reported_and_an_unknown_one_is_tried() {
        let needed = (2, 34);
        for found in [(2, 31), (2, 9), (1, 99)] {
            let message = new_enough(needed, Some(found)).unwrap_err().to_string();
            let expected = format!("this system has {}.{}", found.0, found.1);
            assert!(message.contains(&expected), "{message}");
            assert!(message.contains("glibc 2.34 or newer"), "{message}");
        }
        for found in [None, Some((2, 34)), Some((2, 41)), Some((3, 0))] {
            new_enough(needed, found).unwrap();
        }
    }
}
