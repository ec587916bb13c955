//! `queue purge`: deletes all messages of a queue.

use std::io::{self, IsTerminal, Write};

use aws_sdk_sqs::types::QueueAttributeName;
use serde::Serialize;

use crate::cli;
use crate::error::Error;
use crate::output::Output;
use crate::queue::Queue;

#[derive(Debug, Serialize)]
struct Line<'a> {
    event: &'static str,
    queue: &'a str,
    /// Approximate, from before.
    messages: u64,
}

pub(crate) async fn purge(arguments: cli::Purge) -> Result<(), Error> {
    let mut output = Output::new(arguments.json);
    let mut queue = Queue::open(&arguments.name).await?;
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
    if !arguments.yes && !confirmed(&queue.name, messages)? {
        return Err(Error::Failed("nothing was purged".to_owned()));
    }
    let (client, url) = queue.reach();
    let answer = client.purge_queue().queue_url(url).send().await;
    answer.map_err(|error| queue.explain("PurgeQueue", &error))?;
    let line = Line {
        event: "purged",
        queue: &queue.name,
        messages,
    };
    let text = || {
        format!(
            "{} is purged of about {messages} messages; on AWS that takes up to 60 s",
            queue.name
        )
    };
    output.result(text, &line)
}

fn confirmed(queue: &str, messages: u64) -> Result<bool, Error> {
    if !io::stdin().is_terminal() {
        return Err(Error::Setup(format!(
            "purging {queue} deletes about {messages} messages for good: say --yes"
        )));
    }
    anstream::eprint!("Delete about {messages} messages of {queue} for good? [y/N] ");
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
