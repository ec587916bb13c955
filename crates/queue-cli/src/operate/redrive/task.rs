//! A redrive that SQS itself carries out:
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html>

use std::time::Duration;

use sqs_client::QueueAttributes;
use tokio_util::sync::CancellationToken;

use super::Route;
use crate::error::Error;
use crate::output::Output;
use crate::queue::Queue;

/// The pause between two checks of the task.
const PAUSE: Duration = Duration::from_secs(1);

/// Starts the task and returns its handle.
pub(super) async fn start(route: &Route, rate: Option<u32>) -> Result<String, Error> {
    let destination_arn = match &route.destination {
        Some(queue) => Some(arn(queue).await?),
        None => None,
    };
    let (client, _) = route.dead_letters.client_and_url();
    let call = client
        .start_message_move_task()
        .source_arn(&route.dead_letters_arn)
        .set_destination_arn(destination_arn)
        .set_max_number_of_messages_per_second(rate.and_then(|rate| i32::try_from(rate).ok()));
    let answer = call.send().await;
    let answer =
        answer.map_err(|error| route.dead_letters.explain("StartMessageMoveTask", &error))?;
    Ok(answer.task_handle.unwrap_or_default())
}

async fn arn(queue: &Queue) -> Result<String, Error> {
    let (client, url) = queue.client_and_url();
    let attributes = QueueAttributes::read(client, url).await;
    let attributes = attributes.map_err(|error| queue.explain("GetQueueAttributes", &error))?;
    Ok(attributes.arn().unwrap_or_default().to_owned())
}

/// Waits until the task ends, and cancels it after Ctrl-C. Returns the approximate number of messages that were moved.
pub(super) async fn follow(
    route: &Route,
    handle: String,
    output: &mut Output,
    stop: &CancellationToken,
) -> Result<u64, Error> {
    let queue = &route.dead_letters;
    let (client, _) = queue.client_and_url();
    let mut cancelled = false;
    loop {
        if stop.is_cancelled() && !cancelled {
            let call = client.cancel_message_move_task().task_handle(&handle);
            let answer = call.send().await;
            answer.map_err(|error| queue.explain("CancelMessageMoveTask", &error))?;
            cancelled = true;
        }
        let call = client.list_message_move_tasks();
        let answer = call.source_arn(&route.dead_letters_arn).send().await;
        let answer = answer.map_err(|error| queue.explain("ListMessageMoveTasks", &error))?;
        // the newest is first
        let Some(task) = answer.results.unwrap_or_default().into_iter().next() else {
            return Err(Error::Failed("SQS no longer lists the redrive".to_owned()));
        };
        let moved = u64::try_from(task.approximate_number_of_messages_moved).unwrap_or(0);
        match task.status.as_deref().unwrap_or_default() {
            "RUNNING" | "CANCELLING" => output.show(|| format!("{moved} messages moved")),
            "FAILED" => {
                return Err(Error::Failed(format!(
                    "the redrive failed after {moved} messages: {}",
                    task.failure_reason.unwrap_or_default()
                )));
            }
            // COMPLETED, CANCELLED
            _ => return Ok(moved),
        }
        let pause = tokio::time::sleep(PAUSE);
        if cancelled {
            pause.await;
        } else {
            stop.run_until_cancelled(pause).await;
        }
    }
}
