//! What a subscriber says at its end.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::cost::Calls;
use crate::error::Error;
use crate::latency::show;
use crate::output::{Output, printable};
use crate::plot::plot;
use crate::queue::Queue;
use crate::summary::{Summary, Tally};
use crate::table::table;

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

/// What was received and not deleted.
#[derive(Debug, Serialize)]
pub(crate) struct Left {
    pub(crate) given_back: usize,
    pub(crate) in_flight: usize,
    /// Each may have taken up to ten messages.
    pub(crate) unanswered_receives: u32,
    #[serde(skip)]
    pub(crate) reason: Option<String>,
}

impl Left {
    pub(crate) fn say(&self, output: &Output) {
        if self.given_back > 0 {
            output.note(format_args!(
                "{} messages were not deleted and are visible again",
                self.given_back
            ));
        }
        if self.in_flight > 0 {
            output.note(format_args!(
                "{} messages stay in flight until their visibility timeout ends: {}",
                self.in_flight,
                self.reason.as_deref().unwrap_or("they were not given back")
            ));
        }
        if self.unanswered_receives > 0 {
            output.note(format_args!(
                "{} receives had no answer: what they may have taken stays in flight until its visibility timeout ends",
                self.unanswered_receives
            ));
        }
    }
}

#[derive(Debug, Serialize)]
struct Last<'a> {
    event: &'static str,
    queue: &'a str,
    #[serde(flatten)]
    all: Tally,
    clients: BTreeMap<String, Tally>,
    #[serde(flatten)]
    left: &'a Left,
    calls: &'a Calls,
    dollars_on_aws: f64,
}

/// The table of clients and what the calls cost; the plot if it is wanted.
pub(crate) fn report(
    queue: &Queue,
    summary: &Summary,
    left: &Left,
    with_plot: bool,
    output: &mut Output,
) -> Result<(), Error> {
    if with_plot {
        output.text(&plot(&summary.places()))?;
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
        let calls = queue.calls.sentence(queue.is_fifo);
        format!("{}\n{calls}", table(&rows))
    };
    let last = Last {
        event: "summary",
        queue: &queue.name,
        all: all.clone(),
        clients: clients.clone(),
        left,
        calls: &queue.calls,
        dollars_on_aws: queue.calls.dollars(queue.is_fifo),
    };
    output.result(text, &last)
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

/// The line that runs along.
pub(crate) fn so_far(queue: &Queue, summary: &Summary) -> String {
    let (all, calls) = (summary.all(), &queue.calls);
    let cost = format!(
        "{} empty, ${:.6}",
        calls.empty_receives,
        calls.dollars(queue.is_fifo)
    );
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
        |milliseconds| show(Duration::from_millis(milliseconds)),
    )
}
