//! Starts what the tests need: the service and a browser with the page.

pub(crate) mod browser;
pub(crate) mod fetch;
pub(crate) mod page;
pub(crate) mod receiver;
pub(crate) mod recorded;
pub(crate) mod samples;
pub(crate) mod service;

use std::path::PathBuf;

pub(crate) use browser::Engine;
pub(crate) use page::{Emulation, Page};
pub(crate) use service::Service;

/// Returns Cargo's build folder, `target`.
pub(crate) fn target() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(3).unwrap().to_owned()
}

/// Returns the path of a file that must exist already, or fails with `how` to create it.
pub(crate) fn needed(path: PathBuf, how: &str) -> PathBuf {
    assert!(path.exists(), "{} is missing; {how}", path.display());
    path
}
