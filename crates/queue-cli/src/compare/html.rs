//! The results as one page, without scripts and without anything from elsewhere.

use std::fmt::Write;

use super::Load;
use super::measure::Row;
use super::table::{HEADS, cells};

const STYLE: &str = include_str!("page.css");
/// What the columns of the table mean.
const COLUMNS: [(&str, &str); 9] = [
    (
        "kept",
        "How many of the messages that were sent while nobody listened arrived later.",
    ),
    (
        "lost",
        "Messages that no subscriber completed. Where every subscriber gets all messages, each of them counts.",
    ),
    (
        "delivered again",
        "Deliveries of a message after its first one.",
    ),
    (
        "out of order",
        "Messages that were completed after a later one of the same publisher.",
    ),
    (
        "overall",
        "Messages that were completed after one that any publisher sent later.",
    ),
    (
        "redelivery",
        "The time from the death of subscriber A to the first and the last of the messages that it had received and not \
         completed, at another subscriber.",
    ),
    ("p50", "The median time from sending to the first delivery."),
    ("p99", "The time that 99 % of the messages did not exceed."),
    (
        "calls",
        "What publishers and subscribers sent to the service for each message: requests, commands or frames.",
    ),
];

/// A row, with its picture as SVG.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) row: Row,
    pub(super) chart: String,
}

/// Returns the page.
pub(super) fn page(load: &Load, reports: &[Report]) -> String {
    let Load {
        publishers, count, ..
    } = load;
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>Queues compared</title>\n<style>\n{STYLE}</style>\n\
         </head>\n<body>\n<main>\n<h1>Queues compared</h1>\n\
         <p>{publishers} publishers sent {count} numbered messages each, together {} per second. Two subscribers, A and B, \
         received and deleted them. When half of the messages had been sent, A received up to ten more and was killed \
         before it deleted them.</p>\n",
        load.rate
    );
    table(&mut page, reports);
    definitions(&mut page);
    for report in reports {
        figure(&mut page, report);
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn table(page: &mut String, reports: &[Report]) {
    page.push_str("<div class=\"wide\">\n<table>\n<thead><tr>");
    for head in HEADS {
        let _ = write!(page, "<th scope=\"col\">{head}</th>");
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for Report { row, .. } in reports {
        let _ = write!(page, "<tr><th scope=\"row\">{}</th>", escaped(&row.queue));
        for cell in cells(row) {
            let _ = write!(page, "<td>{}</td>", escaped(&cell));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n</table>\n</div>\n");
}

fn definitions(page: &mut String) {
    page.push_str("<dl>\n");
    for (name, meaning) in COLUMNS {
        let _ = writeln!(page, "<dt>{name}</dt><dd>{meaning}</dd>");
    }
    page.push_str("</dl>\n");
}

fn figure(page: &mut String, report: &Report) {
    let title = escaped(&report.row.queue);
    match &report.row.result {
        Ok(_) => {
            let _ = writeln!(
                page,
                "<figure>\n<h2>{title}</h2>\n{}\n<figcaption><span class=\"key a\">subscriber A</span> \
                 <span class=\"key b\">subscriber B</span> <span class=\"key c\">successor of A</span> \
                 <span class=\"key again\">delivered again</span></figcaption>\n</figure>",
                report.chart
            );
        }
        Err(error) => {
            let _ = writeln!(page, "<h2>{title}</h2>\n<p>{}</p>", escaped(error));
        }
    }
    if let Some(note) = report.row.note {
        let _ = writeln!(page, "<p>{title}: {}</p>", escaped(note));
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_page_is_complete_and_shows_no_markup_of_others() {
        let load = Load {
            publishers: 2,
            count: 100,
            rate: 200.0,
            visibility: Duration::from_secs(5),
        };
        let report = Report {
            row: Row {
                event: "compared",
                queue: "<b>".to_owned(),
                note: Some("c < d"),
                result: Err("a & b".to_owned()),
            },
            chart: String::new(),
        };
        let page = page(&load, &[report]);
        assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));
        assert!(page.contains("&lt;b&gt;") && page.contains("a &amp; b"));
        assert!(page.contains("c &lt; d"));
        assert!(!page.contains("<script") && !page.contains("http"));
        // each column but the first is explained
        let names = COLUMNS.map(|(name, _)| name);
        assert_eq!(names, HEADS[1..]);
    }
}
