//! A publisher.

use std::collections::HashSet;
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::batch::{MAX_ENTRIES, Refusal};
use crate::batches::Batches;
use crate::cost::Calls;
use crate::error::Error;
use crate::outgoing::{Outgoing, Source};
use crate::output::{Output, printable};
use crate::queue::{Queue, Sent};
use crate::table::table;

/// Tries of an entry that SQS failed by its own fault.
const ATTEMPTS: u32 = 4;
/// Before the second try; each later one waits longer.
const PAUSE: Duration = Duration::from_millis(200);
/// As shells say that Ctrl-C ended a process.
const INTERRUPTED: u8 = 130;

/// How to send.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    /// With `SendMessageBatch`, so many a call; `None`: with `SendMessage`.
    pub(crate) batch: Option<usize>,
    /// At most so many messages a second.
    pub(crate) rate: Option<f64>,
}

#[derive(Debug, Default, Serialize)]
struct Tally {
    sent: u64,
    failed: u64,
    /// Those that SQS took for a message that this run sent before.
    deduplicated: u64,
    #[serde(skip)]
    ids: HashSet<String>,
}

#[derive(Debug, Serialize)]
struct Line<'a> {
    event: &'static str,
    number: u64,
    client: &'a str,
    body: &'a str,
    group: Option<&'a str>,
    dedup_id: Option<&'a str>,
    message_id: Option<&'a str>,
    sequence_number: Option<&'a str>,
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct Last<'a> {
    event: &'static str,
    queue: &'a str,
    #[serde(flatten)]
    tally: &'a Tally,
    seconds: f64,
    calls: &'a Calls,
    dollars_on_aws: f64,
}

/// Sends everything from the source, in its order.
pub(crate) async fn send(
    queue: &mut Queue,
    source: Source,
    options: Options,
    output: &mut Output,
    stop: &CancellationToken,
) -> Result<ExitCode, Error> {
    let start = Instant::now();
    let mut tally = Tally::default();
    output.start_bar(source.len());
    let ended = send_all(queue, source, options, output, stop, &mut tally).await;
    output.end_progress();
    report(queue, &tally, start.elapsed(), output)?;
    ended?;
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
    queue: &mut Queue,
    source: Source,
    options: Options,
    output: &mut Output,
    stop: &CancellationToken,
    tally: &mut Tally,
) -> Result<(), Error> {
    let start = Instant::now();
    let mut batches = Batches::new(source, options.batch.unwrap_or(1).min(MAX_ENTRIES));
    while let Some(batch) = stop.run_until_cancelled(batches.next()).await {
        let batch = batch?;
        if batch.is_empty() {
            break;
        }
        if let Some(rate) = options.rate {
            let due = start + due_after(tally.sent + tally.failed, rate);
            if stop
                .run_until_cancelled(tokio::time::sleep_until(due))
                .await
                .is_none()
            {
                break;
            }
        }
        let outcomes = match options.batch {
            None => send_each(queue, &batch).await?,
            Some(_) => send_batch(queue, &batch).await?,
        };
        for (message, outcome) in batch.iter().zip(outcomes) {
            tally.count(&outcome);
            say(output, message, &outcome)?;
        }
        output.advance(batch.len() as u64);
    }
    Ok(())
}

async fn send_each(
    queue: &mut Queue,
    batch: &[Outgoing],
) -> Result<Vec<Result<Sent, Refusal>>, Error> {
    let mut outcomes = Vec::with_capacity(batch.len());
    for message in batch {
        outcomes.push(Ok(queue.send(message).await?));
    }
    Ok(outcomes)
}

/// Sends again what SQS failed to take, and only that.
async fn send_batch(
    queue: &mut Queue,
    batch: &[Outgoing],
) -> Result<Vec<Result<Sent, Refusal>>, Error> {
    let mut outcomes = queue.send_batch(batch).await?;
    for attempt in 1..ATTEMPTS {
        let (places, again): (Vec<usize>, Vec<Outgoing>) = outcomes
            .iter()
            .zip(batch)
            .enumerate()
            .filter(|(_, (outcome, _))| {
                outcome.as_ref().is_err_and(|refusal| !refusal.sender_fault)
            })
            .map(|(place, (_, message))| (place, message.clone()))
            .unzip();
        if again.is_empty() {
            break;
        }
        tokio::time::sleep(PAUSE * attempt).await;
        for (place, retried) in places.into_iter().zip(queue.send_batch(&again).await?) {
            if let Some(outcome) = outcomes.get_mut(place) {
                *outcome = retried;
            }
        }
    }
    Ok(outcomes)
}

/// When the next message may be sent, from the start.
#[expect(clippy::cast_precision_loss, reason = "nobody sends 2^52 messages")]
fn due_after(sent: u64, rate: f64) -> Duration {
    Duration::try_from_secs_f64(sent as f64 / rate).unwrap_or(Duration::MAX)
}

impl Tally {
    fn count(&mut self, outcome: &Result<Sent, Refusal>) {
        match outcome {
            Ok(sent) => {
                self.sent += 1;
                self.deduplicated += u64::from(!self.ids.insert(sent.id.clone()));
            }
            Err(_) => self.failed += 1,
        }
    }
}

fn say(
    output: &mut Output,
    message: &Outgoing,
    outcome: &Result<Sent, Refusal>,
) -> Result<(), Error> {
    let (sent, error) = match outcome {
        Ok(sent) => (Some(sent), None),
        Err(refusal) => (None, Some(refusal.to_string())),
    };
    if let Some(error) = &error {
        output.note(format_args!("{}: {error}", printable(&message.body)));
    }
    let line = Line {
        event: if sent.is_some() { "sent" } else { "failed" },
        number: message.number,
        client: &message.client,
        body: &message.body,
        group: message.group.as_deref(),
        dedup_id: message.dedup_id.as_deref(),
        message_id: sent.map(|sent| sent.id.as_str()),
        sequence_number: sent.and_then(|sent| sent.sequence_number.as_deref()),
        error,
    };
    output.json(&line)
}

fn report(queue: &Queue, tally: &Tally, took: Duration, output: &mut Output) -> Result<(), Error> {
    let seconds = took.as_secs_f64();
    let text = || {
        let mut heads = vec!["sent", "failed", "seconds"];
        let mut cells = vec![
            tally.sent.to_string(),
            tally.failed.to_string(),
            format!("{seconds:.2}"),
        ];
        if queue.is_fifo {
            heads.push("deduplicated");
            cells.push(tally.deduplicated.to_string());
        }
        let heads = heads.into_iter().map(str::to_owned).collect();
        let cost = queue.calls.sentence(queue.is_fifo);
        format!("{}\n{cost}", table(&[heads, cells]))
    };
    let last = Last {
        event: "summary",
        queue: &queue.name,
        tally,
        seconds,
        calls: &queue.calls,
        dollars_on_aws: queue.calls.dollars(queue.is_fifo),
    };
    output.result(text, &last)
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

    #[test]
    fn a_message_id_that_comes_again_was_deduplicated() {
        let sent = |id: &str| {
            Ok(Sent {
                id: id.to_owned(),
                sequence_number: None,
            })
        };
        let mut tally = Tally::default();
        for id in ["a", "b", "a"] {
            tally.count(&sent(id));
        }
        assert_eq!((tally.sent, tally.deduplicated), (3, 1));
    }
}
