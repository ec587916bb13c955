//! Creating and deleting queues for a demonstration.

use serde::Serialize;
use sqs_client::{Client, QueueAddress, RedrivePolicy};

use crate::broker;
use crate::error::Error;
use crate::output::Output;
use crate::queue::{self, Queue, connect};
use crate::target::Target;

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
    target: Option<Target>,
    max_receives: Option<u32>,
    output: &mut Output,
) -> Result<(), Error> {
    let name = match target {
        Some(Target::Broker(url)) if max_receives.is_some() => {
            return Err(Error::Setup(format!(
                "--max-receives: only SQS counts receives, and {url} belongs to {}",
                url.kind.service()
            )));
        }
        Some(Target::Broker(url)) => {
            broker::create(&url).await?;
            let shown = url.to_string();
            return finished("created", url.name(), Some(&shown), output);
        }
        Some(Target::Sqs(name)) => Some(name),
        None => None,
    };
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
    let url = queue::create(client, region, name, redrive_policy).await?;
    finished("created", name.name(), Some(&url), output)
}

fn finished(
    event: &'static str,
    queue: &str,
    url: Option<&str>,
    output: &mut Output,
) -> Result<(), Error> {
    let line = Line { event, queue, url };
    let text = || match url {
        Some(url) => format!("{queue} is ready: {url}"),
        None => format!("{queue} was deleted"),
    };
    output.result(text, &line)
}

/// Deletes the queue, or the practical's two queues if there is no name. Dead-letter queues are kept.
pub(crate) async fn delete(target: Option<Target>, output: &mut Output) -> Result<(), Error> {
    let name = match target {
        Some(Target::Broker(url)) => {
            broker::delete(&url).await?;
            return finished("deleted", url.name(), None, output);
        }
        Some(Target::Sqs(name)) => Some(name),
        None => None,
    };
    for name in names(name)? {
        let mut queue = Queue::open(&name).await?;
        let redrive_policy = queue.attributes().await?.redrive_policy();
        let (client, url) = queue.client_and_url();
        let answer = client.delete_queue().queue_url(url).send().await;
        answer.map_err(|error| queue.explain("DeleteQueue", &error))?;
        finished("deleted", &queue.name, None, output)?;
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
