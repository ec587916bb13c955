//! The SQS endpoint, and the queue in it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;
use local_services::sqs::{ENDPOINT_VARIABLE, LocalSqs, REGION};
use serde_json::{Value, json};

use super::super::process::{Process, free_address};
use super::NAME;
use crate::http::Connection;
use crate::options::{QueueKind, SqsEndpoint, SystemOptions};

/// A queue of an SQS endpoint.
#[derive(Debug)]
pub struct SqsQueue {
    address: SocketAddr,
    url: String,
    /// The process of the built-in stub.
    stub: Option<Process>,
    _ministack: Option<LocalSqs>,
}

impl SqsQueue {
    /// Starts the endpoint, if it is not running yet, and creates the queue.
    ///
    /// # Errors
    /// Returns an error if the endpoint does not start or refuses.
    pub(super) async fn start(executable: &Path, options: &SystemOptions) -> anyhow::Result<Self> {
        let is_fifo = options.queue == QueueKind::SqsFifo;
        let suffix = if is_fifo { ".fifo" } else { "" };
        let mut queue = Self::connect(executable, options).await?;
        let mut parameters = json!({ "QueueName": format!("{NAME}{suffix}") });
        if is_fifo && let Some(members) = parameters.as_object_mut() {
            members.insert("Attributes".to_owned(), json!({ "FifoQueue": "true" }));
        }
        let created = queue.call("CreateQueue", &parameters).await?;
        let url = created.get("QueueUrl").and_then(Value::as_str);
        url.context("CreateQueue returned no URL")?
            .clone_into(&mut queue.url);
        Ok(queue)
    }

    async fn connect(executable: &Path, options: &SystemOptions) -> anyhow::Result<Self> {
        let (mut stub, mut ministack) = (None, None);
        let address = match &options.sqs_endpoint {
            Some(SqsEndpoint::Address(address)) => *address,
            Some(SqsEndpoint::Ministack) => {
                let folder = options.out.join("ministack");
                let start = move || LocalSqs::start(&folder);
                let sqs = tokio::task::spawn_blocking(start).await??;
                let address = sqs.endpoint_url().trim_start_matches("http://").parse()?;
                ministack = Some(sqs);
                address
            }
            None => {
                let address = free_address()?;
                let arguments = ["sqs-stub", "--address", &address.to_string()];
                let process = Process::start(executable, &arguments, &[], address)?;
                process.wait_until_ready("/calls").await?;
                stub = Some(process);
                address
            }
        };
        Ok(Self {
            address,
            url: String::new(),
            stub,
            _ministack: ministack,
        })
    }

    /// Returns the settings that make a process use this queue.
    pub(super) fn settings(&self) -> Vec<(String, String)> {
        [
            ("QUEUE_URL", self.url.as_str()),
            (ENDPOINT_VARIABLE, &format!("http://{}", self.address)),
            ("AWS_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// Returns how many messages the queue contains.
    ///
    /// # Errors
    /// Returns an error if the endpoint does not answer.
    pub(crate) async fn messages(&self) -> anyhow::Result<u64> {
        let parameters = json!({
            "QueueUrl": self.url,
            "AttributeNames": ["ApproximateNumberOfMessages"],
        });
        let answer = self.call("GetQueueAttributes", &parameters).await?;
        let messages = answer
            .pointer("/Attributes/ApproximateNumberOfMessages")
            .and_then(Value::as_str)
            .unwrap_or_default();
        Ok(messages.parse()?)
    }

    /// Returns the process id of the built-in stub.
    pub(super) fn stub_pid(&self) -> Option<u32> {
        self.stub.as_ref().map(Process::pid)
    }

    /// Returns how many calls of each action the stub has answered that move messages. Empty for another endpoint, which
    /// does not count them.
    ///
    /// # Errors
    /// Returns an error if the stub does not answer.
    pub(super) async fn calls(&self) -> anyhow::Result<BTreeMap<String, u64>> {
        if self.stub.is_none() {
            return Ok(BTreeMap::new());
        }
        let mut connection = Connection::open(self.address).await?;
        let response = connection.get("/calls").await?;
        let mut calls: BTreeMap<String, u64> = serde_json::from_slice(response.body)?;
        calls.retain(|action, _| action.contains("Message"));
        Ok(calls)
    }

    async fn call(&self, action: &str, parameters: &Value) -> anyhow::Result<Value> {
        let headers = format!(
            "content-type: application/x-amz-json-1.0\r\nx-amz-target: AmazonSQS.{action}\r\n\
             authorization: AWS4-HMAC-SHA256 Credential=local/20260101/{REGION}/sqs/aws4_request, \
             SignedHeaders=host, Signature=0\r\n"
        );
        let mut connection = Connection::open(self.address).await?;
        let response = connection
            .post("/", &headers, &parameters.to_string())
            .await?;
        let body = String::from_utf8_lossy(response.body).into_owned();
        anyhow::ensure!(response.status == 200, "{action} was refused: {body}");
        Ok(serde_json::from_str(&body)?)
    }
}
