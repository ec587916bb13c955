//! The numbers at the end of message bodies.

use std::collections::{BTreeSet, HashMap};

/// The numbers that one run of a publisher sends, each once and in increasing order. If a number arrives again with
/// another message id, it belongs to the next run.
#[derive(Debug, Default)]
pub(super) struct Run {
    numbers: BTreeSet<u64>,
    /// By message group: a FIFO queue guarantees no order between groups.
    highest: HashMap<Option<String>, u64>,
}

impl Run {
    /// Records a number. Returns how far it is behind the highest earlier number of its group.
    pub(super) fn record(&mut self, number: u64, group: Option<String>) -> u64 {
        self.numbers.insert(number);
        let highest = self.highest.entry(group).or_insert(number);
        let behind = highest.saturating_sub(number);
        *highest = number.max(*highest);
        behind
    }

    /// Returns how many numbers between the lowest and the highest are missing.
    pub(super) fn missing(&self) -> u64 {
        match (self.numbers.first(), self.numbers.last()) {
            (Some(first), Some(last)) => (last - first) - (self.numbers.len() as u64 - 1),
            _ => 0,
        }
    }
}

/// Returns the first run that does not contain the number yet.
pub(super) fn run_without(runs: &mut Vec<Run>, number: u64) -> &mut Run {
    let index = runs
        .iter()
        .position(|run| !run.numbers.contains(&number))
        .unwrap_or(runs.len());
    if index == runs.len() {
        runs.push(Run::default());
    }
    #[expect(clippy::indexing_slicing, reason = "it was just found or pushed")]
    &mut runs[index]
}

/// Splits `Message 42` into the text before the number, and the number.
pub(super) fn split_number(body: &str) -> (&str, Option<u64>) {
    let stem = body.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let number = body
        .strip_prefix(stem)
        .and_then(|digits| digits.parse().ok());
    (stem, number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_ends_with_a_number_of_at_most_20_digits_or_with_none() {
        assert_eq!(split_number("Message 42"), ("Message ", Some(42)));
        assert_eq!(split_number("hello").1, None);
        assert_eq!(split_number("Message 999999999999999999999").1, None);
    }

    #[test]
    fn a_number_that_is_known_belongs_to_the_next_run() {
        let mut runs = Vec::new();
        for number in [0, 1, 0, 1, 2] {
            assert_eq!(run_without(&mut runs, number).record(number, None), 0);
        }
        assert_eq!(runs.len(), 2);
    }
}
