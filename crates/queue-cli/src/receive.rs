//! A subscriber.

use std::time::{Duration, Instant};

use chrono::{DateTime, Local, SecondsFormat, Utc};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::batch::MAX_ENTRIES;
use crate::error::Error;
use crate::held::{End, Held};
use crate::output::{Output, coloured, dimmed, printable};
use crate::queue::{Ask, Queue};
use crate::received::Received;
use crate::report;
use crate::summary::{Judgement, Summary};

/// Receives that fail, one after the other, before the run does.
const FAILURES_MAX: u32 = 3;
const FAILURE_PAUSE: Duration = Duration::from_secs(1);

/// What becomes of a message that was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    Delete,
    /// It comes again when its visibility timeout ends.
    Leave,
    /// When it comes again, it is not shown.
    LeaveAndShowOnce,
}

/// How to receive.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// End after so many deliveries.
    pub(crate) max: Option<u64>,
    /// End when nothing came for so long.
    pub(crate) idle_exit: Option<Duration>,
    /// How long a receive waits for messages.
    pub(crate) wait: Duration,
    /// `None`: the queue's own.
    pub(crate) visibility: Option<Duration>,
    pub(crate) then: Then,
    /// Show all attributes.
    pub(crate) peek: bool,
    pub(crate) plot: bool,
}

/// Receives until told to end, and settles what is held.
pub(crate) async fn receive(
    queue: &mut Queue,
    options: Options,
    output: &mut Output,
    stop: &CancellationToken,
) -> Result<(), Error> {
    let mut receiver = Receiver {
        held: Held::new(options.visibility),
        summary: Summary::default(),
        shown: 0,
        unanswered: 0,
        options,
    };
    output.start_spinner();
    let ended = receiver.receive_all(queue, output, stop).await;
    // whatever ended it
    let given_back = receiver.held.settle(queue, End::GiveBack).await;
    output.end_progress();
    let left = report::Left {
        given_back: given_back.done,
        in_flight: receiver.held.count(),
        unanswered_receives: receiver.unanswered,
        reason: given_back.failure,
    };
    left.say(output);
    let summary = &receiver.summary;
    let reported = match &ended {
        Err(Error::Output(_)) => Ok(()),
        _ => report::report(queue, summary, &left, receiver.options.plot, output),
    };
    ended.and(reported)
}

#[derive(Debug)]
struct Receiver {
    options: Options,
    held: Held,
    summary: Summary,
    shown: u64,
    unanswered: u32,
}

