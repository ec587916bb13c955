//! SQS queues and their messages.

use local_services::sqs::LocalSqs;
use serde_json::json;
use shared_model::job::{Job, JobId};
use shared_model::message::{JobMessage, MESSAGE_VERSION};

use super::{Database, Worker};

const VISIBLE: &str = "ApproximateNumberOfMessages";

/// An SQS queue with its dead-letter queue.
pub(crate) struct Sqs {
    pub(crate) url: String,
    pub(crate) is_fifo: bool,
    environment: Vec<(&'static str, String)>,
}

impl Sqs {
    pub(crate) fn new(suffix: &str, max_receive_count: u32) -> Self {
        let name = format!("worker-{}{suffix}", JobId::new());
        let url = LocalSqs::shared()
            .create_queue_with_dead_letters(&name, max_receive_count)
            .unwrap();
        Self {
            is_fifo: !suffix.is_empty(),
            url,
            environment: LocalSqs::shared().environment().to_vec(),
        }
    }

    fn settings(&self) -> Vec<(&str, &str)> {
        self.environment
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect()
    }

    pub(crate) fn start_worker(&self, database: &Database, more: &[(&str, &str)]) -> Worker {
        let settings = [self.settings(), more.to_vec()].concat();
        Worker::start(database, &self.url, &settings)
    }

    pub(crate) fn send(&self, body: &str) {
        let message = json!({ "QueueUrl": self.url, "MessageBody": body });
        LocalSqs::shared().call("SendMessage", &message).unwrap();
    }

    /// Sends a job's message with a message group.
    pub(crate) fn send_in_group(&self, job: &Job, group: &str) {
        let mut message = json!({
            "QueueUrl": self.url, "MessageBody": body_of(job), "MessageGroupId": group,
        });
        if self.is_fifo {
            message["MessageDeduplicationId"] = json!(job.id.to_string());
        }
        LocalSqs::shared().call("SendMessage", &message).unwrap();
    }

    /// Puts a job's message into the dead-letter queue.
    pub(crate) fn send_dead_letter(&self, job: &Job) {
        let message = json!({ "QueueUrl": self.dead_letters_url(), "MessageBody": body_of(job) });
        LocalSqs::shared().call("SendMessage", &message).unwrap();
    }

    /// Returns how many messages are in the dead-letter queue.
    pub(crate) fn count_dead_letters(&self) -> u32 {
        count(&self.dead_letters_url())
    }

    /// Returns how many messages are in the queue, hidden or not.
    pub(crate) fn count(&self) -> u32 {
        count(&self.url)
    }

    /// Returns how many messages a poll could receive now.
    pub(crate) fn count_visible(&self) -> u32 {
        number(&self.url, VISIBLE)
    }

    fn dead_letters_url(&self) -> String {
        let (base, name) = self.url.rsplit_once('/').unwrap();
        format!("{base}/{name}-dead-letters")
    }

    pub(crate) fn send_job(&self, job: &Job) {
        self.send(&body_of(job));
    }
}

fn count(url: &str) -> u32 {
    number(url, VISIBLE) + number(url, "ApproximateNumberOfMessagesNotVisible")
}

fn number(url: &str, attribute: &str) -> u32 {
    let attributes = LocalSqs::shared().queue_attributes(url).unwrap();
    attributes[attribute].parse().unwrap()
}

/// The body of the message that refers to a job.
fn body_of(job: &Job) -> String {
    let message = JobMessage {
        v: MESSAGE_VERSION,
        job_id: job.id,
        generation: 1,
        enqueued_at: job.created_at,
        traceparent: None,
    };
    message.encode().unwrap()
}
