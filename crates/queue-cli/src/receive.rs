//! A subscriber.

mod in_flight;
mod line;

use std::time::{Duration, Instant};

use sqs_client::limits::MAX_BATCH;
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::message::Received;
use crate::output::Output;
use crate::report::{self, Summary, Undeleted};
use crate::transport::{ReceiveRequest, Transport};

use in_flight::{InFlight, Settlement};
use line::Line;

/// How many receives may fail in a row before the run fails.
const MAX_FAILURES: u32 = 3;
const FAILURE_PAUSE: Duration = Duration::from_secs(1);

/// What to do with a message after it was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AfterReceive {
    Delete,
    /// It is delivered again after its visibility timeout ends.
    Leave,
    /// The same, but it is not shown again.
    LeaveAndShowOnce,
}

/// How to receive.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// End after that many deliveries.
    pub(crate) max: Option<u64>,
    /// End when no message has arrived for that long.
    pub(crate) idle_exit: Option<Duration>,
    /// How long a receive waits for messages.
    pub(crate) wait: Duration,
    /// How long a message is hidden from other subscribers; if `None`, as long as the queue's attributes say.
    pub(crate) visibility: Option<Duration>,
    pub(crate) after_receive: AfterReceive,
    /// Show all attributes.
    pub(crate) peek: bool,
    pub(crate) plot: bool,
}

/// Receives until one of the options or `stop` ends it, releases the messages in flight, and prints a report.
pub(crate) async fn receive(
    queue: &mut dyn Transport,
    options: Options,
    output: &mut Output,
    stop: &CancellationToken,
) -> Result<(), Error> {
    let mut receiver = Receiver {
        in_flight: InFlight::new(options.visibility),
        summary: Summary::default(),
        shown: 0,
        unanswered: 0,
        options,
    };
    output.start_spinner();
    let result = receiver.receive_all(queue, output, stop).await;
    // also after an error
    let released = receiver.in_flight.settle(queue, Settlement::Release).await;
    output.end_progress();
    let undeleted = Undeleted {
        released: released.done,
        in_flight: receiver.in_flight.count(),
        unanswered_receives: receiver.unanswered,
        reason: released.failure,
    };
    undeleted.note(queue.hidden_until(), output);
    let summary = &receiver.summary;
    let reported = match &result {
        Err(Error::Output(_)) => Ok(()),
        _ => report::report(queue, summary, &undeleted, receiver.options.plot, output),
    };
    result.and(reported)
}

#[derive(Debug)]
struct Receiver {
    options: Options,
    in_flight: InFlight,
    summary: Summary,
    shown: u64,
    unanswered: u32,
}

impl Receiver {
    async fn receive_all(
        &mut self,
        queue: &mut dyn Transport,
        output: &mut Output,
        stop: &CancellationToken,
    ) -> Result<(), Error> {
        let mut last_arrival = Instant::now();
        let mut failures = 0;
        while !stop.is_cancelled() {
            output.show(|| report::progress(queue, &self.summary));
            let Some(request) = self.next_request(last_arrival.elapsed()) else {
                break;
            };
            match receive_once(queue, request, output, stop).await {
                Ok(messages) => {
                    failures = 0;
                    if self.process(queue, &messages, output).await? > 0 {
                        last_arrival = Instant::now();
                    } else if self.is_idle(last_arrival.elapsed()) {
                        break;
                    }
                }
                Err(error @ (Error::Unanswered(_) | Error::Busy(_))) => {
                    self.unanswered += u32::from(matches!(error, Error::Unanswered(_)));
                    failures += 1;
                    if failures == MAX_FAILURES {
                        return Err(error);
                    }
                    output.note(format_args!("{error}; trying again"));
                    let pause = tokio::time::sleep(FAILURE_PAUSE);
                    stop.run_until_cancelled(pause).await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Returns what to receive next, or `None` if enough messages were received.
    fn next_request(&self, idle: Duration) -> Option<ReceiveRequest> {
        let max = match self.options.max {
            Some(max) => usize::try_from(max.saturating_sub(self.shown)).unwrap_or(MAX_BATCH),
            None => MAX_BATCH,
        };
        let left = self
            .options
            .idle_exit
            .map(|limit| limit.saturating_sub(idle));
        (max > 0).then_some(ReceiveRequest {
            max: max.min(MAX_BATCH),
            wait: left.map_or(self.options.wait, |left| left.min(self.options.wait)),
            visibility: self.options.visibility,
        })
    }

    fn is_idle(&self, idle: Duration) -> bool {
        self.options.idle_exit.is_some_and(|limit| idle >= limit)
    }

    /// Shows messages and deletes them, unless they are to be left. Returns how many were shown.
    async fn process(
        &mut self,
        queue: &mut dyn Transport,
        messages: &[Received],
        output: &mut Output,
    ) -> Result<u64, Error> {
        let shown_before = self.shown;
        for message in messages {
            self.in_flight.add(message);
        }
        let after_receive = self.options.after_receive;
        for message in messages {
            let comparison = self.summary.record(message);
            if comparison.duplicate && after_receive == AfterReceive::LeaveAndShowOnce {
                continue;
            }
            self.shown += 1;
            let peek = self.options.peek;
            output.result(
                || line::text(message, comparison, peek),
                &Line::new(message, comparison, peek),
            )?;
        }
        if after_receive == AfterReceive::Delete && !messages.is_empty() {
            self.delete(queue, output).await;
        }
        Ok(self.shown - shown_before)
    }

    async fn delete(&mut self, queue: &mut dyn Transport, output: &Output) {
        let deleted = self.in_flight.settle(queue, Settlement::Delete).await;
        if deleted.lost > 0 {
            output.note(format_args!(
                "{} messages could not be deleted: their time with this subscriber had ended, so they will be delivered again",
                deleted.lost
            ));
        }
        if let Some(failure) = deleted.failure {
            output.note(format_args!("could not delete: {failure}"));
        }
    }
}

/// Receives, and never abandons the call: messages that an abandoned call returned would stay in flight.
async fn receive_once(
    queue: &mut dyn Transport,
    request: ReceiveRequest,
    output: &Output,
    stop: &CancellationToken,
) -> Result<Vec<Received>, Error> {
    let receive = queue.receive(request);
    tokio::pin!(receive);
    if let Some(result) = stop.run_until_cancelled(&mut receive).await {
        return result;
    }
    output.note("waiting for the open receive to end; press Ctrl-C again to exit immediately");
    receive.await
}
