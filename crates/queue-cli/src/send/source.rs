//! The messages to send: numbered ones, or the lines of stdin.

use std::io::BufRead;

use tokio::sync::mpsc;

use super::pattern::{Pattern, numbered};
use crate::error::Error;
use crate::message::Outgoing;

/// How many lines of stdin are read ahead.
const LINES_AHEAD: usize = 100;

/// Where the bodies come from.
#[derive(Debug)]
enum Bodies {
    Template(String),
    Lines(mpsc::Receiver<Result<String, Error>>),
}

/// The messages to send, in order.
#[derive(Debug)]
pub(crate) struct Source {
    pattern: Pattern,
    bodies: Bodies,
    next: u64,
    /// If `None`, the source ends with stdin.
    end: Option<u64>,
}

impl Source {
    /// Creates a source of `count` messages from one text.
    pub(crate) fn template(pattern: Pattern, body: String, count: u64) -> Self {
        Self {
            pattern,
            bodies: Bodies::Template(body),
            next: 0,
            end: Some(count),
        }
    }

    /// Creates a source of one message for each line of stdin that is not empty, at most `count` if there is one.
    pub(crate) fn stdin(pattern: Pattern, count: Option<u64>) -> Self {
        let (sender, lines) = mpsc::channel(LINES_AHEAD);
        // A thread, because reading stdin cannot be cancelled. The process exits without waiting for it.
        std::thread::spawn(move || {
            for (line, number) in std::io::stdin().lock().lines().zip(1_u64..) {
                let line =
                    line.map_err(|error| Error::Failed(format!("line {number} of stdin: {error}")));
                let failed = line.is_err();
                if sender.blocking_send(line).is_err() || failed {
                    return;
                }
            }
        });
        Self {
            pattern,
            bodies: Bodies::Lines(lines),
            next: 0,
            end: count,
        }
    }

    /// Returns the number of messages, if it is known.
    pub(crate) fn len(&self) -> Option<u64> {
        self.end
    }

    /// Returns the next message, or `None` at the end. If the future is dropped, no message is lost.
    pub(crate) async fn next(&mut self) -> Result<Option<Outgoing>, Error> {
        if self.end.is_some_and(|end| self.next >= end) {
            return Ok(None);
        }
        let body = match &mut self.bodies {
            Bodies::Template(template) => numbered(template, self.next),
            Bodies::Lines(lines) => loop {
                match lines.recv().await.transpose()? {
                    // SQS refuses an empty body
                    Some(line) if line.is_empty() => {}
                    Some(line) => break line,
                    None => return Ok(None),
                }
            },
        };
        let message = self.pattern.make(self.next, &body);
        self.next += 1;
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;
    use crate::send::pattern::Groups;

    fn pattern() -> Pattern {
        Pattern {
            client: "Client 1".to_owned(),
            prepend: String::new(),
            groups: Groups::None,
            dedup_id: None,
            delay: None,
        }
    }

    async fn all(mut source: Source) -> Vec<Outgoing> {
        let mut messages = Vec::new();
        while let Some(message) = source.next().await.unwrap() {
            messages.push(message);
        }
        messages
    }

    #[tokio::test]
    async fn the_practicals_messages_are_numbered_from_0() {
        let messages = all(Source::template(
            pattern(),
            "Message {number}".to_owned(),
            100,
        ))
        .await;
        assert_eq!(messages.len(), 100);
        assert_eq!(messages[0].body, "Message 0");
        assert_eq!(messages[99].body, "Message 99");
    }

    #[tokio::test]
    async fn a_text_is_put_before_each_body_unchanged() {
        let pattern = Pattern {
            prepend: "again: ".to_owned(),
            dedup_id: Some("id-{number}".to_owned()),
            groups: Groups::InTurn(NonZeroU64::new(2).unwrap()),
            ..pattern()
        };
        let messages = all(Source::template(pattern, "Message {number}".to_owned(), 3)).await;
        assert_eq!(messages[2].body, "again: Message 2");
        assert_eq!(messages[2].dedup_id.as_deref(), Some("id-2"));
        let groups: Vec<_> = messages
            .iter()
            .map(|message| message.group.as_deref())
            .collect();
        assert_eq!(groups, [Some("group-0"), Some("group-1"), Some("group-0")]);
    }
}
