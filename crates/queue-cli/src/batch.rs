//! What a batch call did, entry by entry. HTTP 200 may carry entries that failed.

use std::fmt;

use aws_sdk_sqs::types::BatchResultErrorEntry;

/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-batch-api-actions.html>
pub(crate) const MAX_ENTRIES: usize = 10;

/// Why SQS did not do it for one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: String,
    pub(crate) message: String,
    /// Whether asking again would be refused again.
    pub(crate) sender_fault: bool,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.message.is_empty() {
            return f.write_str(&self.code);
        }
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl From<&BatchResultErrorEntry> for Refusal {
    fn from(entry: &BatchResultErrorEntry) -> Self {
        Self {
            code: entry.code.clone(),
            message: entry.message.clone().unwrap_or_default(),
            sender_fault: entry.sender_fault,
        }
    }
}

/// An entry's id, from its place in the batch.
pub(crate) fn id(index: usize) -> String {
    index.to_string()
}

/// The outcome of each of `count` entries, in their order. What stands in neither list counts as failed.
pub(crate) fn outcomes<T>(
    count: usize,
    successful: Vec<(String, T)>,
    failed: &[BatchResultErrorEntry],
) -> Vec<Result<T, Refusal>> {
    let mut outcomes: Vec<Result<T, Refusal>> = (0..count)
        .map(|index| {
            let entry = failed.iter().find(|entry| entry.id == id(index));
            Err(entry.map_or_else(unnamed, Refusal::from))
        })
        .collect();
    for (entry, done) in successful {
        let place = entry
            .parse()
            .ok()
            .and_then(|index: usize| outcomes.get_mut(index));
        if let Some(outcome) = place {
            *outcome = Ok(done);
        }
    }
    outcomes
}

fn unnamed() -> Refusal {
    Refusal {
        code: "NoAnswer".to_owned(),
        message: "the answer names it neither as done nor as failed".to_owned(),
        sender_fault: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(id: &str, code: &str, sender_fault: bool) -> BatchResultErrorEntry {
        BatchResultErrorEntry::builder()
            .id(id)
            .code(code)
            .sender_fault(sender_fault)
            .build()
            .unwrap()
    }

    #[test]
    fn each_entry_is_looked_for_in_both_lists() {
        let successful = vec![("2".to_owned(), 'c'), ("0".to_owned(), 'a')];
        let refused = [failed("1", "InternalError", false)];
        let outcomes = outcomes(4, successful, &refused);
        assert_eq!(outcomes[0], Ok('a'));
        assert_eq!(outcomes[1].as_ref().unwrap_err().code, "InternalError");
        assert_eq!(outcomes[2], Ok('c'));
        let missing = outcomes[3].as_ref().unwrap_err();
        assert!(!missing.sender_fault && missing.to_string().contains("neither"));
    }

    #[test]
    fn ids_that_nobody_asked_about_change_nothing() {
        let successful = vec![("7".to_owned(), ()), ("x".to_owned(), ())];
        let outcomes = outcomes(1, successful, &[failed("9", "Odd", true)]);
        assert!(matches!(outcomes.as_slice(), [Err(refusal)] if refusal.code == "NoAnswer"));
    }
}
