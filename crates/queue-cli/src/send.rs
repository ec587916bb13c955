//! A publisher.

mod batches;
mod pattern;
mod source;
mod tally;

use std::process::ExitCode;
use std::time::Duration;

use sqs_client::batch::Outcomes;
use sqs_client::limits::MAX_BATCH;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::message::Outgoing;
use crate::output::Output;
use crate::transport::{Sent, Transport};

pub(crate) use pattern::{Groups, Pattern};
pub(crate) use source::Source;

use batches::Batches;
use tally::Tally;

/// Attempts for an entry of a batch that failed through no fault of the sender.
const ATTEMPTS: u32 = 4;
/// The pause before the second attempt. Each later pause is longer.
const PAUSE: Duration = Duration::from_millis(200);
/// The exit code by which shells report that Ctrl-C ended a process.
const INTERRUPTED: u8 = 130;

/// How to send.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    /// How many messages to send per `SendMessageBatch` call; if `None`, use `SendMessage`.
    pub(crate) batch: Option<usize>,
    /// The maximum number of messages per second.
    pub(crate) rate: Option<f64>,
}

/// Sends all messages of the source, in order.
pub(crate) async fn send(
    queue: &mut dyn Transport,
    source: Source,
    options: Options,
    output: &mut Output,
    stop: &CancellationToken,
) -> Result<ExitCode, Error> {
    let start = Instant::now();
    let mut tally = Tally::default();
    output.start_bar(source.len());
    let result = send_all(queue, source, options, output, stop, &mut tally).await;
    output.end_progress();
    tally.report(queue, start.elapsed(), output)?;
    result?;
    if tally.failed > 0 {
        return Err(Error::Failed(format!(
            "{} of {} messages were not sent",
            tally.failed,
            tally.sent + tally.failed
        )));
    }
    Ok(if stop.is_cancelled() {
        ExitCode::from(INTERRUPTED)
    } else {
        ExitCode::SUCCESS
    })
}

async fn send_all(
    queue: &mut dyn Transport,
    source: Source,
    options: Options,
    output: &mut Output,
    stop: &CancellationToken,
    tally: &mut Tally,
) -> Result<(), Error> {
    let start = Instant::now();
    let mut batches = Batches::new(source, options.batch.unwrap_or(1).min(MAX_BATCH));
    while let Some(batch) = stop.run_until_cancelled(batches.next()).await {
        let batch = batch?;
        if batch.is_empty() {
            break;
        }
        if let Some(rate) = options.rate {
            let due = start + due_after(tally.sent + tally.failed, rate);
            let pause = tokio::time::sleep_until(due);
            if stop.run_until_cancelled(pause).await.is_none() {
                break;
            }
        }
        let outcomes = match options.batch {
            None => send_each(queue, &batch).await?,
            Some(_) => send_batch(queue, &batch).await?,
        };
        for (message, outcome) in batch.iter().zip(outcomes) {
            tally.record(message, &outcome, output)?;
        }
        output.advance(batch.len() as u64);
    }
    Ok(())
}

async fn send_each(queue: &mut dyn Transport, batch: &[Outgoing]) -> Result<Outcomes<Sent>, Error> {
    let mut outcomes = Vec::with_capacity(batch.len());
    for message in batch {
        outcomes.push(Ok(queue.send(message).await?));
    }
    Ok(outcomes)
}

/// Sends a batch, and then again those entries that failed through no fault of the sender.
async fn send_batch(
    queue: &mut dyn Transport,
    batch: &[Outgoing],
) -> Result<Outcomes<Sent>, Error> {
    let mut outcomes = queue.send_batch(batch).await?;
    for attempt in 1..ATTEMPTS {
        let (indexes, failed): (Vec<usize>, Vec<Outgoing>) = outcomes
            .iter()
            .zip(batch)
            .enumerate()
            .filter(|(_, (outcome, _))| outcome.as_ref().is_err_and(|error| !error.sender_fault))
            .map(|(index, (_, message))| (index, message.clone()))
            .unzip();
        if failed.is_empty() {
            break;
        }
        tokio::time::sleep(PAUSE * attempt).await;
        for (index, retried) in indexes.into_iter().zip(queue.send_batch(&failed).await?) {
            if let Some(outcome) = outcomes.get_mut(index) {
                *outcome = retried;
            }
        }
    }
    Ok(outcomes)
}

/// Returns when the next message may be sent, counted from the start.
#[expect(clippy::cast_precision_loss, reason = "no run sends 2^52 messages")]
fn due_after(sent: u64, rate: f64) -> Duration {
    Duration::try_from_secs_f64(sent as f64 / rate).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_spreads_messages_over_time() {
        assert_eq!(due_after(0, 5.0), Duration::ZERO);
        assert_eq!(due_after(10, 5.0), Duration::from_secs(2));
        assert_eq!(due_after(1, 0.5), Duration::from_secs(2));
    }
}
