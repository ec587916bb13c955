//! Splits a file's bytes into unfolded lines.

use std::borrow::Cow;
use std::str;

use super::finding::{Findings, Rule};
use crate::wire::LINE_MAX_OCTETS;

/// Reads a file line by line and joins folded lines.
pub(super) struct Unfold<'a> {
    rest: &'a [u8],
    number: usize,
}

impl<'a> Unfold<'a> {
    pub(super) fn new(bytes: &'a [u8], findings: &mut Findings) -> Self {
        let rest = match bytes.strip_prefix(b"\xef\xbb\xbf") {
            Some(rest) => {
                findings.add(
                    1,
                    Rule::ByteOrderMark,
                    "the file begins with a byte order mark",
                );
                rest
            }
            None => bytes,
        };
        Self { rest, number: 0 }
    }

    /// Returns the number of the line that was read last.
    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// Returns the next line, unfolded, and the number of its first physical line.
    pub(super) fn next(&mut self, findings: &mut Findings) -> Option<(usize, Cow<'a, str>)> {
        let first = self.physical(findings)?;
        let number = self.number;
        let mut broken = str::from_utf8(first).is_err().then_some(number);
        let mut line = Cow::Borrowed(first);
        let mut escaping = ends_escaping(first, false);
        while let Some((b' ' | b'\t', _)) = self.rest.split_first() {
            if escaping {
                findings.add(self.number, Rule::FoldInEscape, "the fold splits an escape");
            }
            let (_, part) = self.physical(findings)?.split_first()?;
            escaping = ends_escaping(part, escaping);
            if str::from_utf8(part).is_err() {
                broken.get_or_insert(self.number);
            }
            line.to_mut().extend_from_slice(part);
        }
        let (line, valid) = decode(line);
        match broken {
            Some(number) if valid => {
                findings.add(number, Rule::FoldInCharacter, "a fold splits a character");
            }
            Some(number) => findings.add(number, Rule::Utf8, "the line is not valid UTF-8"),
            None => {}
        }
        Some((number, line))
    }

    /// Returns the next physical line, without its line break.
    fn physical(&mut self, findings: &mut Findings) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        self.number += 1;
        let (line, rest) = match self.rest.iter().position(|byte| *byte == b'\n') {
            Some(at) => self.rest.split_at(at + 1),
            None => (self.rest, [].as_slice()),
        };
        self.rest = rest;
        let content = if let Some(content) = line.strip_suffix(b"\r\n") {
            content
        } else if let Some(content) = line.strip_suffix(b"\n") {
            findings.add(
                self.number,
                Rule::LineEnding,
                "the line ends with LF instead of CRLF",
            );
            content
        } else {
            findings.add(
                self.number,
                Rule::LastLineEnding,
                "the last line does not end with CRLF",
            );
            line
        };
        if content.len() > LINE_MAX_OCTETS {
            findings.add(
                self.number,
                Rule::LineLength,
                format!(
                    "the line has {} octets; the maximum is {LINE_MAX_OCTETS}",
                    content.len()
                ),
            );
        }
        if let Some(byte) = content
            .iter()
            .find(|byte| byte.is_ascii_control() && **byte != b'\t')
        {
            findings.add(
                self.number,
                Rule::ControlCharacter,
                format!("the line contains the control character {byte:#04x}"),
            );
        }
        Some(content)
    }
}

/// Whether the line ends within an escape. `escaping`: whether it begins within one.
fn ends_escaping(line: &[u8], escaping: bool) -> bool {
    let backslashes = line.iter().rev().take_while(|byte| **byte == b'\\').count();
    let carried = usize::from(escaping && backslashes == line.len());
    (backslashes + carried) % 2 == 1
}

/// Returns the text, and whether the bytes were valid UTF-8.
fn decode(line: Cow<'_, [u8]>) -> (Cow<'_, str>, bool) {
    match line {
        Cow::Borrowed(bytes) => {
            let text = String::from_utf8_lossy(bytes);
            let valid = matches!(text, Cow::Borrowed(_));
            (text, valid)
        }
        Cow::Owned(bytes) => match String::from_utf8(bytes) {
            Ok(text) => (Cow::Owned(text), true),
            Err(error) => (
                Cow::Owned(String::from_utf8_lossy(error.as_bytes()).into_owned()),
                false,
            ),
        },
    }
}
