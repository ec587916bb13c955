//! The messages to send: numbered, or the lines of stdin.

use std::io::BufRead;
use std::num::NonZeroU64;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::error::Error;

/// What a number is written for in `--body` and `--dedup-id`.
const NUMBER: &str = "{number}";
/// The practical's only message group.
const DEFAULT_GROUP: &str = "default";
/// Lines that are read ahead.
const LINES_AHEAD: usize = 100;
/// The attribute that names the client.
pub(crate) const CLIENT_ATTRIBUTE: &str = "client";

/// A message before it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outgoing {
    pub(crate) number: u64,
    pub(crate) body: String,
    pub(crate) client: String,
    pub(crate) group: Option<String>,
    pub(crate) dedup_id: Option<String>,
    pub(crate) delay: Option<Duration>,
}

impl Outgoing {
    /// As SQS counts: the body and each attribute's name, type and value.
    pub(crate) fn bytes(&self) -> usize {
        self.body.len() + CLIENT_ATTRIBUTE.len() + "String".len() + self.client.len()
    }
}

/// Which message groups are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Groups {
    None,
    One(String),
    /// `group-0`, `group-1`, … in turn.
    InTurn(NonZeroU64),
}

impl Groups {
    /// A FIFO queue wants a group for each message.
    pub(crate) fn or_default(self, is_fifo: bool) -> Self {
        match self {
            Self::None if is_fifo => Self::One(DEFAULT_GROUP.to_owned()),
            groups => groups,
        }
    }

    fn of(&self, number: u64) -> Option<String> {
        match self {
            Self::None => None,
            Self::One(group) => Some(group.clone()),
            Self::InTurn(count) => Some(format!("group-{}", number % *count)),
        }
    }
}

/// How each message is made.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    pub(crate) client: String,
    pub(crate) prepend: String,
    pub(crate) groups: Groups,
    pub(crate) dedup_id: Option<String>,
    pub(crate) delay: Option<Duration>,
}

impl Pattern {
    fn make(&self, number: u64, body: &str) -> Outgoing {
        Outgoing {
            number,
            body: format!("{}{body}", self.prepend),
            client: self.client.clone(),
            group: self.groups.of(number),
            dedup_id: self.dedup_id.as_ref().map(|id| numbered(id, number)),
            delay: self.delay,
        }
    }
}

fn numbered(template: &str, number: u64) -> String {
    template.replace(NUMBER, &number.to_string())
}

/// Where bodies come from.
#[derive(Debug)]
enum Bodies {
    Template(String),
    Lines(mpsc::Receiver<Result<String, Error>>),
}

/// The messages to send, one after the other.
#[derive(Debug)]
pub(crate) struct Source {
    pattern: Pattern,
    bodies: Bodies,
    next: u64,
    /// `None`: as many as there are lines.
    end: Option<u64>,
}

impl Source {
    /// `count` messages from one text.
    pub(crate) fn template(pattern: Pattern, body: String, count: u64) -> Self {
        Self {
            pattern,
            bodies: Bodies::Template(body),
            next: 0,
            end: Some(count),
        }
    }

    /// A message for each line that is not empty.
    pub(crate) fn stdin(pattern: Pattern, count: Option<u64>) -> Self {
        let (sender, lines) = mpsc::channel(LINES_AHEAD);
        // A thread, because reading stdin cannot be broken off; the process ends without waiting for it.
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

    /// How many there will be, if that is known.
    pub(crate) fn len(&self) -> Option<u64> {
        self.end
    }

    /// The next message. Nothing is lost if it is not waited for.
    pub(crate) async fn next(&mut self) -> Result<Option<Outgoing>, Error> {
        if self.end.is_some_and(|end| self.next >= end) {
            return Ok(None);
        }
        let body = match &mut self.bodies {
            Bodies::Template(template) => numbered(template, self.next),
            Bodies::Lines(lines) => loop {
                match lines.recv().await.transpose()? {
                    // SQS takes no empty body
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
    use super::*;

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
    async fn a_text_is_put_before_each_body_as_it_is() {
        let pattern = Pattern {
            prepend: "again: ".to_owned(),
            dedup_id: Some("id-{number}".to_owned()),
            groups: Groups::InTurn(NonZeroU64::new(2).unwrap()),
            ..pattern()
        };
        let messages = all(Source::template(pattern, "Message {number}".to_owned(), 3)).await;
        assert_eq!(messages[2].body, "again: Message 2");
        assert_eq!(messages[2].dedup_id.as_deref(), Some("id-2"));
        let groups: Vec<_> = messages.iter().map(|it| it.group.as_deref()).collect();
        assert_eq!(groups, [Some("group-0"), Some("group-1"), Some("group-0")]);
    }

    #[test]
    fn only_a_fifo_queue_has_the_default_group() {
        let default = Groups::One(DEFAULT_GROUP.to_owned());
        assert_eq!(Groups::None.or_default(true), default);
        assert_eq!(Groups::None.or_default(false), Groups::None);
        let own = Groups::One("mine".to_owned());
        assert_eq!(own.clone().or_default(true), own);
    }
}