impl Receiver {
    async fn receive_all(
        &mut self,
        queue: &mut Queue,
        output: &mut Output,
        stop: &CancellationToken,
    ) -> Result<(), Error> {
        let mut last_came = Instant::now();
        let mut failures = 0;
        while !stop.is_cancelled() {
            output.show(|| report::so_far(queue, &self.summary));
            let Some(ask) = self.ask(last_came.elapsed()) else {
                break;
            };
            match receive_once(queue, ask, output, stop).await {
                Ok(messages) => {
                    failures = 0;
                    if self.take(queue, &messages, output).await? > 0 {
                        last_came = Instant::now();
                    } else if self.is_over(last_came.elapsed()) {
                        break;
                    }
                }
                Err(error @ (Error::Unanswered(_) | Error::Busy(_))) => {
                    self.unanswered += u32::from(matches!(error, Error::Unanswered(_)));
                    failures += 1;
                    if failures == FAILURES_MAX {
                        return Err(error);
                    }
                    output.note(format_args!("{error}; asking again"));
                    let pause = tokio::time::sleep(FAILURE_PAUSE);
                    stop.run_until_cancelled(pause).await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What to ask for next; `None` when there was enough.
    fn ask(&self, idle: Duration) -> Option<Ask> {
        let max = match self.options.max {
            Some(max) => usize::try_from(max.saturating_sub(self.shown)).unwrap_or(MAX_ENTRIES),
            None => MAX_ENTRIES,
        };
        let left = self.options.idle_exit.map(|end| end.saturating_sub(idle));
        (max > 0).then_some(Ask {
            max: max.min(MAX_ENTRIES),
            wait: left.map_or(self.options.wait, |left| left.min(self.options.wait)),
            visibility: self.options.visibility,
        })
    }

    fn is_over(&self, idle: Duration) -> bool {
        self.options.idle_exit.is_some_and(|end| idle >= end)
    }

    /// Shows messages and deletes them, if they are to be. Gives how many were shown.
    async fn take(
        &mut self,
        queue: &mut Queue,
        messages: &[Received],
        output: &mut Output,
    ) -> Result<u64, Error> {
        let shown_before = self.shown;
        for message in messages {
            self.held.add(message);
        }
        for message in messages {
            let judgement = self.summary.record(message);
            if judgement.duplicate && self.options.then == Then::LeaveAndShowOnce {
                continue;
            }
            self.shown += 1;
            self.show(message, judgement, output)?;
        }
        if self.options.then == Then::Delete && !messages.is_empty() {
            let deleted = self.held.settle(queue, End::Delete).await;
            if deleted.too_late > 0 {
                output.note(format_args!(
                    "{} messages could not be deleted: their visibility timeout had ended, so they come again",
                    deleted.too_late
                ));
            }
            if let Some(failure) = deleted.failure {
                output.note(format_args!("could not delete: {failure}"));
            }
        }
        Ok(self.shown - shown_before)
    }

    fn show(
        &self,
        message: &Received,
        judgement: Judgement,
        output: &mut Output,
    ) -> Result<(), Error> {
        let text = || {
            let mut text = line(message, judgement);
            if self.options.peek {
                for (name, value) in message.attributes.iter().chain(&message.system_attributes) {
                    let attribute = format!("\n    {name} = {}", printable(value));
                    text.push_str(&dimmed(&attribute));
                }
            }
            text
        };
        output.result(text, &Line::new(message, judgement, self.options.peek))
    }
}

/// Never broken off: what an open receive brings would stay in flight.
async fn receive_once(
    queue: &mut Queue,
    ask: Ask,
    output: &Output,
    stop: &CancellationToken,
) -> Result<Vec<Received>, Error> {
    let open = queue.receive(ask);
    tokio::pin!(open);
    if let Some(answer) = stop.run_until_cancelled(&mut open).await {
        return answer;
    }
    output.note("ending when the open receive has its answer; Ctrl-C again ends at once");
    open.await
}

fn line(message: &Received, judgement: Judgement) -> String {
    let at = DateTime::<Local>::from(message.at).format("%H:%M:%S%.3f");
    let mut remarks = Vec::new();
    if message.receive_count > 1 {
        remarks.push(format!("receive {}", message.receive_count));
    }
    if judgement.behind > 0 {
        remarks.push(format!("{} behind", judgement.behind));
    }
    let mut text = format!(
        "{}  {}: {}",
        dimmed(&at.to_string()),
        coloured(&message.client),
        printable(&message.body)
    );
    if !remarks.is_empty() {
        text.push_str(&dimmed(&format!("  ({})", remarks.join(", "))));
    }
    text
}

#[derive(Debug, Serialize)]
struct Line<'a> {
    event: &'static str,
    received_at: String,
    client: &'a str,
    body: &'a str,
    message_id: &'a str,
    sent_at: Option<String>,
    latency_ms: Option<u128>,
    receive_count: u32,
    group: Option<&'a str>,
    dedup_id: Option<&'a str>,
    sequence_number: Option<&'a str>,
    #[serde(flatten)]
    judgement: Judgement,
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<&'a std::collections::BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_attributes: Option<&'a std::collections::BTreeMap<String, String>>,
}

impl<'a> Line<'a> {
    fn new(message: &'a Received, judgement: Judgement, peek: bool) -> Self {
        let written =
            |time| DateTime::<Utc>::from(time).to_rfc3339_opts(SecondsFormat::Millis, true);
        Self {
            event: "received",
            received_at: written(message.at),
            client: &message.client,
            body: &message.body,
            message_id: &message.id,
            sent_at: message.sent_at.map(written),
            latency_ms: message.latency().map(|latency| latency.as_millis()),
            receive_count: message.receive_count,
            group: message.group.as_deref(),
            dedup_id: message.dedup_id.as_deref(),
            sequence_number: message.sequence_number.as_deref(),
            judgement,
            attributes: peek.then_some(&message.attributes),
            system_attributes: peek.then_some(&message.system_attributes),
        }
    }
}
