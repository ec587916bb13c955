//! The buffer that content lines are written to, which folds them.

/// RFC 5545 §3.1: the maximum length of a line in octets, not counting its line break.
pub(crate) const LINE_MAX_OCTETS: usize = 75;

/// Content lines in memory, folded as they are appended.
#[derive(Debug, Default)]
pub(super) struct FoldedBytes {
    bytes: Vec<u8>,
    /// Where the current line begins, or its latest continuation line.
    line_start: usize,
}

impl FoldedBytes {
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.line_start = 0;
    }

    /// Appends whole lines that were folded before.
    pub(super) fn append(&mut self, lines: &Self) {
        self.bytes.extend_from_slice(&lines.bytes);
        self.line_start = self.bytes.len();
    }

    /// Appends bytes that are known to fit into the current line.
    #[inline]
    pub(super) fn push_short(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends text, folding between characters where necessary.
    pub(super) fn push(&mut self, text: &str) {
        let mut rest = text;
        while rest.len() > self.room() {
            let (head, tail) = rest.split_at(rest.floor_char_boundary(self.room()));
            self.bytes.extend_from_slice(head.as_bytes());
            self.fold();
            rest = tail;
        }
        self.bytes.extend_from_slice(rest.as_bytes());
    }

    /// Appends text that must stay on one line, folding before it where necessary.
    pub(super) fn push_unbroken(&mut self, text: &str) {
        if text.len() > self.room() {
            self.fold();
        }
        self.bytes.extend_from_slice(text.as_bytes());
    }

    #[inline]
    pub(super) fn end_line(&mut self) {
        self.bytes.extend_from_slice(b"\r\n");
        self.line_start = self.bytes.len();
    }

    /// How many octets still fit into the current line.
    fn room(&self) -> usize {
        LINE_MAX_OCTETS.saturating_sub(self.bytes.len() - self.line_start)
    }

    fn fold(&mut self) {
        self.bytes.extend_from_slice(b"\r\n");
        self.line_start = self.bytes.len();
        self.bytes.push(b' ');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Lines;

    fn line(value: &str) -> String {
        let mut lines = Lines::default();
        lines.text("X", value);
        String::from_utf8(lines.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn a_line_of_75_octets_stays_whole_and_a_longer_one_is_folded() {
        let value = "x".repeat(73);
        assert_eq!(line(&value), format!("X:{value}\r\n"));
        assert_eq!(line(&format!("{value}y")), format!("X:{value}\r\n y\r\n"));
        assert_eq!(
            line(&"x".repeat(73 + 74)),
            format!("X:{}\r\n {}\r\n", "x".repeat(73), "x".repeat(74))
        );
    }

    #[test]
    fn no_fold_splits_a_character_or_an_escape_at_any_offset() {
        for unit in ["é", "老", "🦷", ",", "\n", "\\", "a\\,🦷"] {
            for offset in 0..80 {
                let value = "x".repeat(offset) + &unit.repeat(100);
                let folded = line(&value);
                for line in folded.split("\r\n") {
                    let backslashes = line.bytes().rev().take_while(|byte| *byte == b'\\').count();
                    assert!(
                        line.len() <= LINE_MAX_OCTETS && backslashes % 2 == 0,
                        "{unit:?} at {offset}: {line:?}"
                    );
                }
                let escaped = value
                    .replace('\\', r"\\")
                    .replace(',', r"\,")
                    .replace('\n', r"\n");
                assert_eq!(folded.replace("\r\n ", ""), format!("X:{escaped}\r\n"));
            }
        }
    }
}
