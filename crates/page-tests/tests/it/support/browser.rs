//! Browsers, driven over `WebDriver` by their own driver programs.

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

/// The number of browsers that run in parallel. Each one is several processes, which are busy while a page loads. Only one
/// test may use two browsers at the same time: several would wait for each other's second one.
const MAX_BROWSERS: usize = 2;
/// The flags for Chromium on a machine without a display, GPU or network, where the tests may run as root. The names of
/// other sites resolve to this machine.
const CHROMIUM_ARGUMENTS: [&str; 11] = [
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
    "--host-resolver-rules=MAP *.example 127.0.0.1",
];
/// How to install missing programs.
const INSTALL: &str = "run .ci/page-tests";

/// The engine of a browser.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Engine {
    Chromium,
    Firefox,
    /// Safari's engine.
    WebKit,
}

/// A running browser with a temporary profile of its own.
pub(crate) struct Browser {
    pub(crate) driver: WebDriver,
    /// The download folder; only Chromium uses it.
    pub(crate) downloads: PathBuf,
    _folder: TempDir,
    _permit: SemaphorePermit<'static>,
}

impl Browser {
    pub(crate) async fn start(engine: Engine) -> Self {
        static BROWSERS: Semaphore = Semaphore::const_new(MAX_BROWSERS);
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

    /// Starts the browser. On a busy machine it occasionally takes longer than its driver waits, so there are three
    /// attempts.
    async fn open(engine: Engine) -> (WebDriver, TempDir) {
        let url = engine.driver_url().await;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let folder = TempDir::new().unwrap();
            let capabilities = engine.capabilities(folder.path());
            match WebDriver::new(&url, capabilities).await {
                Ok(driver) => return (driver, folder),
                Err(error) if attempts < 3 => eprintln!("{engine:?} did not start: {error}"),
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

    /// Returns the URL of the browser's driver, which is started once for all tests.
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
            // as root, Firefox refuses a home folder that belongs to another user, as CI containers have it
            command.env("HOME", target().join("page-tests"));
            if let Some(display) = display {
                command.env("DISPLAY", display);
            }
            (Mutex::new(stop_policy().spawn(command).unwrap()), port)
        });
        let url = format!("http://localhost:{port}");
        let status = format!("{url}/status");
        eventually("the driver is ready", async || {
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
    // sets `navigator.languages`; `--lang` sets the language of the browser itself
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

/// Returns the name of a virtual display, for a browser that can't run headless.
async fn display() -> String {
    static DISPLAY: OnceLock<(Mutex<ChildGuard>, TempDir)> = OnceLock::new();
    let (_, folder) = DISPLAY.get_or_init(|| {
        let folder = TempDir::new().unwrap();
        let mut command: Command = stop_policy().command(needed("/usr/bin/Xvfb".into(), INSTALL));
        // it chooses a free display number and writes it to its output
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

/// Returns the path of a file below a folder. Debian's path depends on the processor architecture.
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
