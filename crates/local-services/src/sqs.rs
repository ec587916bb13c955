//! A local SQS endpoint: [ministack](https://pypi.org/project/ministack/) (MIT), restricted to SQS and SNS, on 127.0.0.1
//! only, with nothing stored on disk.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::OnceLock;
use std::time::Duration;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::child_guard::{ChildGuard, StopPolicy};
use crate::environment;
use crate::error::{Error, explain, io_error};
use crate::ports::free_port;

mod queues;
mod server;
mod venv;

/// The variable that points every AWS SDK to another SQS endpoint than Amazon's.
pub const ENDPOINT_VARIABLE: &str = "AWS_ENDPOINT_URL_SQS";

/// The region of the local queues.
pub const REGION: &str = "us-east-1";

/// The port that local SQS servers usually listen on.
const PORT: u16 = 9324;

/// How many times a start is attempted: another process may take the free port before the server does.
const ATTEMPTS: usize = 5;

/// An SQS endpoint. If it was started here, dropping it stops it.
#[derive(Debug)]
pub struct LocalSqs {
    endpoint_url: String,
    // Declared before the folder, because the server writes to it until it is dropped.
    server: Option<ChildGuard>,
    _folder: Option<TempDir>,
}

impl LocalSqs {
    /// Starts a local SQS endpoint that keeps its program and its log in `dir`. The first start installs the program
    /// from the Python package index, which takes some seconds.
    ///
    /// # Errors
    ///
    /// Returns an error if Python or its venv module is missing, if the package cannot be downloaded, or if the server
    /// does not start.
    pub fn start(dir: &Path) -> Result<Self, Error> {
        let dir = fs::create_dir_all(dir)
            .and_then(|()| dir.canonicalize())
            .map_err(io_error(format!("create {}", dir.display())))?;
        Self::start_in(&dir, &dir, None)
    }

    /// Links the program that all tests share into `dir`, so that a start in `dir` does not install it again.
    ///
    /// # Errors
    ///
    /// Returns an error if the program cannot be installed, or if `dir` is not writable.
    pub fn link_program(dir: &Path) -> Result<(), Error> {
        venv::link(&venv::cargo_target()?, dir)
    }

    /// Returns the endpoint of this test process. The first call starts it, unless `AWS_ENDPOINT_URL_SQS` names one
    /// that is already running.
    ///
    /// # Panics
    ///
    /// Panics if the endpoint cannot be started. The message says what to do about it.
    #[expect(clippy::panic, reason = "for tests, which can do nothing else")]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<LocalSqs> = OnceLock::new();
        SHARED.get_or_init(|| {
            Self::given_or_temporary().unwrap_or_else(|error| panic!("{}", explain(&error)))
        })
    }

    /// Starts a local SQS endpoint for a short time. The program is kept in the user's cache folder, and is installed from the
    /// Python package index if it is not there. The log is in a temporary folder.
    ///
    /// # Errors
    ///
    /// Returns an error if Python or its venv module is missing, if the package cannot be downloaded, or if the server
    /// does not start.
    pub fn temporary() -> Result<Self, Error> {
        let caches = environment::variable("XDG_CACHE_HOME").map(PathBuf::from);
        let caches = caches.or_else(|| Some(std::env::home_dir()?.join(".cache")));
        let cache = caches
            .unwrap_or_else(std::env::temp_dir)
            .join("taskoverflow");
        fs::create_dir_all(&cache).map_err(io_error(format!("create {}", cache.display())))?;
        let (run_dir, folder) = temporary_folder()?;
        Self::start_in(&cache, &run_dir, Some(folder))
    }

    fn given_or_temporary() -> Result<Self, Error> {
        if let Some(url) = environment::variable(ENDPOINT_VARIABLE) {
            return Ok(Self {
                endpoint_url: url.to_string_lossy().into_owned(),
                server: None,
                _folder: None,
            });
        }
        let (run_dir, folder) = temporary_folder()?;
        Self::start_in(&venv::cargo_target()?, &run_dir, Some(folder))
    }

    fn start_in(venv_dir: &Path, run_dir: &Path, folder: Option<TempDir>) -> Result<Self, Error> {
        let python = venv::ensure(venv_dir)?;
        let policy = StopPolicy {
            signal: Signal::SIGTERM,
            grace: Duration::from_secs(5),
            remove: folder.as_ref().map(|folder| folder.path().to_owned()),
        };
        // Only the launcher uses the usual port: many test processes may run at the same time.
        let preferred = folder.is_none().then_some(PORT);
        for _ in 0..ATTEMPTS {
            let port = free_port(preferred).map_err(io_error("find a free port on 127.0.0.1"))?;
            if let Some(server) = server::start(&python, run_dir, &policy, port)? {
                return Ok(Self {
                    endpoint_url: format!("http://{}:{port}", Ipv4Addr::LOCALHOST),
                    server: Some(server),
                    _folder: folder,
                });
            }
        }
        Err(server::failure(run_dir))
    }

    /// Returns the URL of the endpoint, such as `http://127.0.0.1:9324`.
    pub fn endpoint_url(&self) -> &str {
        &self.endpoint_url
    }

    /// Returns the environment variables that make an AWS SDK use this endpoint. It accepts any key and secret.
    pub fn environment(&self) -> [(&'static str, String); 4] {
        [
            (ENDPOINT_VARIABLE, self.endpoint_url.clone()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", "local".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
        ]
    }

    /// Returns the exit status of a server that ended without being stopped.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.server.as_mut()?.try_wait().ok().flatten()
    }
}

fn temporary_folder() -> Result<(PathBuf, TempDir), Error> {
    let folder = tempfile::Builder::new()
        .prefix("sqs-")
        .tempdir()
        .map_err(io_error("create a temporary folder"))?;
    Ok((folder.path().to_owned(), folder))
}
