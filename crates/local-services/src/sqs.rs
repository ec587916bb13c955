//! A local SQS: [ministack](https://pypi.org/project/ministack/) (MIT), restricted to that one service,
//! on 127.0.0.1 only, with nothing kept on disk; and what it takes to manage its queues.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::OnceLock;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::child_guard::{ChildGuard, StopPolicy};
use crate::environment;
use crate::error::{Error, explain, io_error};
use crate::http;
use crate::ports::free_port;
use crate::waiting::wait_until;

mod venv;

/// The variable by which every AWS SDK is led to another SQS than Amazon's.
pub const ENDPOINT_VARIABLE: &str = "AWS_ENDPOINT_URL_SQS";

/// Where the queues are said to be.
pub const REGION: &str = "us-east-1";

/// What a local SQS most often listens on.
const PORT: u16 = 9324;

/// Tries to find a port that nobody takes before it is used.
const ATTEMPTS: usize = 5;

/// Python reads a few thousand files at the first start, which a busy disk needs time for.
const READY: Duration = Duration::from_mins(1);

/// An SQS endpoint; dropping it stops it if it was started here.
#[derive(Debug)]
pub struct LocalSqs {
    endpoint_url: String,
    // Before the folder, which the server writes to.
    server: Option<ChildGuard>,
    _folder: Option<TempDir>,
}

impl LocalSqs {
    /// Starts a local SQS that keeps its program and its log in `dir`. The first start installs it from
    /// the Python package index, which takes some seconds.
    ///
    /// # Errors
    ///
    /// When Python or its venv module is missing, the package cannot be had, or the server does not
    /// start.
    pub fn start(dir: &Path) -> Result<Self, Error> {
        let dir = fs::create_dir_all(dir)
            .and_then(|()| dir.canonicalize())
            .map_err(io_error(format!("create {}", dir.display())))?;
        Self::start_in(&dir, &dir, None)
    }

    /// Lends the program that all tests share to `dir`, so that a start there need not install it.
    ///
    /// # Errors
    ///
    /// When it can't be had, or `dir` not be written.
    pub fn lend(dir: &Path) -> Result<(), Error> {
        venv::lend(&venv::cargo_target()?, dir)
    }

    /// The endpoint of this test process, started by the first caller. `AWS_ENDPOINT_URL_SQS` names one
    /// that runs already.
    ///
    /// # Panics
    ///
    /// When there is none, with what to do about it.
    #[expect(clippy::panic, reason = "for tests, which can do nothing else")]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<LocalSqs> = OnceLock::new();
        SHARED.get_or_init(|| {
            Self::given_or_temporary().unwrap_or_else(|error| panic!("{}", explain(&error)))
        })
    }

    fn given_or_temporary() -> Result<Self, Error> {
        if let Some(url) = environment::variable(ENDPOINT_VARIABLE) {
            return Ok(Self {
                endpoint_url: url.to_string_lossy().into_owned(),
                server: None,
                _folder: None,
            });
        }
        let folder = tempfile::Builder::new()
            .prefix("sqs-")
            .tempdir()
            .map_err(io_error("create a temporary folder"))?;
        let run_dir = folder.path().to_owned();
        Self::start_in(&venv::cargo_target()?, &run_dir, Some(folder))
    }

    fn start_in(venv_dir: &Path, run_dir: &Path, folder: Option<TempDir>) -> Result<Self, Error> {
        let python = venv::ensure(venv_dir)?;
        let policy = StopPolicy {
            signal: Signal::SIGTERM,
            grace: Duration::from_secs(5),
            remove: folder.as_ref().map(|folder| folder.path().to_owned()),
        };
        // Tests run many at once; only the launcher's has a usual port.
        let preferred = folder.is_none().then_some(PORT);
        for _ in 0..ATTEMPTS {
            let port = free_port(preferred).map_err(io_error("find a free port on 127.0.0.1"))?;
            if let Some(server) = serve(&python, run_dir, &policy, port)? {
                return Ok(Self {
                    endpoint_url: format!("http://{}:{port}", Ipv4Addr::LOCALHOST),
                    server: Some(server),
                    _folder: folder,
                });
            }
        }
        let log = run_dir.join(LOG);
        Err(Error::Failed(format!(
            "the local SQS (ministack) did not start; {} says:\n{}",
            log.display(),
            fs::read_to_string(&log).unwrap_or_default()
        )))
    }

    /// Where it listens, as `http://127.0.0.1:9324`.
    pub fn endpoint_url(&self) -> &str {
        &self.endpoint_url
    }

    /// The variables by which a process with an AWS SDK comes here. Any key and secret will do.
    pub fn environment(&self) -> [(&'static str, String); 4] {
        [
            (ENDPOINT_VARIABLE, self.endpoint_url.clone()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", "local".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
        ]
    }

    /// How the server ended, if it did so by itself.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.server.as_mut()?.try_wait().ok().flatten()
    }

    /// Creates a queue and gives its URL. A name that ends in `.fifo` makes a FIFO queue.
    ///
    /// # Errors
    ///
    /// When the endpoint refuses, or the queue exists with other attributes.
    pub fn create_queue(&self, name: &str, attributes: &[(&str, &str)]) -> Result<String, Error> {
        let mut attributes: BTreeMap<_, _> = attributes.iter().copied().collect();
        if is_fifo(name) {
            attributes.insert("FifoQueue", "true");
        }
        let answer = self.call(
            "CreateQueue",
            &json!({ "QueueName": name, "Attributes": attributes }),
        )?;
        text(&answer, "QueueUrl")
    }

    /// Creates a queue whose messages move to another after `max_receive_count` receives:
    /// `ical-dead-letters` for `ical`, `ical-dead-letters.fifo` for `ical.fifo`. Gives the first one's
    /// URL.
    ///
    /// # Errors
    ///
    /// When the endpoint refuses, or a queue exists with other attributes.
    pub fn create_queue_with_dead_letters(
        &self,
        name: &str,
        max_receive_count: u32,
    ) -> Result<String, Error> {
        let dead_letters = self.create_queue(&dead_letter_name(name), &[])?;
        let arn = self
            .queue_attributes(&dead_letters)?
            .remove("QueueArn")
            .unwrap_or_default();
        let redrive_policy =
            json!({ "deadLetterTargetArn": arn, "maxReceiveCount": max_receive_count });
        self.create_queue(name, &[("RedrivePolicy", &redrive_policy.to_string())])
    }

    /// Deletes a queue and what is in it.
    ///
    /// # Errors
    ///
    /// When the endpoint refuses.
    pub fn delete_queue(&self, url: &str) -> Result<(), Error> {
        self.call("DeleteQueue", &json!({ "QueueUrl": url }))?;
        Ok(())
    }

    /// All attributes of a queue, as SQS names them.
    ///
    /// # Errors
    ///
    /// When the endpoint refuses.
    pub fn queue_attributes(&self, url: &str) -> Result<BTreeMap<String, String>, Error> {
        let answer = self.call(
            "GetQueueAttributes",
            &json!({ "QueueUrl": url, "AttributeNames": ["All"] }),
        )?;
        let attributes = answer.get("Attributes").cloned().unwrap_or_default();
        serde_json::from_value(attributes)
            .map_err(|error| Error::Failed(format!("SQS answered {answer}: {error}")))
    }

    /// One call of [SQS's JSON protocol](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-json-api.html):
    /// `action` as `CreateQueue`, its parameters and its answer.
    ///
    /// # Errors
    ///
    /// When the endpoint cannot be reached or refuses; the message holds its answer.
    pub fn call(&self, action: &str, parameters: &Value) -> Result<Value, Error> {
        let target = format!("AmazonSQS.{action}");
        // Nobody here checks the signature, but some read the region off it.
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=local/20260101/{REGION}/sqs/aws4_request, \
             SignedHeaders=host, Signature=0"
        );
        let headers = [
            ("Content-Type", "application/x-amz-json-1.0"),
            ("X-Amz-Target", &target),
            ("Authorization", &authorization),
        ];
        let http::Answer { status, body } =
            http::post(&self.endpoint_url, &headers, &parameters.to_string()).map_err(io_error(
                format!(
                    "reach the SQS endpoint ({ENDPOINT_VARIABLE}={})",
                    self.endpoint_url
                ),
            ))?;
        if status != 200 {
            return Err(Error::Failed(format!(
                "SQS refuses {action} {parameters} with {status}: {body}"
            )));
        }
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&body)
            .map_err(|error| Error::Failed(format!("SQS answered {action} with {body}: {error}")))
    }
}

