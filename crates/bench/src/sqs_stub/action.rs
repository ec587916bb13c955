//! The actions of the stub: what they read from a call, and their answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::queue::{Delivered, Queue};
use super::{Stub, lock};

/// Why a call is refused, in SQS's words.
#[derive(Debug)]
pub(super) struct Refusal(pub(super) &'static str);

const NO_SUCH_QUEUE: Refusal = Refusal("QueueDoesNotExist");
const INVALID_RECEIPT: &str = "ReceiptHandleIsInvalid";

pub(super) async fn perform(
    stub: &Stub,
    action: &str,
    parameters: &Value,
) -> Result<Value, Refusal> {
    let name = || text(parameters, "QueueName").ok_or(NO_SUCH_QUEUE);
    match action {
        "CreateQueue" => {
            let name = name()?;
            let queue = || Arc::new(Queue::new(is_fifo(name)));
            lock(&stub.queues)
                .entry(name.to_owned())
                .or_insert_with(queue);
            Ok(url(stub, name))
        }
        "GetQueueUrl" => {
            let name = name()?;
            let exists = lock(&stub.queues).contains_key(name);
            exists.then(|| url(stub, name)).ok_or(NO_SUCH_QUEUE)
        }
        "GetQueueAttributes" => Ok(attributes(&*queue(stub, parameters)?)),
        "SendMessageBatch" => Ok(send(&*queue(stub, parameters)?, parameters)),
        "ReceiveMessage" => Ok(receive(&*queue(stub, parameters)?, parameters).await),
        "DeleteMessageBatch" => {
            let queue = queue(stub, parameters)?;
            Ok(batch(parameters, |entry| {
                queue
                    .delete(text(entry, "ReceiptHandle")?)
                    .then(|| json!({}))
            }))
        }
        "ChangeMessageVisibilityBatch" => {
            let queue = queue(stub, parameters)?;
            Ok(batch(parameters, |entry| {
                let visibility = seconds(entry, "VisibilityTimeout", 30);
                queue
                    .hide(text(entry, "ReceiptHandle")?, visibility, Instant::now())
                    .then(|| json!({}))
            }))
        }
        _ => Err(Refusal("UnsupportedOperation")),
    }
}

fn queue(stub: &Stub, parameters: &Value) -> Result<Arc<Queue>, Refusal> {
    let url = text(parameters, "QueueUrl").ok_or(NO_SUCH_QUEUE)?;
    let name = url.rsplit('/').next().unwrap_or_default();
    lock(&stub.queues).get(name).cloned().ok_or(NO_SUCH_QUEUE)
}

fn url(stub: &Stub, name: &str) -> Value {
    json!({ "QueueUrl": format!("http://{}/000000000000/{name}", stub.address) })
}

fn attributes(queue: &Queue) -> Value {
    let (visible, in_flight) = queue.depth(Instant::now());
    json!({ "Attributes": {
        "ApproximateNumberOfMessages": visible.to_string(),
        "ApproximateNumberOfMessagesNotVisible": in_flight.to_string(),
        "VisibilityTimeout": "30",
    } })
}

fn send(queue: &Queue, parameters: &Value) -> Value {
    let now = Instant::now();
    let answer = batch(parameters, |entry| {
        let body = text(entry, "MessageBody")?;
        let group = text(entry, "MessageGroupId");
        let id = queue.send(body, group, text(entry, "MessageDeduplicationId"), now);
        Some(json!({ "MessageId": id.to_string(), "MD5OfMessageBody": "" }))
    });
    queue.wake_receivers();
    answer
}

async fn receive(queue: &Queue, parameters: &Value) -> Value {
    let max = parameters
        .get("MaxNumberOfMessages")
        .and_then(Value::as_u64);
    let max = usize::try_from(max.unwrap_or(1)).unwrap_or(1);
    let visibility = seconds(parameters, "VisibilityTimeout", 30);
    let wait = seconds(parameters, "WaitTimeSeconds", 0);
    let delivered = queue.receive(max, visibility, Instant::now() + wait).await;
    let messages: Vec<_> = delivered.into_iter().map(message).collect();
    json!({ "Messages": messages })
}

fn message(delivered: Delivered) -> Value {
    let mut attributes = json!({ "ApproximateReceiveCount": delivered.receives.to_string() });
    if let (Some(group), Some(attributes)) = (delivered.group, attributes.as_object_mut()) {
        attributes.insert("MessageGroupId".to_owned(), group.into());
    }
    json!({
        "MessageId": delivered.id.to_string(),
        "ReceiptHandle": delivered.receipt,
        "Body": delivered.body,
        "Attributes": attributes,
    })
}

/// Performs a batch. An entry for which `perform` returns `None` fails.
fn batch(parameters: &Value, perform: impl Fn(&Value) -> Option<Value>) -> Value {
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    let entries = parameters.get("Entries").and_then(Value::as_array);
    for entry in entries.into_iter().flatten() {
        let id = text(entry, "Id").unwrap_or_default();
        match perform(entry) {
            Some(mut answer) => {
                if let Some(members) = answer.as_object_mut() {
                    members.insert("Id".to_owned(), id.into());
                }
                successful.push(answer);
            }
            None => failed.push(json!({ "Id": id, "Code": INVALID_RECEIPT, "SenderFault": true })),
        }
    }
    json!({ "Successful": successful, "Failed": failed })
}

fn text<'a>(parameters: &'a Value, name: &str) -> Option<&'a str> {
    parameters.get(name)?.as_str()
}

fn seconds(parameters: &Value, name: &str, default: u64) -> Duration {
    let value = parameters.get(name).and_then(Value::as_u64);
    Duration::from_secs(value.unwrap_or(default))
}

fn is_fifo(name: &str) -> bool {
    name.strip_suffix(".fifo").is_some()
}
