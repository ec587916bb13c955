//! `queue purge`: deletes all messages of a queue.

use std::io::{self, IsTerminal};

use aws_sdk_sqs::types::QueueAttributeName;
use serde::Serialize;
use sqs_client::QueueAddress;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::broker;
use crate::cli;
use crate::error::Error;
use crate::output::Output;
use crate::queue::Queue;
use crate::target::Target;

/// What purging a queue of SQS does with its messages.
const DELETE: &str = "permanently delete";

#[derive(Debug, Serialize)]
struct Line<'a> {
    event: &'static str,
    queue: &'a str,
    /// The approximate number before the purge.
    messages: u64,
}

/// Deletes all messages, after asking for confirmation unless `--yes` is given.
pub(crate) async fn purge(arguments: cli::Purge, stop: &CancellationToken) -> Result<(), Error> {
    let mut output = Output::new(arguments.json);
    match &arguments.name {
        Target::Sqs(address) => purge_sqs(address, arguments.yes, &mut output, stop).await,
        Target::Broker(url) => {
            let depth = broker::depth(url).await?;
            let messages = depth.visible + depth.in_flight.unwrap_or_default();
            if !arguments.yes && !confirmed(url.purging(), url.name(), messages, stop).await? {
                return Err(Error::Failed("nothing was purged".to_owned()));
            }
            broker::purge(url).await?;
            let queue = url.name();
            let line = Line {
                event: "purged",
                queue,
                messages,
            };
            let text = || format!("purged about {messages} messages from {queue}");
            output.result(text, &line)
        }
    }
}

async fn purge_sqs(
    address: &QueueAddress,
    yes: bool,
    output: &mut Output,
    stop: &CancellationToken,
) -> Result<(), Error> {
    let mut queue = Queue::open(address).await?;
    let attributes = queue.attributes().await?;
    let messages = [
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        QueueAttributeName::ApproximateNumberOfMessagesDelayed,
    ];
    let messages = messages
        .iter()
        .filter_map(|name| attributes.number(name))
        .sum();
    if !yes && !confirmed(DELETE, &queue.name, messages, stop).await? {
        return Err(Error::Failed("nothing was purged".to_owned()));
    }
    let (client, url) = queue.client_and_url();
    let answer = client.purge_queue().queue_url(url).send().await;
    answer.map_err(|error| queue.explain("PurgeQueue", &error))?;
    let line = Line {
        event: "purged",
        queue: &queue.name,
        messages,
    };
    let text = || {
        format!(
            "purging about {messages} messages from {}; on AWS this takes up to 60 s",
            queue.name
        )
    };
    output.result(text, &line)
}

/// Asks whether to do that with the messages.
async fn confirmed(
    purging: &str,
    queue: &str,
    messages: u64,
    stop: &CancellationToken,
) -> Result<bool, Error> {
    if !io::stdin().is_terminal() {
        return Err(Error::Setup(format!(
            "this would {purging} about {messages} messages from {queue}: confirm with --yes"
        )));
    }
    anstream::eprint!("This will {purging} about {messages} messages from {queue}. Go on? [y/N] ");
    let (sender, answer) = oneshot::channel();
    // A thread, because reading stdin cannot be cancelled, and Ctrl-C has to work while the question is open.
    std::thread::spawn(move || {
        let mut line = String::new();
        if io::stdin().read_line(&mut line).is_ok() {
            let _ = sender.send(line);
        }
    });
    let answer = stop.run_until_cancelled(answer).await;
    let answer = answer.and_then(Result::ok).unwrap_or_default();
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
