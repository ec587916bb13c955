//! The results as a table.

use std::fmt::Write;

use super::measure::{Measures, Row};
use crate::report::table as aligned;

pub(super) const HEADS: [&str; 10] = [
    "queue",
    "kept",
    "lost",
    "delivered again",
    "out of order",
    "overall",
    "redelivery",
    "p50",
    "p99",
    "calls",
];

/// Returns the rows as aligned text. A queue that could not be measured has only dashes, and its reason follows, as do
/// notes.
pub(super) fn table(rows: &[&Row]) -> String {
    let mut lines = vec![HEADS.map(str::to_owned).to_vec()];
    lines.extend(rows.iter().map(|row| {
        let mut line = vec![row.queue.clone()];
        line.extend(cells(row));
        line
    }));
    let mut text = aligned(&lines);
    for row in rows {
        if let Err(reason) = &row.result {
            let _ = write!(text, "\n{}: {reason}", row.queue);
        }
        if let Some(note) = row.note {
            let _ = write!(text, "\n{}: {note}", row.queue);
        }
    }
    text
}

/// Returns the cells of a row after its first one.
pub(super) fn cells(row: &Row) -> Vec<String> {
    match &row.result {
        Ok(measures) => of(measures),
        Err(_) => vec!["-".to_owned(); HEADS.len() - 1],
    }
}

fn of(measures: &Measures) -> Vec<String> {
    let redelivery = match (measures.first_redelivery_ms, measures.last_redelivery_ms) {
        (Some(first), Some(last)) => {
            let (first, last) = (time(Some(first)), time(Some(last)));
            if first == last {
                first
            } else {
                format!("{first} – {last}")
            }
        }
        _ if measures.held > 0 => "never".to_owned(),
        _ => "-".to_owned(),
    };
    vec![
        format!("{}/{}", measures.kept, measures.unattended),
        measures.lost.to_string(),
        measures.delivered_again.to_string(),
        measures.out_of_order.to_string(),
        measures.out_of_order_overall.to_string(),
        redelivery,
        time(measures.p50_ms),
        time(measures.p99_ms),
        format!("{:.1}", measures.calls_per_message),
    ]
}

fn time(milliseconds: Option<f64>) -> String {
    match milliseconds {
        None => "-".to_owned(),
        Some(milliseconds) if milliseconds < 10.0 => format!("{milliseconds:.1} ms"),
        Some(milliseconds) if milliseconds < 1000.0 => format!("{milliseconds:.0} ms"),
        Some(milliseconds) => format!("{:.1} s", milliseconds / 1000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_suitable_unit() {
        let times = [None, Some(0.84), Some(9.96), Some(123.4), Some(5012.0)].map(time);
        assert_eq!(times, ["-", "0.8 ms", "10.0 ms", "123 ms", "5.0 s"]);
    }

    #[test]
    fn a_queue_that_was_not_measured_has_dashes_and_a_reason() {
        let row = Row {
            event: "compared",
            queue: "redis".to_owned(),
            note: Some("a note"),
            result: Err("unreachable".to_owned()),
        };
        let text = table(&[&row]);
        let lines: Vec<&str> = text.lines().collect();
        let [_, dashes, reason, note] = lines[..] else {
            panic!("{text}");
        };
        assert_eq!(dashes.matches('-').count(), 9);
        assert_eq!((reason, note), ("redis: unreachable", "redis: a note"));
    }
}
