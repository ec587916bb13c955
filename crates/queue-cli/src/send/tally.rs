//! What became of the messages that were sent.

use std::collections::HashSet;
use std::time::Duration;

use serde::Serialize;
use sqs_client::EntryError;

use crate::error::Error;
use crate::message::Outgoing;
use crate::output::{Output, printable};
use crate::report::table;
use crate::transport::{Calls, Sent, Service, Transport};

/// How many messages were sent.
#[derive(Debug, Default, Serialize)]
pub(super) struct Tally {
    pub(super) sent: u64,
    pub(super) failed: u64,
    /// Those for which SQS returned the id of a message that this run had sent before.
    deduplicated: u64,
    #[serde(skip)]
    ids: HashSet<String>,
}

#[derive(Debug, Serialize)]
struct MessageLine<'a> {
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
struct SummaryLine<'a> {
    event: &'static str,
    queue: &'a str,
    #[serde(flatten)]
    tally: &'a Tally,
    seconds: f64,
    calls: &'a Calls,
    /// Only of SQS.
    dollars_on_aws: Option<f64>,
}

impl Tally {
    /// Counts a message and prints what became of it.
    pub(super) fn record(
        &mut self,
        message: &Outgoing,
        outcome: &Result<Sent, EntryError>,
        output: &mut Output,
    ) -> Result<(), Error> {
        self.count(outcome);
        let (sent, error) = match outcome {
            Ok(sent) => (Some(sent), None),
            Err(error) => (None, Some(error.to_string())),
        };
        if let Some(error) = &error {
            output.note(format_args!("{}: {error}", printable(&message.body)));
        }
        output.json(&MessageLine {
            event: if sent.is_some() { "sent" } else { "failed" },
            number: message.number,
            client: &message.client,
            body: &message.body,
            group: message.group.as_deref(),
            dedup_id: message.dedup_id.as_deref(),
            message_id: sent.map(|sent| sent.id.as_str()),
            sequence_number: sent.and_then(|sent| sent.sequence_number.as_deref()),
            error,
        })
    }

    fn count(&mut self, outcome: &Result<Sent, EntryError>) {
        match outcome {
            Ok(sent) => {
                self.sent += 1;
                self.deduplicated += u64::from(!self.ids.insert(sent.id.clone()));
            }
            Err(_) => self.failed += 1,
        }
    }

    /// Prints the summary of a run that took that long.
    pub(super) fn report(
        &self,
        queue: &dyn Transport,
        took: Duration,
        output: &mut Output,
    ) -> Result<(), Error> {
        let seconds = took.as_secs_f64();
        let text = || {
            let mut heads = vec!["sent", "failed", "seconds"];
            let mut cells = vec![
                self.sent.to_string(),
                self.failed.to_string(),
                format!("{seconds:.2}"),
            ];
            if queue.service() == Service::SqsFifo {
                heads.push("deduplicated");
                cells.push(self.deduplicated.to_string());
            }
            let heads = heads.into_iter().map(str::to_owned).collect();
            let cost = queue.calls().describe(queue.service());
            format!("{}\n{cost}", table(&[heads, cells]))
        };
        let line = SummaryLine {
            event: "summary",
            queue: queue.name(),
            tally: self,
            seconds,
            calls: queue.calls(),
            dollars_on_aws: queue.calls().dollars(queue.service()),
        };
        output.result(text, &line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_deduplicated_if_its_id_was_returned_before() {
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
