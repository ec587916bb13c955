//! The report of a subscriber.

mod latency;
mod plot;
mod sequence;
mod summary;
mod table;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;

use crate::error::Error;
use crate::output::{Output, printable};
use crate::transport::{Calls, Transport};

pub(crate) use summary::{Comparison, Summary};
pub(crate) use table::{pairs, table};

use summary::Tally;

const HEADS: [&str; 8] = [
    "client",
    "received",
    "out of order",
    "furthest",
    "duplicates",
    "missing",
    "p50",
    "p99",
];

/// What became of the messages that were received and not deleted.
#[derive(Debug, Serialize)]
pub(crate) struct Undeleted {
    #[serde(rename = "given_back")]
    pub(crate) released: usize,
    pub(crate) in_flight: usize,
    /// Receives without an answer. Each may have taken up to ten messages.
    pub(crate) unanswered_receives: u32,
    /// Why messages are still in flight.
    #[serde(skip)]
    pub(crate) reason: Option<String>,
}

impl Undeleted {
    /// Prints notes about these messages, if there are any. They stay in flight until `end`.
    pub(crate) fn note(&self, end: &str, output: &Output) {
        if self.released > 0 {
            output.note(format_args!(
                "{} messages were not deleted and are visible again",
                self.released
            ));
        }
        if self.in_flight > 0 {
            output.note(format_args!(
                "{} messages stay in flight until {end}: {}",
                self.in_flight,
                self.reason.as_deref().unwrap_or("they were not released")
            ));
        }
        if self.unanswered_receives > 0 {
            output.note(format_args!(
                "{} receives had no answer: any messages that they took stay in flight until {end}",
                self.unanswered_receives
            ));
        }
    }
}

#[derive(Debug, Serialize)]
struct SummaryLine<'a> {
    event: &'static str,
    queue: &'a str,
    #[serde(flatten)]
    all: Tally,
    clients: BTreeMap<String, Tally>,
    #[serde(flatten)]
    undeleted: &'a Undeleted,
    calls: &'a Calls,
    /// Only of SQS.
    dollars_on_aws: Option<f64>,
}

/// Prints the table of publishers and the cost of the calls, and before them the plot if it is requested.
pub(crate) fn report(
    queue: &dyn Transport,
    summary: &Summary,
    undeleted: &Undeleted,
    with_plot: bool,
    output: &mut Output,
) -> Result<(), Error> {
    if with_plot {
        output.text(&plot::plot(&summary.sending_ranks()))?;
    }
    let (all, clients) = (summary.all(), summary.clients());
    let text = || {
        let mut rows = vec![HEADS.map(str::to_owned).to_vec()];
        for (client, tally) in &clients {
            rows.push(row(&printable(client), tally));
        }
        if clients.len() != 1 {
            rows.push(row("all", &all));
        }
        let calls = queue.calls().describe(queue.service());
        format!("{}\n{calls}", table(&rows))
    };
    let line = SummaryLine {
        event: "summary",
        queue: queue.name(),
        all: all.clone(),
        clients: clients.clone(),
        undeleted,
        calls: queue.calls(),
        dollars_on_aws: queue.calls().dollars(queue.service()),
    };
    output.result(text, &line)
}

fn row(name: &str, tally: &Tally) -> Vec<String> {
    vec![
        name.to_owned(),
        tally.received.to_string(),
        tally.out_of_order.to_string(),
        tally.furthest.to_string(),
        tally.duplicates.to_string(),
        tally.missing.to_string(),
        latency(tally.p50_ms),
        latency(tally.p99_ms),
    ]
}

/// Returns the line that is shown while receiving.
pub(crate) fn progress(queue: &dyn Transport, summary: &Summary) -> String {
    let (all, calls) = (summary.all(), queue.calls());
    let mut cost = format!("{} empty receives", calls.empty_receives);
    if let Some(dollars) = calls.dollars(queue.service()) {
        let _ = write!(cost, ", ${dollars:.6}");
    }
    if all.received == 0 {
        return format!("waiting for messages, {cost}");
    }
    format!(
        "{} received, {} out of order (furthest {}), {} duplicates, {} missing, p50 {}, p99 {}, {cost}",
        all.received,
        all.out_of_order,
        all.furthest,
        all.duplicates,
        all.missing,
        latency(all.p50_ms),
        latency(all.p99_ms),
    )
}

fn latency(milliseconds: Option<u64>) -> String {
    milliseconds.map_or_else(
        || "-".to_owned(),
        |milliseconds| latency::show(Duration::from_millis(milliseconds)),
    )
}
