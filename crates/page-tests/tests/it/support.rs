//! The only place that starts things: the service, the browser.

pub(crate) mod browser;
pub(crate) mod page;
pub(crate) mod service;

use std::path::PathBuf;

pub(crate) use browser::Engine;
pub(crate) use page::{Look, Page};
pub(crate) use service::Service;

/// Cargo's folder for what is built: `target`.
pub(crate) fn target() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(3).unwrap().to_owned()
}

/// A file that is made or installed beforehand.
pub(crate) fn needed(path: PathBuf, how: &str) -> PathBuf {
    assert!(path.exists(), "{} is missing; {how}", path.display());
    path
}
