//! Browsers, each driven over WebDriver by the program that its makers have for that.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use local_services::child_guard::{ChildGuard, StopPolicy};
use local_services::testing::eventually;
use nix::sys::signal::Signal;
use serde_json::json;
use tempfile::TempDir;
use thirtyfour::prelude::*;
use thirtyfour::{Capabilities, ChromeCapabilities};
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};

use super::{needed, target};

/// Browsers at a time: each is several processes that are busy while a page loads.
const AT_ONCE: usize = 2;
/// What headless Chromium needs where no display, no GPU and no network is, and where tests may run as root.
const CHROMIUM_ARGUMENTS: [&str; 10] = [
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
/// How the missing programs come to be there.
const INSTALL: &str = "run .ci/page-tests";

/// Whose browser it is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Engine {
    Chromium,
    Firefox,
    /// What Safari is made of.
    WebKit,
}

/// A running browser. It has a profile of its own, which goes with it.
pub(crate) struct Browser {
    pub(crate) driver: WebDriver,
    /// Where it downloads to, if it is Chromium.
    pub(crate) downloads: PathBuf,
    _folder: TempDir,
    _permit: SemaphorePermit<'static>,
}

impl Browser {
    pub(crate) async fn start(engine: Engine) -> Self {
        static BROWSERS: Semaphore = Semaphore::const_new(AT_ONCE);
        let permit = BROWSERS.acquire().await.unwrap();
        let (driver, folder) = Self::open(engine).await;
        let downloads = folder.path().join("downloads");
        std::fs::create_dir(&downloads).unwrap();
        Self {
            driver,
            downloads,
            _folder: folder,
            _permit: permit,
        }
    }

    /// Now and then a browser does not start in the time that its driver gives it.
    async fn open(engine: Engine) -> (WebDriver, TempDir) {
        let url = engine.driver_url().await;
        let mut starts = 0;
        loop {
            starts += 1;
            let folder = TempDir::new().unwrap();
            let capabilities = engine.capabilities(folder.path());
            match WebDriver::new(&url, capabilities).await {
                Ok(driver) => return (driver, folder),
                Err(error) if starts < 3 => eprintln!("{engine:?} did not start: {error}"),
                Err(error) => panic!("{engine:?} does not start: {error}"),
            }
        }
    }
}

impl Engine {
    fn capabilities(self, folder: &Path) -> Capabilities {
        match self {
            Self::Chromium => chromium(folder).into(),
            Self::Firefox => {
                let mut capabilities = DesiredCapabilities::firefox();
                capabilities.set_headless().unwrap();
                capabilities.into()
            }
            Self::WebKit => {
                let browser = find("/usr/lib", "MiniBrowser");
                let mut capabilities = Capabilities::new();
                let options = json!({ "binary": browser, "args": ["--automation"] });
                capabilities
                    .set("webkitgtk:browserOptions", options)
                    .unwrap();
                capabilities
            }
        }
    }

    /// Where its driver answers. One is enough for all tests.
    async fn driver_url(self) -> String {
        static DRIVERS: [OnceLock<(Mutex<ChildGuard>, u16)>; 3] = [const { OnceLock::new() }; 3];
        let display = match self {
            Self::WebKit => Some(display().await),
            Self::Chromium | Self::Firefox => None,
        };
        let (_, port) = DRIVERS[self as usize].get_or_init(|| {
            let port = local_services::free_port(None).unwrap();
            let program = match self {
                Self::Chromium => "/usr/bin/chromedriver".into(),
                Self::Firefox => target().join("tools/bin/geckodriver"),
                Self::WebKit => "/usr/bin/WebKitWebDriver".into(),
            };
            let mut command = stop_policy().command(needed(program, INSTALL));
            command
                .arg(format!("--port={port}"))
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            // Firefox does not start for root in a home of somebody else's, as containers of CIs have it
            command.env("HOME", target().join("page-tests"));
            if let Some(display) = display {
                command.env("DISPLAY", display);
            }
            (Mutex::new(stop_policy().spawn(command).unwrap()), port)
        });
        let url = format!("http://localhost:{port}");
        let status = format!("{url}/status");
        eventually("the driver answers", async || {
            reqwest::get(&status).await.is_ok()
        })
        .await;
        url
    }
}

fn chromium(folder: &Path) -> ChromeCapabilities {
    let mut capabilities = DesiredCapabilities::chrome();
    for argument in CHROMIUM_ARGUMENTS {
        capabilities.add_arg(argument).unwrap();
    }
    let profile = format!("--user-data-dir={}", folder.join("profile").display());
    capabilities.add_arg(&profile).unwrap();
    // what the page goes by; `--lang` is the browser's own
    let preferences = json!({ "intl.accept_languages": "en-GB" });
    capabilities
        .add_experimental_option("prefs", preferences)
        .unwrap();
    capabilities
}

fn stop_policy() -> StopPolicy {
    StopPolicy {
        signal: Signal::SIGTERM,
        grace: Duration::from_secs(5),
        remove: None,
    }
}

/// A display that nobody sees, for a browser that can't do without.
async fn display() -> String {
    static DISPLAY: OnceLock<(Mutex<ChildGuard>, TempDir)> = OnceLock::new();
    let (_, folder) = DISPLAY.get_or_init(|| {
        let folder = TempDir::new().unwrap();
        let mut command: Command = stop_policy().command(needed("/usr/bin/Xvfb".into(), INSTALL));
        // it takes a number that is free, and says which
        command
            .args(["-displayfd", "1", "-nolisten", "tcp"])
            .args(["-screen", "0", "1400x1000x24"])
            .stdout(File::create(folder.path().join("number")).unwrap())
            .stderr(Stdio::null());
        (Mutex::new(stop_policy().spawn(command).unwrap()), folder)
    });
    let mut number = String::new();
    eventually("the display has a number", async || {
        number = std::fs::read_to_string(folder.path().join("number")).unwrap();
        number.ends_with('\n')
    })
    .await;
    format!(":{}", number.trim())
}

/// The file of this name somewhere below a folder: Debian has one for each kind of processor.
fn find(folder: &str, name: &str) -> PathBuf {
    let output = Command::new("find")
        .args([folder, "-name", name, "-type", "f"])
        .output();
    let paths = String::from_utf8(output.unwrap().stdout).unwrap();
    needed(
        paths.lines().next().unwrap_or(name).to_owned().into(),
        INSTALL,
    )
}
