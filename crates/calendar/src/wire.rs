//! Content lines as RFC 5545 §3.1 and §3.3 want them: text escaped, lines folded and ended by CRLF.
//!
//! Every byte of a calendar passes here, each once, whatever its length.

use chrono::{Datelike, NaiveDateTime, Timelike};
use icalendar::{Component, Property, ValueType};

/// RFC 5545 §3.1: the octets of a line, its line break not counted.
pub(super) const LINE_MAX_OCTETS: usize = 75;

/// A moment in UTC (RFC 5545 §3.3.5, form 2): `20260227T123000Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp([u8; 16]);

impl Stamp {
    /// Nothing for a year that has no four digits. Fractions of a second are dropped.
    pub(super) fn new(at: NaiveDateTime) -> Option<Self> {
        let year = u32::try_from(at.year())
            .ok()
            .filter(|year| (1..=9999).contains(year))?;
        let [[y1, y2], [y3, y4]] = [two_digits(year / 100), two_digits(year % 100)];
        let [[m1, m2], [d1, d2]] = [two_digits(at.month()), two_digits(at.day())];
        let [[h1, h2], [n1, n2], [s1, s2]] = [at.hour(), at.minute(), at.second()].map(two_digits);
        Some(Self([
            y1, y2, y3, y4, m1, m2, d1, d2, b'T', h1, h2, n1, n2, s1, s2, b'Z',
        ]))
    }
}

fn two_digits(number: u32) -> [u8; 2] {
    [number / 10, number].map(|number| b'0' + (number % 10) as u8)
}

/// Finished content lines, in memory.
#[derive(Debug, Default)]
pub(super) struct Lines {
    bytes: Vec<u8>,
    /// Where the line being written begins, or the last of its folds.
    line_start: usize,
}

