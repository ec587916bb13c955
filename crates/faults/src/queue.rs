//! The run's queue, past every fault.

use std::collections::BTreeMap;

use anyhow::Context;
use local_services::sqs::LocalSqs;
use serde_json::{Value, json};
use shared_model::job::JobId;

/// Receives before SQS moves a message to the dead-letter queue: well above the attempts at a job.
const MAX_RECEIVE_COUNT: u32 = 20;

/// Which queue a run is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum QueueKind {
    /// The jobs' own table.
    #[value(name = "postgres:")]
    Postgres,
    /// A standard queue.
    Sqs,
    /// A FIFO queue.
    SqsFifo,
}

/// A queue that nobody else uses.
#[derive(Debug, Clone)]
pub enum Queue {
    /// The jobs' own table.
    Postgres,
    /// One of the local SQS.
    Sqs(SqsQueue),
}

/// A queue of the local SQS, with a dead-letter queue.
#[derive(Debug, Clone)]
pub struct SqsQueue {
    /// Its URL.
    pub url: String,
    /// Its dead-letter queue's URL.
    pub dead_letters: String,
}

impl Queue {
    /// Makes a queue. Blocks while the local SQS starts.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn create(kind: QueueKind) -> anyhow::Result<Self> {
        Self::create_with(kind, MAX_RECEIVE_COUNT)
    }

    /// Makes a queue that gives messages up after so many receives.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn create_with(kind: QueueKind, max_receive_count: u32) -> anyhow::Result<Self> {
        let suffix = match kind {
            QueueKind::Postgres => return Ok(Self::Postgres),
            QueueKind::Sqs => "",
            QueueKind::SqsFifo => ".fifo",
        };
        let name = format!("faults-{}", JobId::new());
        let sqs = LocalSqs::shared();
        let url =
            sqs.create_queue_with_dead_letters(&format!("{name}{suffix}"), max_receive_count)?;
        let (base, _) = url
            .rsplit_once('/')
            .context("the queue's URL has no name")?;
        let dead_letters = format!("{base}/{name}-dead-letters{suffix}");
        Ok(Self::Sqs(SqsQueue { url, dead_letters }))
    }

    /// As `QUEUE_URL` names it.
    pub fn url(&self) -> &str {
        match self {
            Self::Postgres => "postgres:",
            Self::Sqs(queue) => &queue.url,
        }
    }

    /// The SQS queue.
    ///
    /// # Errors
    /// When it is none.
    pub fn sqs(&self) -> anyhow::Result<&SqsQueue> {
        match self {
            Self::Postgres => anyhow::bail!("this run has no SQS queue"),
            Self::Sqs(queue) => Ok(queue),
        }
    }
}

impl SqsQueue {
    /// Sends a body as it is.
    ///
    /// # Errors
    /// When SQS refuses.
    pub async fn send(&self, body: &str) -> anyhow::Result<()> {
        let message = json!({ "QueueUrl": self.url, "MessageBody": body });
        self.call("SendMessage", message).await.map(drop)
    }

    /// Puts a body into the dead-letter queue.
    ///
    /// # Errors
    /// When SQS refuses.
    pub async fn send_to_dead_letters(&self, body: &str) -> anyhow::Result<()> {
        let message = json!({ "QueueUrl": self.dead_letters, "MessageBody": body });
        self.call("SendMessage", message).await.map(drop)
    }

    /// Sends a body to a group of a FIFO queue, and gives SQS's name for the message.
    ///
    /// # Errors
    /// When SQS refuses.
    pub async fn send_to_group(&self, body: &str, group: &str) -> anyhow::Result<String> {
        let message = json!({
            "QueueUrl": self.url, "MessageBody": body, "MessageGroupId": group,
            "MessageDeduplicationId": JobId::new().to_string(),
        });
        let answer = self.call("SendMessage", message).await?;
        let id = answer.get("MessageId").and_then(Value::as_str);
        id.map(str::to_owned).context("SQS names no message")
    }

    /// Receives a message and deletes it, as somebody might by mistake.
    ///
    /// # Errors
    /// When SQS refuses, or the queue is empty.
    pub async fn delete_one(&self) -> anyhow::Result<()> {
        let answer = self
            .call("ReceiveMessage", json!({ "QueueUrl": self.url }))
            .await?;
        let handle = answer.pointer("/Messages/0/ReceiptHandle");
        let handle = handle.context("the queue is empty")?;
        let delete = json!({ "QueueUrl": self.url, "ReceiptHandle": handle });
        self.call("DeleteMessage", delete).await.map(drop)
    }

    /// Deletes every message.
    ///
    /// # Errors
    /// When SQS refuses.
    pub async fn purge(&self) -> anyhow::Result<()> {
        self.call("PurgeQueue", json!({ "QueueUrl": self.url }))
            .await
            .map(drop)
    }

    /// How many messages wait, and how many some worker has.
    ///
    /// # Errors
    /// When SQS refuses.
    pub async fn depth(&self) -> anyhow::Result<Depth> {
        Self::depth_of(self.url.clone()).await
    }

    /// The same for the dead-letter queue.
    ///
    /// # Errors
    /// When SQS refuses.
    pub async fn dead_letter_depth(&self) -> anyhow::Result<Depth> {
        Self::depth_of(self.dead_letters.clone()).await
    }

    async fn depth_of(url: String) -> anyhow::Result<Depth> {
        let attributes = blocking(move || Ok(LocalSqs::shared().queue_attributes(&url)?)).await?;
        Ok(Depth::of(&attributes))
    }

    /// Takes every body out of the dead-letter queue.
    ///
    /// # Errors
    /// When SQS refuses.
    pub async fn take_dead_letters(&self) -> anyhow::Result<Vec<String>> {
        let mut bodies = Vec::new();
        loop {
            let receive = json!({ "QueueUrl": self.dead_letters, "MaxNumberOfMessages": 10, "VisibilityTimeout": 600 });
            let answer = self.call("ReceiveMessage", receive).await?;
            let messages = answer.get("Messages").and_then(Value::as_array);
            let body = |message: &Value| Some(message.get("Body")?.as_str()?.to_owned());
            let more: Vec<_> = messages.into_iter().flatten().filter_map(body).collect();
            if more.is_empty() {
                return Ok(bodies);
            }
            bodies.extend(more);
        }
    }

    async fn call(&self, action: &'static str, parameters: Value) -> anyhow::Result<Value> {
        blocking(move || Ok(LocalSqs::shared().call(action, &parameters)?)).await
    }
}

/// How full a queue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// Messages that wait for a worker.
    pub waiting: u32,
    /// Messages that a worker has.
    pub in_flight: u32,
}

impl Depth {
    /// All messages.
    pub fn all(self) -> u32 {
        self.waiting + self.in_flight
    }

    fn of(attributes: &BTreeMap<String, String>) -> Self {
        let number = |name: &str| {
            attributes
                .get(name)
                .and_then(|value| value.parse().ok())
                .unwrap_or_default()
        };
        Self {
            waiting: number("ApproximateNumberOfMessages"),
            in_flight: number("ApproximateNumberOfMessagesNotVisible"),
        }
    }
}

async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(call).await?
}
