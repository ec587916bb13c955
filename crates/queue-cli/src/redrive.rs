//! `queue redrive`: moves the messages of a dead-letter queue back.

mod by_hand;
mod task;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::cli;
use crate::error::Error;
use crate::output::Output;
use crate::queue::Queue;

/// From where to where.
#[derive(Debug)]
struct Route {
    dead_letters: Queue,
    dead_letters_arn: String,
    /// `None`: each message to the queue that gave it up.
    destination: Option<Queue>,
}

impl Route {
    fn destination(&self) -> &str {
        self.destination
            .as_ref()
            .map_or("the queues that gave them up", |queue| queue.name.as_str())
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
                "this SQS does not know {action}: moving by {by}, each message in its group"
            ));
            by_hand::move_all(&mut route, arguments.rate, &mut output, stop).await
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

/// The queue that is named has a dead-letter queue, or it is one.
async fn route(arguments: &cli::Redrive) -> Result<Route, Error> {
    let mut named = Queue::open(&arguments.name).await?;
    let attributes = named.attributes().await?;
    let to = match &arguments.to {
        Some(name) => Some(named.sibling(name).await?),
        None => None,
    };
    let route = if let Some(policy) = attributes.redrive_policy() {
        Route {
            dead_letters: named.of_arn(&policy.dead_letters_arn).await?,
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
            "{} and {} are not of the same kind: SQS moves from FIFO to FIFO and from standard to standard",
            route.dead_letters.name, queue.name
        ))),
        Some(queue) if queue.name == route.dead_letters.name => Err(Error::Setup(format!(
            "{} is the dead-letter queue itself",
            queue.name
        ))),
        _ => Ok(route),
    }
}

/// The queue whose dead letters are there; `None` if there are several, or the SQS does not know.
async fn only_source(queue: &Queue) -> Result<Option<Queue>, Error> {
    let (client, url) = queue.reach();
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
            "{} has no dead-letter queue and is none of another queue",
            queue.name
        ))),
        [source] => {
            let name = source
                .parse()
                .map_err(|reason| Error::Failed(format!("{source}: {reason}")))?;
            queue.sibling(&name).await.map(Some)
        }
        _ => Ok(None),
    }
}