impl Lines {
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.line_start = 0;
    }

    pub(super) fn begin(&mut self, component: &str) {
        self.plain("BEGIN", component);
    }

    pub(super) fn end(&mut self, component: &str) {
        self.plain("END", component);
    }

    /// Lines that were written before.
    pub(super) fn append(&mut self, lines: &Self) {
        self.bytes.extend_from_slice(&lines.bytes);
        self.line_start = self.bytes.len();
    }

    #[inline]
    pub(super) fn stamp(&mut self, name: &str, Stamp(value): Stamp) {
        self.name(name);
        self.bytes.extend_from_slice(&value);
        self.end_line();
    }

    pub(super) fn integer(&mut self, name: &str, value: i32) {
        self.name(name);
        self.push_integer(value);
        self.end_line();
    }

    #[inline]
    pub(super) fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        self.push_text(value);
        self.end_line();
    }

    pub(super) fn uid(&mut self, id: i32, suffix: &str) {
        self.name("UID");
        self.push_integer(id);
        self.push_text(suffix);
        self.end_line();
    }

    /// The properties of a component of the model and nothing else: the model's own writer adds a DTSTAMP and a UID.
    pub(super) fn properties(&mut self, component: &impl Component) {
        let several = component.multi_properties().values().flatten();
        component
            .properties()
            .values()
            .chain(several)
            .for_each(|property| self.property(property));
    }

    /// A property of the model. What its own writer takes on trust is not: names, parameters, and the escaping of
    /// properties it does not know, such as NAME.
    pub(super) fn property(&mut self, property: &Property) {
        self.push_kept(property.key(), |c| c.is_ascii_alphanumeric() || c == '-');
        for parameter in property.params().values() {
            self.push_folded(";");
            self.push_kept(parameter.key(), |c| c.is_ascii_alphanumeric() || c == '-');
            self.push_folded("=");
            let is_quoted = parameter.value().contains([':', ';', ',']);
            let quote = if is_quoted { "\"" } else { "" };
            self.push_folded(quote);
            self.push_kept(parameter.value(), |c| c != '"' && !c.is_ascii_control());
            self.push_folded(quote);
        }
        self.push_folded(":");
        // The model holds lists of text escaped already, for the sake of their commas.
        let is_list = matches!(property.key(), "CATEGORIES" | "RESOURCES");
        match property.value_type() {
            None | Some(ValueType::Text) if !is_list => self.push_text(property.value()),
            _ => self.push_kept(property.value(), |c| !c.is_ascii_control()),
        }
        self.end_line();
    }

    /// A value that needs neither escapes nor folds.
    fn plain(&mut self, name: &str, value: &str) {
        self.name(name);
        self.bytes.extend_from_slice(value.as_bytes());
        self.end_line();
    }

    fn name(&mut self, name: &str) {
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(b':');
    }

    fn end_line(&mut self) {
        self.bytes.extend_from_slice(b"\r\n");
        self.line_start = self.bytes.len();
    }

    fn push_integer(&mut self, number: i32) {
        if number < 0 {
            self.bytes.push(b'-');
        }
        self.push_digits(number.unsigned_abs());
    }

    fn push_digits(&mut self, number: u32) {
        if number >= 10 {
            self.push_digits(number / 10);
        }
        self.bytes.push(b'0' + (number % 10) as u8);
    }

    /// Escapes (RFC 5545 §3.3.11). A line break of any kind becomes `\n`; the control characters that no content line
    /// may hold are dropped.
    fn push_text(&mut self, text: &str) {
        // Most text is plain, and this look at the whole of it takes many bytes at a time.
        if !text.bytes().fold(false, |any, byte| any | is_special(byte)) {
            return self.push_folded(text);
        }
        let mut rest = text;
        while let Some(at) = rest.bytes().position(is_special) {
            let (plain, special) = rest.split_at(at);
            self.push_folded(plain);
            let mut bytes = special.bytes();
            match bytes.next() {
                Some(b'\r') if bytes.next() == Some(b'\n') => {}
                Some(b'\r' | b'\n') => self.push_escape(r"\n"),
                Some(b'\\') => self.push_escape(r"\\"),
                Some(b',') => self.push_escape(r"\,"),
                Some(b';') => self.push_escape(r"\;"),
                _ => {}
            }
            (_, rest) = special.split_at(1);
        }
        self.push_folded(rest);
    }

    /// Characters that are not kept are dropped.
    fn push_kept(&mut self, text: &str, keep: impl Fn(char) -> bool) {
        text.split(|c| !keep(c))
            .for_each(|run| self.push_folded(run));
    }

    /// Folds between characters only.
    fn push_folded(&mut self, text: &str) {
        let mut rest = text;
        while rest.len() > self.room() {
            let (head, tail) = rest.split_at(rest.floor_char_boundary(self.room()));
            self.bytes.extend_from_slice(head.as_bytes());
            self.fold();
            rest = tail;
        }
        self.bytes.extend_from_slice(rest.as_bytes());
    }

    /// Folds before, if at all: Google Calendar drops an event that has an escape cut in two.
    fn push_escape(&mut self, escape: &str) {
        if escape.len() > self.room() {
            self.fold();
        }
        self.bytes.extend_from_slice(escape.as_bytes());
    }

    fn room(&self) -> usize {
        LINE_MAX_OCTETS.saturating_sub(self.bytes.len() - self.line_start)
    }

    fn fold(&mut self) {
        self.bytes.extend_from_slice(b"\r\n");
        self.line_start = self.bytes.len();
        self.bytes.push(b' ');
    }
}

/// Whether a byte is not written as it is in text.
fn is_special(byte: u8) -> bool {
    matches!(byte, b'\\' | b';' | b',') || (byte.is_ascii_control() && byte != b'\t')
}

#[cfg(test)]
mod tests {
    use icalendar::{Event, EventLike as _};

    use super::*;

    fn written(write: impl FnOnce(&mut Lines)) -> String {
        let mut lines = Lines::default();
        write(&mut lines);
        String::from_utf8(lines.as_bytes().to_vec()).unwrap()
    }

    fn text(value: &str) -> String {
        let line = written(|lines| lines.text("X", value));
        line.strip_prefix("X:")
            .unwrap()
            .strip_suffix("\r\n")
            .unwrap()
            .to_owned()
    }

    fn property(property: &Property) -> String {
        written(|lines| lines.property(property))
    }