const LOG: &str = "ministack.log";

/// Starts the server and waits until it answers; `None` when it ends before, as when its port was taken.
fn serve(
    python: &Path,
    run_dir: &Path,
    policy: &StopPolicy,
    port: u16,
) -> Result<Option<ChildGuard>, Error> {
    let path = run_dir.join(LOG);
    let log = File::create(&path).map_err(io_error(format!("create {}", path.display())))?;
    let errors = log.try_clone().map_err(io_error("share the log"))?;
    let mut command = policy.command(python);
    command
        .args(["-m", "ministack"])
        // Only what is named here: other variables change what it starts, keeps and where it listens.
        .env_clear()
        .envs(
            ["PATH", "LD_LIBRARY_PATH"]
                .iter()
                .filter_map(|name| environment::variable(name).map(|value| (name, value))),
        )
        .env("BIND_HOST", Ipv4Addr::LOCALHOST.to_string())
        .env("GATEWAY_PORT", port.to_string())
        .env("SERVICES", "sqs")
        // These two would open ports of their own, on every interface.
        .env("SFTP_ENABLED", "0")
        .env("IOT_MTLS_ENABLED", "0")
        .env("LOG_LEVEL", "WARNING")
        // For its process id file.
        .env("TMPDIR", run_dir)
        .current_dir(run_dir)
        .stdout(log)
        .stderr(errors);
    let mut server = policy
        .spawn(command)
        .map_err(io_error("start the local SQS (ministack)"))?;
    let url = format!("http://{}:{port}/_ministack/health", Ipv4Addr::LOCALHOST);
    let answers = wait_until(READY, || match server.try_wait() {
        Ok(Some(_)) => Ok(Some(false)),
        Ok(None) => Ok(is_healthy(&url).then_some(true)),
        Err(error) => Err(io_error("watch the local SQS (ministack)")(error)),
    })?;
    Ok((answers == Some(true)).then_some(server))
}

fn is_healthy(url: &str) -> bool {
    http::get(url).is_ok_and(|answer| answer.status == 200)
}

/// The name of a queue's dead-letter queue, which must be of the same type.
fn dead_letter_name(name: &str) -> String {
    match name.strip_suffix(".fifo") {
        Some(stem) => format!("{stem}-dead-letters.fifo"),
        None => format!("{name}-dead-letters"),
    }
}

fn is_fifo(name: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|extension| extension == "fifo")
}

fn text(answer: &Value, member: &str) -> Result<String, Error> {
    answer
        .get(member)
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| Error::Failed(format!("SQS answered {answer}, which has no {member}")))
}
