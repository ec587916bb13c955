//! The only place that starts things: the service, the browser.

pub(crate) mod browser;
pub(crate) mod page;
pub(crate) mod service;

use std::path::PathBuf;
use std::time::{Duration, Instant};

pub(crate) use browser::Engine;
pub(crate) use page::{Look, Page};
pub(crate) use service::Service;

/// Nothing here takes so long unless it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Asks until it is so. The browser and the processes tell nobody when they are done.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

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
