//! Finds PostgreSQL's programs, or downloads them if they are not installed.

use std::cmp::Reverse;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::account::Account;
use super::download::{self, DownloadError};
use crate::environment;
use crate::error::{Error, io_error};

/// The oldest version that has every feature used here: the tests need `pg_stat_force_next_flush`. The services work with
/// version 13, too.
const OLDEST: u32 = 15;

const WAYS_OUT: &str = "install it:
  Debian, Ubuntu:  apt-get install postgresql
  Fedora, RHEL:    dnf install postgresql-server
  Alpine:          apk add postgresql
  Arch:            pacman -S postgresql
  macOS:           brew install postgresql
or, if it is installed elsewhere, add its bin folder to the PATH";

/// An installation of PostgreSQL's server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Installation {
    bin: PathBuf,
    major: u32,
    /// Whether it was downloaded, and can be downloaded again.
    is_download: bool,
}

impl Installation {
    /// Finds an installation. It looks at `pg_config --bindir`, then at the `PATH`, then at the folders that packages
    /// use, the newest version first. If it finds nothing, it downloads a version that `account` can run.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no installation, or if all are too old, and the download fails.
    pub(super) fn find(account: Option<Account>) -> Result<Self, Error> {
        newest_or_download(installed(), |reason| download::programs(reason, account))
    }

    /// Finds an installation of exactly this major version, because no other version can read its files. If there is
    /// none, it downloads that version, or uses it if it was downloaded before.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no such installation, and no such download.
    pub(super) fn find_major(
        major: u32,
        data: &Path,
        account: Option<Account>,
    ) -> Result<Self, Error> {
        let others = match first(installed(), &|found| found == major) {
            Ok(found) => return Ok(found),
            Err(others) => but_only(&others),
        };
        let created = format!("{} was created by PostgreSQL {major}", data.display());
        if major == download::MAJOR {
            let reason = format!("{created}, which is not installed{others}");
            return download::programs(&reason, account)
                .map(Self::downloaded)
                .map_err(|error| {
                    not_downloaded(
                        &format!("{created}, which was not found{others}"),
                        &error,
                        "install that version, or choose another data folder",
                    )
                });
        }
        let mut earlier = download::earlier(account).into_iter().filter_map(Self::at);
        earlier
            .find(|found| found.major == major)
            .ok_or_else(|| {
                Error::NotInstalled(format!(
                    "{created}, which was not found{others}: install that version, or choose another data folder"
                ))
            })
    }

    /// Returns the path of a program.
    ///
    /// # Errors
    ///
    /// Returns an error if the program is missing. Some systems package the client programs separately.
    pub(super) fn program(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.bin.join(name);
        if !path.is_file() {
            return Err(Error::NotInstalled(format!(
                "{} is missing: install PostgreSQL {}'s client programs too",
                path.display(),
                self.major
            )));
        }
        Ok(path)
    }

    /// Returns the installation in a folder that [`download::programs`] returned.
    pub(super) fn downloaded(bin: PathBuf) -> Self {
        Self {
            bin,
            major: download::MAJOR,
            is_download: true,
        }
    }

    /// Returns an error of its programs, with what to do if a download is damaged: somebody may have removed a part of
    /// it, or a disk may have failed.
    pub(super) fn explain(&self, error: Error) -> Error {
        let way_out = self
            .is_download
            .then(|| download::if_damaged(&self.bin))
            .flatten();
        match (error, way_out) {
            (error @ Error::InUse { .. }, _) | (error, None) => error,
            (error, Some(way_out)) => Error::Failed(format!(
                "{}\n{way_out}",
                crate::error::explain(&error).trim_end()
            )),
        }
    }

    fn at(bin: PathBuf) -> Option<Self> {
        if !bin.join("initdb").is_file() {
            return None;
        }
        let version = output_of(&bin.join("postgres"), "--version").ok()?;
        Some(Self {
            bin,
            major: major_of(&version)?,
            is_download: false,
        })
    }
}

/// Returns the first installation that is new enough. If none is, calls `download` with the reason.
fn newest_or_download(
    installations: impl Iterator<Item = Installation>,
    download: impl FnOnce(&str) -> Result<PathBuf, DownloadError>,
) -> Result<Installation, Error> {
    first(installations, &|major| major >= OLDEST).or_else(|others| {
        let others = but_only(&others);
        download(&format!(
            "PostgreSQL {OLDEST} or newer is not installed{others}"
        ))
        .map(Installation::downloaded)
        .map_err(|error| {
            let missing = format!(
                "PostgreSQL's server (initdb and postgres, version {OLDEST} or newer) was not found{others}"
            );
            not_downloaded(&missing, &error, WAYS_OUT)
        })
    })
}

fn not_downloaded(missing: &str, error: &DownloadError, ways_out: &str) -> Error {
    Error::NotInstalled(format!(
        "{missing}, and PostgreSQL {} could not be downloaded: {error}.\nInstead of downloading it, {ways_out}",
        download::VERSION,
    ))
}

/// Returns the first suitable installation, or all others if none is suitable.
fn first(
    installations: impl Iterator<Item = Installation>,
    suits: &dyn Fn(u32) -> bool,
) -> Result<Installation, Vec<Installation>> {
    let mut others = Vec::new();
    for installation in installations {
        if suits(installation.major) {
            return Ok(installation);
        }
        if !others.contains(&installation) {
            others.push(installation);
        }
    }
    Err(others)
}

fn but_only(others: &[Installation]) -> String {
    let found: Vec<_> = others
        .iter()
        .map(|other| format!("version {} in {}", other.major, other.bin.display()))
        .collect();
    if found.is_empty() {
        return String::new();
    }
    format!(" (but {})", found.join(", "))
}

