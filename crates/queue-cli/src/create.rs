//! Creating and deleting queues for a demonstration.

use aws_sdk_sqs::types::QueueAttributeName;
use serde::Serialize;
use serde_json::json;

use crate::client::connect;
use crate::error::Error;
use crate::explain::{Place, explain};
use crate::name::QueueName;
use crate::output::Output;
use crate::queue::Queue;

/// The practical's queues.
const DEMONSTRATION: [&str; 2] = ["csse6400_prac", "csse6400_prac.fifo"];

#[derive(Debug, Serialize)]
struct Line<'a> {
    event: &'static str,
    queue: &'a str,
    url: Option<&'a str>,
}

/// Creates the queue, or the practical's two. With `max_receives` each gets a dead-letter queue.
pub(crate) async fn create(
    name: Option<QueueName>,
    max_receives: Option<u32>,
    output: &mut Output,
) -> Result<(), Error> {
    let (client, region) = connect().await;
    for name in names(name)? {
        let mut policy = None;
        if let Some(count) = max_receives {
            let dead_letters = parse(&name.dead_letters())?;
            create_one(&client, &region, &dead_letters, None, output).await?;
            let mut queue = Queue::open(&dead_letters).await?;
            let attributes = queue.attributes().await?;
            let arn = attributes.arn().unwrap_or_default();
            policy =
                Some(json!({ "deadLetterTargetArn": arn, "maxReceiveCount": count }).to_string());
        }
        create_one(&client, &region, &name, policy, output).await?;
    }
    Ok(())
}

async fn create_one(
    client: &aws_sdk_sqs::Client,
    region: &str,
    name: &QueueName,
    redrive_policy: Option<String>,
    output: &mut Output,
) -> Result<(), Error> {
    let mut call = client.create_queue().queue_name(name.name());
    if name.is_fifo() {
        call = call
            .attributes(QueueAttributeName::FifoQueue, "true")
            .attributes(QueueAttributeName::ContentBasedDeduplication, "true");
    }
    if let Some(policy) = redrive_policy {
        call = call.attributes(QueueAttributeName::RedrivePolicy, policy);
    }
    let place = Place {
        queue: name.name(),
        region,
    };
    let answer = call.send().await;
    let answer = answer.map_err(|error| explain("CreateQueue", &place, &error))?;
    let url = answer.queue_url.unwrap_or_default();
    let line = Line {
        event: "created",
        queue: name.name(),
        url: Some(&url),
    };
    output.result(|| format!("{} is there: {url}", name.name()), &line)
}

/// Deletes the queue, or the practical's two. Dead-letter queues stay.
pub(crate) async fn delete(name: Option<QueueName>, output: &mut Output) -> Result<(), Error> {
    for name in names(name)? {
        let mut queue = Queue::open(&name).await?;
        let dead_letters = queue.attributes().await?.redrive_policy();
        let (client, url) = queue.reach();
        let answer = client.delete_queue().queue_url(url).send().await;
        answer.map_err(|error| queue.explain("DeleteQueue", &error))?;
        let line = Line {
            event: "deleted",
            queue: &queue.name,
            url: None,
        };
        output.result(|| format!("{} is deleted", queue.name), &line)?;
        if let Some(policy) = dead_letters {
            let arn = &policy.dead_letters_arn;
            let name = arn.rsplit(':').next().unwrap_or(arn);
            output.note(format_args!(
                "its dead-letter queue stays: queue --name {name} --delete-queue"
            ));
        }
    }
    Ok(())
}

fn names(name: Option<QueueName>) -> Result<Vec<QueueName>, Error> {
    match name {
        Some(name) => Ok(vec![name]),
        None => DEMONSTRATION.into_iter().map(parse).collect(),
    }
}

fn parse(name: &str) -> Result<QueueName, Error> {
    name.parse()
        .map_err(|reason| Error::Setup(format!("{name}: {reason}")))
}
