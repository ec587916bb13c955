//! Text values, escaped as RFC 5545 §3.3.11 requires.

use super::fold::FoldedBytes;

impl FoldedBytes {
    /// Appends text, escaped. A line break of any kind becomes `\n`. Control characters that a content line can't hold
    /// are dropped.
    pub(super) fn push_escaped(&mut self, text: &str) {
        // Most text needs no escape. The compiler vectorizes this scan because it does not stop at the first match.
        if !text.bytes().fold(false, |any, byte| any | is_special(byte)) {
            return self.push(text);
        }
        let mut rest = text;
        while let Some(at) = rest.bytes().position(is_special) {
            let (plain, special) = rest.split_at(at);
            self.push(plain);
            let mut bytes = special.bytes();
            match bytes.next() {
                // the LF that follows becomes the escape
                Some(b'\r') if bytes.next() == Some(b'\n') => {}
                Some(b'\r' | b'\n') => self.push_escape(r"\n"),
                Some(b'\\') => self.push_escape(r"\\"),
                Some(b',') => self.push_escape(r"\,"),
                Some(b';') => self.push_escape(r"\;"),
                _ => {}
            }
            (_, rest) = special.split_at(1);
        }
        self.push(rest);
    }

    /// Appends an escape without splitting it: Google Calendar drops an event in which a fold splits an escape.
    fn push_escape(&mut self, escape: &str) {
        self.push_unbroken(escape);
    }
}

/// Whether a byte of text needs an escape or has to be dropped.
fn is_special(byte: u8) -> bool {
    matches!(byte, b'\\' | b';' | b',') || (byte.is_ascii_control() && byte != b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str) -> String {
        let mut buffer = FoldedBytes::default();
        buffer.push_escaped(text);
        String::from_utf8(buffer.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn only_the_characters_that_need_an_escape_get_one() {
        assert_eq!(escaped(r#"a\b;c,d:e"f'g"#), r#"a\\b\;c\,d:e"f'g"#);
        assert_eq!(escaped(r"C:\new"), r"C:\\new");
        assert_eq!(
            escaped("\u{85}\u{a0}\u{2028}\u{feff}\u{301}"),
            "\u{85}\u{a0}\u{2028}\u{feff}\u{301}"
        );
    }

    #[test]
    fn every_kind_of_line_break_becomes_one_escape() {
        assert_eq!(escaped("a\nb\r\nc\rd"), r"a\nb\nc\nd");
        assert_eq!(escaped("\r\r\n\n\r"), r"\n\n\n\n");
    }

    #[test]
    fn control_characters_are_dropped_except_tabs() {
        let controls: String = (0..32_u8)
            .chain([127])
            .filter(|byte| !b"\r\n".contains(byte))
            .map(char::from)
            .collect();
        assert_eq!(escaped(&controls), "\t");
        assert_eq!(escaped("a\0,\u{7f}b"), r"a\,b");
    }
}
