//! Finds PostgreSQL's programs.

use std::cmp::Reverse;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::environment;
use crate::error::{Error, io_error};

/// The oldest version that has every feature used here. PostgreSQL itself no longer supports it.
const OLDEST: u32 = 13;

const WAYS_OUT: &str = "install it:
  Debian, Ubuntu:  apt-get install postgresql
  Fedora, RHEL:    dnf install postgresql-server
  Alpine:          apk add postgresql
  Arch:            pacman -S postgresql
  macOS:           brew install postgresql
or, if it is installed elsewhere, add its bin folder to the PATH;
or use a server that is already running: DATABASE_URL=postgres://user:password@host/database";

/// An installation of PostgreSQL's server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Installation {
    bin: PathBuf,
    major: u32,
}

impl Installation {
    /// Finds an installation. It looks at `pg_config --bindir`, then at the `PATH`, then at the folders that packages
    /// use, the newest version first.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no installation, or if all are too old.
    pub(super) fn find() -> Result<Self, Error> {
        first(installed(), &|major| major >= OLDEST).map_err(|others| {
            Error::NotInstalled(format!(
                "PostgreSQL's server (initdb and postgres, version {OLDEST} or newer) was not \
                 found{}; {WAYS_OUT}",
                but_only(&others)
            ))
        })
    }

    /// Finds an installation of exactly this major version, because no other version can read its files.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no such installation.
    pub(super) fn find_major(major: u32, data: &Path) -> Result<Self, Error> {
        first(installed(), &|found| found == major).map_err(|others| {
            Error::NotInstalled(format!(
                "{} was created by PostgreSQL {major}, which was not found{}: install that version, or \
                 choose another data folder",
                data.display(),
                but_only(&others)
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

    fn at(bin: PathBuf) -> Option<Self> {
        if !bin.join("initdb").is_file() {
            return None;
        }
        let version = output_of(&bin.join("postgres"), "--version").ok()?;
        Some(Self {
            bin,
            major: major_of(&version)?,
        })
    }
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
    use super::*;

    fn installation(bin: &str, major: u32) -> Installation {
        Installation {
            bin: PathBuf::from(bin),
            major,
        }
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
    fn newer_versions_come_first_and_9_is_older_than_13() {
        let folder = tempfile::tempdir().unwrap();
        for version in ["9.6", "15", "13"] {
            fs::create_dir(folder.path().join(version)).unwrap();
        }
        let parent = folder.path().to_str().unwrap();
        let expected = ["15", "13", "9.6"].map(|version| folder.path().join(version).join("bin"));
        assert_eq!(versions_in(parent, "", "bin"), expected);
    }

    #[test]
    fn a_folder_without_the_server_is_no_installation() {
        let client_only = tempfile::tempdir().unwrap();
        fs::write(client_only.path().join("postgres"), "").unwrap();
        assert_eq!(Installation::at(client_only.path().to_owned()), None);
    }

    #[test]
    fn the_first_suitable_installation_is_returned_and_an_old_one_is_named() {
        let (old, new) = (installation("/old", 12), installation("/new", 16));
        let suits = |major| major >= OLDEST;
        let found = first([old.clone(), new.clone()].into_iter(), &suits);
        assert_eq!(found, Ok(new));
        let others = first([old.clone(), old].into_iter(), &suits).unwrap_err();
        assert_eq!(but_only(&others), " (but version 12 in /old)");
    }
}
