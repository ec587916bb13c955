//! One driver for all tests, and a browser for each.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use local_services::keeper::{Keeper, KeptChild};
use nix::sys::signal::Signal;
use serde_json::json;
use tempfile::TempDir;
use thirtyfour::prelude::*;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{eventually, needed};

/// Browsers at a time: each is several processes that are busy while a page loads.
const AT_ONCE: usize = 2;
/// What headless browsers need where no display, no GPU and no network is, and where tests may run as root.
const ARGUMENTS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--lang=en-GB",
];

/// A running browser. It has a profile of its own, which goes with it.
pub(crate) struct Browser {
    pub(crate) driver: WebDriver,
    /// Where it downloads to.
    pub(crate) downloads: PathBuf,
    _folder: TempDir,
    _permit: SemaphorePermit<'static>,
}

impl Browser {
    pub(crate) async fn start() -> Self {
        static BROWSERS: Semaphore = Semaphore::const_new(AT_ONCE);
        let permit = BROWSERS.acquire().await.unwrap();
        let folder = TempDir::new().unwrap();
        let mut capabilities = DesiredCapabilities::chrome();
        for argument in ARGUMENTS {
            capabilities.add_arg(argument).unwrap();
        }
        let profile = format!(
            "--user-data-dir={}",
            folder.path().join("profile").display()
        );
        capabilities.add_arg(&profile).unwrap();
        // what the page goes by; `--lang` is the browser's own
        let preferences = json!({ "intl.accept_languages": "en-GB" });
        capabilities
            .add_experimental_option("prefs", preferences)
            .unwrap();
        let driver = WebDriver::new(driver_url().await, capabilities)
            .await
            .unwrap();
        let downloads = folder.path().join("downloads");
        std::fs::create_dir(&downloads).unwrap();
        Self {
            driver,
            downloads,
            _folder: folder,
            _permit: permit,
        }
    }
}

async fn driver_url() -> String {
    static DRIVER: OnceLock<(Mutex<KeptChild>, String)> = OnceLock::new();
    let (_, url) = DRIVER.get_or_init(|| {
        let program = needed("/usr/bin/chromedriver".into(), "run .ci/page-tests");
        let keeper = Keeper {
            signal: Signal::SIGTERM,
            grace: Duration::from_secs(5),
            remove: None,
        };
        let port = local_services::free_port(None).unwrap();
        let mut command = keeper.command(program);
        command
            .arg(format!("--port={port}"))
            .arg("--log-level=OFF")
            .stdout(Stdio::null());
        let child = keeper.spawn(command).unwrap();
        (Mutex::new(child), format!("http://localhost:{port}"))
    });
    let status = format!("{url}/status");
    eventually("the driver answers", async || {
        reqwest::get(&status).await.is_ok()
    })
    .await;
    url.clone()
}
