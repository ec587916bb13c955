//! Creating and deleting queues for a demonstration.

use aws_sdk_sqs::types::QueueAttributeName;
use serde::Serialize;
use sqs_client::{Client, QueueAddress, RedrivePolicy};

use crate::error::Error;
use crate::output::Output;
use crate::queue::{Queue, Target, connect, explain};

/// The practical's queues.
const PRACTICAL: [&str; 2] = ["csse6400_prac", "csse6400_prac.fifo"];

#[derive(Debug, Serialize)]
struct Line<'a> {
    event: &'static str,
    queue: &'a str,
    url: Option<&'a str>,
}

/// Creates the queue, or the practical's two queues if there is no name. With `max_receives`, each gets a dead-letter
/// queue.
pub(crate) async fn create(
    name: Option<QueueAddress>,
    max_receives: Option<u32>,
    output: &mut Output,
) -> Result<(), Error> {
    let (client, region) = connect().await;
    for name in names(name)? {
        let mut policy = None;
        if let Some(count) = max_receives {
            let dead_letters = parse(&name.dead_letters_name())?;
            create_one(&client, &region, &dead_letters, None, output).await?;
            let mut queue = Queue::open(&dead_letters).await?;
            let attributes = queue.attributes().await?;
            policy = Some(RedrivePolicy {
                dead_letters_arn: attributes.arn().unwrap_or_default().to_owned(),
                max_receive_count: count.into(),
            });
        }
        create_one(&client, &region, &name, policy, output).await?;
    }
    Ok(())
}

async fn create_one(
    client: &Client,
    region: &str,
    name: &QueueAddress,
    redrive_policy: Option<RedrivePolicy>,
    output: &mut Output,
) -> Result<(), Error> {
    let mut call = client.create_queue().queue_name(name.name());
    if name.is_fifo() {
        call = call
            .attributes(QueueAttributeName::FifoQueue, "true")
            .attributes(QueueAttributeName::ContentBasedDeduplication, "true");
    }
    if let Some(policy) = redrive_policy {
        call = call.attributes(QueueAttributeName::RedrivePolicy, policy.to_json());
    }
    let target = Target {
        queue: name.name(),
        region,
    };
    let answer = call.send().await;
    let answer = answer.map_err(|error| explain("CreateQueue", &target, &error))?;
    let url = answer.queue_url.unwrap_or_default();
    let line = Line {
        event: "created",
        queue: name.name(),
        url: Some(&url),
    };
    output.result(|| format!("{} is ready: {url}", name.name()), &line)
}

/// Deletes the queue, or the practical's two queues if there is no name. Dead-letter queues are kept.
pub(crate) async fn delete(name: Option<QueueAddress>, output: &mut Output) -> Result<(), Error> {
    for name in names(name)? {
        let mut queue = Queue::open(&name).await?;
        let redrive_policy = queue.attributes().await?.redrive_policy();
        let (client, url) = queue.client_and_url();
        let answer = client.delete_queue().queue_url(url).send().await;
        answer.map_err(|error| queue.explain("DeleteQueue", &error))?;
        let line = Line {
            event: "deleted",
            queue: &queue.name,
            url: None,
        };
        output.result(|| format!("{} was deleted", queue.name), &line)?;
        if let Some(policy) = redrive_policy {
            output.note(format_args!(
                "its dead-letter queue still exists; to delete it: queue --name {} --delete-queue",
                policy.dead_letters_name()
            ));
        }
    }
    Ok(())
}

fn names(name: Option<QueueAddress>) -> Result<Vec<QueueAddress>, Error> {
    match name {
        Some(name) => Ok(vec![name]),
        None => PRACTICAL.into_iter().map(parse).collect(),
    }
}

fn parse(name: &str) -> Result<QueueAddress, Error> {
    name.parse()
        .map_err(|error: sqs_client::address::InvalidQueueAddress| Error::Setup(error.to_string()))
}