    #[test]
    fn text_is_escaped_and_nothing_else_is() {
        assert_eq!(text(r#"a\b;c,d:e"f'g"#), r#"a\\b\;c\,d:e"f'g"#);
        assert_eq!(text(r"C:\new"), r"C:\\new");
        assert_eq!(
            text("\u{85}\u{a0}\u{2028}\u{feff}\u{301}"),
            "\u{85}\u{a0}\u{2028}\u{feff}\u{301}"
        );
    }

    #[test]
    fn each_kind_of_line_break_becomes_one_escape() {
        assert_eq!(text("a\nb\r\nc\rd"), r"a\nb\nc\nd");
        assert_eq!(text("\r\r\n\n\r"), r"\n\n\n\n");
    }

    #[test]
    fn control_characters_are_dropped_and_tabs_are_kept() {
        let controls: String = (0..32_u8)
            .chain([127])
            .filter(|byte| !b"\r\n".contains(byte))
            .map(char::from)
            .collect();
        assert_eq!(text(&controls), "\t");
        assert_eq!(text("a\0,\u{7f}b"), r"a\,b");
    }

    #[test]
    fn a_line_of_75_octets_is_whole_and_one_of_76_is_folded() {
        let value = "x".repeat(73);
        assert_eq!(
            written(|lines| lines.text("X", &value)),
            format!("X:{value}\r\n")
        );
        assert_eq!(
            written(|lines| lines.text("X", &format!("{value}y"))),
            format!("X:{value}\r\n y\r\n")
        );
        let value = "x".repeat(73 + 74);
        assert_eq!(
            text(&value),
            format!("{}\r\n {}", "x".repeat(73), "x".repeat(74))
        );
    }

    #[test]
    fn no_fold_cuts_a_character_or_an_escape_wherever_it_falls() {
        for unit in ["é", "老", "🦷", ",", "\n", "\\", "a\\,🦷"] {
            for offset in 0..80 {
                let value = "x".repeat(offset) + &unit.repeat(100);
                let folded = text(&value);
                for line in format!("X:{folded}").split("\r\n") {
                    let trailing = line.bytes().rev().take_while(|byte| *byte == b'\\').count();
                    assert!(
                        line.len() <= LINE_MAX_OCTETS && trailing % 2 == 0,
                        "{unit:?} at {offset}: {line:?}"
                    );
                }
                let escaped = value
                    .replace('\\', r"\\")
                    .replace(',', r"\,")
                    .replace('\n', r"\n");
                assert_eq!(folded.replace("\r\n ", ""), escaped);
            }
        }
    }

    #[test]
    fn properties_of_the_model_are_written_with_none_of_its_writers_faults() {
        let name = Property::new("NAME", "a,b\r\nBEGIN:VEVENT");
        assert_eq!(property(&name), "NAME:a\\,b\\nBEGIN:VEVENT\r\n");
        let injected = Property::new("X-A:1\r\nX-B", "c")
            .add_parameter("CN\n", "d\";E=f:\r\n")
            .done();
        assert_eq!(property(&injected), "X-A1X-B;CN=\"d;E=f:\":c\r\n");
        let duration = Property::new("REFRESH-INTERVAL", "PT1H\r\n")
            .add_parameter("VALUE", "DURATION")
            .done();
        assert_eq!(
            property(&duration),
            "REFRESH-INTERVAL;VALUE=DURATION:PT1H\r\n"
        );
        let long = Property::new("X-LONG", "y")
            .add_parameter("P", &"é".repeat(200))
            .done();
        assert!(
            property(&long)
                .split("\r\n")
                .all(|line| line.len() <= LINE_MAX_OCTETS)
        );
    }

    #[test]
    fn a_component_of_the_model_gets_nothing_that_it_has_not_and_its_lists_are_escaped_once() {
        let event = Event::new().summary("a,b").categories(["c,d", "e"]).done();
        let lines = written(|lines| lines.properties(&event));
        assert_eq!(lines, "SUMMARY:a\\,b\r\nCATEGORIES:c\\,d,e\r\n");
    }

    #[test]
    fn a_stamp_has_the_form_of_utc_and_only_years_of_four_digits() {
        let at = |text: &str| text.parse::<NaiveDateTime>().unwrap();
        let stamp = |text: &str| {
            Stamp::new(at(text)).map(|stamp| String::from_utf8(stamp.0.to_vec()).unwrap())
        };
        assert_eq!(
            stamp("2026-02-07T03:04:05.999").as_deref(),
            Some("20260207T030405Z")
        );
        assert_eq!(
            stamp("0001-01-01T00:00:00").as_deref(),
            Some("00010101T000000Z")
        );
        assert_eq!(
            stamp("9999-12-31T23:59:60").as_deref(),
            Some("99991231T235959Z")
        );
        assert_eq!(stamp("0000-12-31T23:59:59"), None);
        assert_eq!(stamp("+10000-01-01T00:00:00"), None);
        assert_eq!(stamp("-0044-03-15T12:00:00"), None);
    }

    #[test]
    fn integers_are_written_whole() {
        let lines = written(|lines| {
            for number in [0, 9, 10, i32::MAX, i32::MIN] {
                lines.integer("N", number);
            }
        });
        assert_eq!(
            lines,
            "N:0\r\nN:9\r\nN:10\r\nN:2147483647\r\nN:-2147483648\r\n"
        );
    }
}
