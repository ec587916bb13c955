//! Components and their properties, as content lines.

use super::fold::FoldedBytes;
use super::stamp::Stamp;

/// Finished content lines, in memory.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    pub(super) buffer: FoldedBytes,
}

impl Lines {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.buffer.as_bytes()
    }

    pub(crate) fn clear(&mut self) {
        self.buffer.clear();
    }

    /// Appends lines that were written before.
    pub(crate) fn append(&mut self, lines: &Self) {
        self.buffer.append(&lines.buffer);
    }

    pub(crate) fn begin(&mut self, component: &str) {
        self.short("BEGIN", component);
    }

    pub(crate) fn end(&mut self, component: &str) {
        self.short("END", component);
    }

    #[inline]
    pub(crate) fn stamp(&mut self, name: &str, value: Stamp) {
        self.name(name);
        self.buffer.push_short(value.as_bytes());
        self.buffer.end_line();
    }

    pub(crate) fn integer(&mut self, name: &str, value: i32) {
        self.name(name);
        self.push_integer(value);
        self.buffer.end_line();
    }

    #[inline]
    pub(crate) fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        self.buffer.push_escaped(value);
        self.buffer.end_line();
    }

    pub(crate) fn uid(&mut self, id: i32, suffix: &str) {
        self.name("UID");
        self.push_integer(id);
        self.buffer.push_escaped(suffix);
        self.buffer.end_line();
    }

    /// Writes a value that needs neither escapes nor folds.
    fn short(&mut self, name: &str, value: &str) {
        self.name(name);
        self.buffer.push_short(value.as_bytes());
        self.buffer.end_line();
    }

    fn name(&mut self, name: &str) {
        self.buffer.push_short(name.as_bytes());
        self.buffer.push_short(b":");
    }

    fn push_integer(&mut self, number: i32) {
        if number < 0 {
            self.buffer.push_short(b"-");
        }
        self.push_digits(number.unsigned_abs());
    }

    fn push_digits(&mut self, number: u32) {
        if number >= 10 {
            self.push_digits(number / 10);
        }
        self.buffer.push_short(&[b'0' + (number % 10) as u8]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_written_with_their_sign_and_every_digit() {
        let mut lines = Lines::default();
        for number in [0, 9, 10, i32::MAX, i32::MIN] {
            lines.integer("N", number);
        }
        assert_eq!(
            lines.as_bytes(),
            b"N:0\r\nN:9\r\nN:10\r\nN:2147483647\r\nN:-2147483648\r\n"
        );
    }
}