fn installed() -> impl Iterator<Item = Installation> {
    candidates().filter_map(Installation::at)
}

fn candidates() -> impl Iterator<Item = PathBuf> {
    // On Debian there may be a pg_config without a server, so its folder is only one more candidate.
    let configured = output_of(Path::new("pg_config"), "--bindir").ok();
    let path = environment::variable("PATH").unwrap_or_default();
    let on_path: Vec<_> = std::env::split_paths(&path).collect();
    configured
        .map(|bin| PathBuf::from(bin.trim()))
        .into_iter()
        .chain(on_path)
        .chain(versions_in("/usr/lib/postgresql", "", "bin"))
        .chain(versions_in("/usr", "pgsql-", "bin"))
        .chain(versions_in("/opt/homebrew/opt", "postgresql", "bin"))
        .chain(versions_in("/usr/local/opt", "postgresql", "bin"))
        .chain(versions_in(
            "/Applications/Postgres.app/Contents/Versions",
            "",
            "bin",
        ))
}

/// Returns the folders `parent/<prefix><version>/<bin>`, the newest version first.
fn versions_in(parent: &str, prefix: &str, bin: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(parent) else {
        return Vec::new();
    };
    let mut found: Vec<_> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let version = name.to_str()?.strip_prefix(prefix)?;
            Some((major_of(version), entry.path().join(bin)))
        })
        .collect();
    found.sort_by_key(|(version, _)| Reverse(*version));
    found.into_iter().map(|(_, path)| path).collect()
}

/// Returns the first number in a text: 15 of `postgres (PostgreSQL) 15.8 (Debian 15.8-1)`, 17 of `@17`.
fn major_of(text: &str) -> Option<u32> {
    text.split(|character: char| !character.is_ascii_digit())
        .find_map(|digits| digits.parse().ok())
}

fn output_of(program: &Path, argument: &str) -> Result<String, Error> {
    let output = Command::new(program)
        .arg(argument)
        .output()
        .map_err(io_error(format!("run {}", program.display())))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn installation(bin: &str, major: u32) -> Installation {
        Installation {
            bin: PathBuf::from(bin),
            major,
            is_download: false,
        }
    }

    /// Creates programs that print a version, and returns their folder. Another process writes them: a process that
    /// another test starts at that moment would inherit an open file, and a file that is open cannot be run.
    fn programs(version: &str) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let script = format!("#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n");
        let written = Command::new("/bin/sh")
            .args([
                "-ec",
                "for name in postgres initdb; do echo \"$1\" >$name; chmod +x $name; done",
                "sh",
            ])
            .arg(script)
            .current_dir(folder.path())
            .status();
        assert!(written.unwrap().success());
        folder
    }

    #[test]
    fn the_major_version_is_the_first_number() {
        assert_eq!(
            major_of("postgres (PostgreSQL) 15.8 (Debian 15.8-1)"),
            Some(15)
        );
        assert_eq!(major_of("postgres (PostgreSQL) 18devel"), Some(18));
        assert_eq!(major_of("@17"), Some(17));
        assert_eq!(major_of("latest"), None);
    }

    #[test]
    fn newer_versions_come_first_and_9_is_older_than_15() {
        let folder = tempfile::tempdir().unwrap();
        for version in ["9.6", "16", "15"] {
            fs::create_dir(folder.path().join(version)).unwrap();
        }
        let parent = folder.path().to_str().unwrap();
        let expected = ["16", "15", "9.6"].map(|version| folder.path().join(version).join("bin"));
        assert_eq!(versions_in(parent, "", "bin"), expected);
    }

    #[test]
    fn a_folder_without_the_server_is_no_installation() {
        let client_only = tempfile::tempdir().unwrap();
        fs::write(client_only.path().join("postgres"), "").unwrap();
        assert_eq!(Installation::at(client_only.path().to_owned()), None);
    }

    #[test]
    fn postgresql_14_is_too_old_and_the_reason_for_the_download_names_it() {
        let old = programs("14.19");
        let mut said = String::new();
        let found = newest_or_download(
            Installation::at(old.path().to_owned()).into_iter(),
            |reason| {
                reason.clone_into(&mut said);
                Ok(PathBuf::from("/downloaded"))
            },
        );
        let downloaded = Installation::downloaded(PathBuf::from("/downloaded"));
        assert_eq!(found.unwrap(), downloaded);
        let expected = format!(
            "PostgreSQL 15 or newer is not installed (but version 14 in {})",
            old.path().display()
        );
        assert_eq!(said, expected);
    }

    #[test]
    fn an_installed_postgresql_15_is_used_without_a_download() {
        let new = programs("15.0");
        let found = newest_or_download(
            Installation::at(new.path().to_owned()).into_iter(),
            |reason| panic!("{reason}"),
        );
        assert_eq!(found.unwrap().bin, new.path());
    }

    #[test]
    fn a_failed_download_is_reported_with_the_reason_and_the_ways_to_do_without() {
        let old = installation("/old", 14);
        let error =
            newest_or_download([old].into_iter(), |_| Err(DownloadError::NoHome)).unwrap_err();
        let message = error.to_string();
        for expected in [
            "version 15 or newer) was not found (but version 14 in /old)",
            "PostgreSQL 17.10 could not be downloaded: this user has no home folder",
            "apt-get install postgresql",
        ] {
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn the_first_suitable_installation_is_returned_and_an_old_one_is_named() {
        let (old, new) = (installation("/old", 14), installation("/new", 16));
        let suits = |major| major >= OLDEST;
        let found = first([old.clone(), new.clone()].into_iter(), &suits);
        assert_eq!(found, Ok(new));
        let others = first([old.clone(), old].into_iter(), &suits).unwrap_err();
        assert_eq!(but_only(&others), " (but version 14 in /old)");
    }
}
