//! How the messages of a run are made.

use std::num::NonZeroU64;
use std::time::Duration;

use crate::message::Outgoing;

/// Stands for the message's number in `--body` and `--dedup-id`.
const NUMBER: &str = "{number}";
/// The only message group of the practical.
const DEFAULT_GROUP: &str = "default";

/// Which message groups are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Groups {
    None,
    One(String),
    /// `group-0`, `group-1`, … in turn.
    InTurn(NonZeroU64),
}

impl Groups {
    /// Fills in the default group if no group was given and the queue is FIFO: a FIFO queue requires a group.
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

/// What all messages of a run have in common.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    pub(crate) client: String,
    pub(crate) prepend: String,
    pub(crate) groups: Groups,
    pub(crate) dedup_id: Option<String>,
    pub(crate) delay: Option<Duration>,
}

impl Pattern {
    /// Makes the message with that number.
    pub(super) fn make(&self, number: u64, body: &str) -> Outgoing {
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

/// Replaces `{number}` in a template.
pub(super) fn numbered(template: &str, number: u64) -> String {
    template.replace(NUMBER, &number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_fifo_queue_has_a_default_group() {
        let default = Groups::One(DEFAULT_GROUP.to_owned());
        assert_eq!(Groups::None.or_default(true), default);
        assert_eq!(Groups::None.or_default(false), Groups::None);
        let own = Groups::One("mine".to_owned());
        assert_eq!(own.clone().or_default(true), own);
    }
}
