//! `queue redrive`: moves the messages of a dead-letter queue back.

mod client_side;
mod task;

use serde::Serialize;
use sqs_client::address::InvalidQueueAddress;
use tokio_util::sync::CancellationToken;

use crate::cli;
use crate::error::Error;
use crate::output::Output;
use crate::queue::Queue;

/// Where messages are moved from and to.
#[derive(Debug)]
struct Route {
    dead_letters: Queue,
    dead_letters_arn: String,
    /// If `None`, each message is moved to the queue that it came from.
    destination: Option<Queue>,
}

impl Route {
    fn destination(&self) -> &str {
        self.destination
            .as_ref()
            .map_or("the queues that they came from", |queue| {
                queue.name.as_str()
            })
    }
}

#[derive(Debug, Serialize)]
struct Line<'a> {
    event: &'static str,
    from: &'a str,
    to: Option<&'a str>,
    moved: u64,
    by: &'static str,
    interrupted: bool,
}

/// Moves messages with a task of SQS, or with calls of this program if the endpoint does not support such tasks.
pub(crate) async fn redrive(
    arguments: cli::Redrive,
    stop: &CancellationToken,
) -> Result<(), Error> {
    let mut output = Output::new(arguments.json);
    let mut route = route(&arguments).await?;
    output.start_spinner();
    let mut by = "StartMessageMoveTask";
    let moved = match task::start(&route, arguments.rate).await {
        Ok(handle) => task::follow(&route, handle, &mut output, stop).await,
        Err(Error::UnknownAction(action)) => {
            by = "receive, send and delete";
            output.note(format_args!(
                "this endpoint does not support {action}: receiving, sending and deleting the messages from here instead; \
                 each keeps its message group"
            ));
            client_side::move_all(&mut route, arguments.rate, &mut output, stop).await
        }
        Err(error) => Err(error),
    };
    output.end_progress();
    let moved = moved?;
    let line = Line {
        event: "redriven",
        from: &route.dead_letters.name,
        to: route.destination.as_ref().map(|queue| queue.name.as_str()),
        moved,
        by,
        interrupted: stop.is_cancelled(),
    };
    let text = || {
        format!(
            "{moved} messages moved from {} to {}",
            route.dead_letters.name,
            route.destination()
        )
    };
    output.result(text, &line)
}

/// Finds the route. The named queue has a dead-letter queue, or is one itself.
async fn route(arguments: &cli::Redrive) -> Result<Route, Error> {
    let mut named = Queue::open(&arguments.name).await?;
    let attributes = named.attributes().await?;
    let to = match &arguments.to {
        Some(name) => Some(named.sibling(name).await?),
        None => None,
    };
    let route = if let Some(policy) = attributes.redrive_policy() {
        Route {
            dead_letters: named.by_arn(&policy.dead_letters_arn).await?,
            dead_letters_arn: policy.dead_letters_arn,
            destination: Some(to.unwrap_or(named)),
        }
    } else {
        let destination = match to {
            Some(to) => Some(to),
            None => only_source(&named).await?,
        };
        Route {
            dead_letters_arn: attributes.arn().unwrap_or_default().to_owned(),
            dead_letters: named,
            destination,
        }
    };
    match &route.destination {
        Some(queue) if queue.is_fifo != route.dead_letters.is_fifo => Err(Error::Setup(format!(
            "{} and {} are not of the same type: SQS moves messages from FIFO to FIFO or from standard to standard",
            route.dead_letters.name, queue.name
        ))),
        Some(queue) if queue.name == route.dead_letters.name => Err(Error::Setup(format!(
            "{} is the dead-letter queue itself: name another queue with --to",
            queue.name
        ))),
        _ => Ok(route),
    }
}

/// Returns the queue whose dead-letter queue this one is, or `None` if there are several, or if the endpoint cannot
/// list them.
async fn only_source(queue: &Queue) -> Result<Option<Queue>, Error> {
    let (client, url) = queue.client_and_url();
    let call = client.list_dead_letter_source_queues().queue_url(url);
    let answer = call.send().await;
    let answer = answer.map_err(|error| queue.explain("ListDeadLetterSourceQueues", &error));
    let sources = match answer {
        Ok(answer) => answer.queue_urls,
        Err(Error::UnknownAction(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    match sources.as_slice() {
        [] => Err(Error::Setup(format!(
            "{} has no dead-letter queue, and is not the dead-letter queue of another queue",
            queue.name
        ))),
        [source] => {
            let address = source
                .parse()
                .map_err(|error: InvalidQueueAddress| Error::Failed(error.to_string()))?;
            queue.sibling(&address).await.map(Some)
        }
        _ => Ok(None),
    }
}
