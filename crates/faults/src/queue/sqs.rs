//! A queue of the local SQS, reached without passing through a fault proxy.

use std::collections::BTreeMap;

use anyhow::Context;
use local_services::sqs::LocalSqs;
use queue_tests::Depth;
use serde_json::{Value, json};
use shared_model::job::JobId;

/// A queue of the local SQS, with a dead-letter queue.
#[derive(Debug, Clone)]
pub struct SqsQueue {
    /// Its URL.
    pub url: String,
    /// Its dead-letter queue's URL.
    pub dead_letters: String,
}

impl SqsQueue {
    /// Creates a queue whose name ends with `suffix`. Blocks while the local SQS starts.
    pub(super) fn create(suffix: &str, max_receive_count: u32) -> anyhow::Result<Self> {
        let name = format!("faults-{}", JobId::new());
        let sqs = LocalSqs::shared();
        let url =
            sqs.create_queue_with_dead_letters(&format!("{name}{suffix}"), max_receive_count)?;
        let (base, _) = url
            .rsplit_once('/')
            .context("the queue's URL has no name")?;
        let dead_letters = format!("{base}/{name}-dead-letters{suffix}");
        Ok(Self { url, dead_letters })
    }

    /// Sends a body unchanged.
    ///
    /// # Errors
    /// Returns an error if SQS refuses.
    pub async fn send(&self, body: &str) -> anyhow::Result<()> {
        let message = json!({ "QueueUrl": self.url, "MessageBody": body });
        self.call("SendMessage", message).await.map(drop)
    }

    /// Sends a body to the dead-letter queue.
    ///
    /// # Errors
    /// Returns an error if SQS refuses.
    pub async fn send_to_dead_letters(&self, body: &str) -> anyhow::Result<()> {
        let message = json!({ "QueueUrl": self.dead_letters, "MessageBody": body });
        self.call("SendMessage", message).await.map(drop)
    }

    /// Sends a body to a group of a FIFO queue, and returns SQS's id of the message.
    ///
    /// # Errors
    /// Returns an error if SQS refuses.
    pub async fn send_to_group(&self, body: &str, group: &str) -> anyhow::Result<String> {
        let message = json!({
            "QueueUrl": self.url, "MessageBody": body, "MessageGroupId": group,
            "MessageDeduplicationId": JobId::new().to_string(),
        });
        let answer = self.call("SendMessage", message).await?;
        let id = answer.get("MessageId").and_then(Value::as_str);
        id.map(str::to_owned)
            .context("the answer of SQS has no MessageId")
    }

    /// Receives a message and deletes it without doing its job.
    ///
    /// # Errors
    /// Returns an error if SQS refuses, or if the queue is empty.
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
    /// Returns an error if SQS refuses.
    pub async fn purge(&self) -> anyhow::Result<()> {
        self.call("PurgeQueue", json!({ "QueueUrl": self.url }))
            .await
            .map(drop)
    }

    /// Returns the depth of the queue.
    ///
    /// # Errors
    /// Returns an error if SQS refuses.
    pub async fn depth(&self) -> anyhow::Result<Depth> {
        Self::depth_of(self.url.clone()).await
    }

    /// Returns the depth of the dead-letter queue.
    ///
    /// # Errors
    /// Returns an error if SQS refuses.
    pub async fn dead_letter_depth(&self) -> anyhow::Result<Depth> {
        Self::depth_of(self.dead_letters.clone()).await
    }

    async fn depth_of(url: String) -> anyhow::Result<Depth> {
        let attributes = blocking(move || Ok(LocalSqs::shared().queue_attributes(&url)?)).await?;
        Ok(depth_of(&attributes))
    }

    /// Receives every message from the dead-letter queue and returns the bodies.
    ///
    /// # Errors
    /// Returns an error if SQS refuses.
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

fn depth_of(attributes: &BTreeMap<String, String>) -> Depth {
    let number = |name: &str| {
        attributes
            .get(name)
            .and_then(|value| value.parse().ok())
            .unwrap_or_default()
    };
    Depth {
        waiting: number("ApproximateNumberOfMessages"),
        in_flight: number("ApproximateNumberOfMessagesNotVisible"),
    }
}

async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(call).await?
}
