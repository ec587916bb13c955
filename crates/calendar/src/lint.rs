//! Whether a file keeps to RFC 5545 where it matters to calendar programs, told from its bytes alone.
//!
//! For what no library catches: a parser forgives a line that ends in LF only, a fold in the middle of a character or
//! a raw comma, and some calendar program does not. It is no full validator: what it does not know it lets pass.
//!
//! # Layout
//! - `lines`: from bytes to unfolded lines, and what is wrong with lines as such
//! - `structure`: how components nest
//! - `component`, `kind`: which properties they have
//! - `value`: a property's parts and what its value may be

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use self::lines::Unfold;
use self::structure::Structure;

mod component;
mod kind;
mod lines;
mod structure;
#[cfg(test)]
mod tests;
mod value;

/// What the findings are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Every line ends in CRLF (RFC 5545 §3.1).
    LineEnding,
    /// So does the last one.
    LastLineEnding,
    /// A line has at most 75 octets, its break not counted (§3.1).
    LineLength,
    /// No fold cuts an escape: legal, but Google Calendar drops the event.
    FoldInEscape,
    /// No fold cuts a character: legal, but some programs decode line by line.
    FoldInCharacter,
    /// The file is UTF-8 (§3.1.4).
    Utf8,
    /// It does not begin with a byte order mark.
    ByteOrderMark,
    /// No control character but TAB (§3.1).
    ControlCharacter,
    /// Every line is a name, parameters and a value (§3.1).
    ContentLine,
    /// BEGIN and END match, and all is in a VCALENDAR (§3.4, §3.6).
    Nesting,
    /// What a component must have is there (§3.6).
    MissingProperty,
    /// What a component may have once is there once (§3.6).
    RepeatedProperty,
    /// An alarm has neither DTSTAMP nor UID (§3.6.6).
    AlarmProperty,
    /// An alarm's trigger has the start or the end that it counts from (§3.8.6.3).
    AlarmTrigger,
    /// A UID belongs to one component, or to the instances of one recurring component (§3.8.4.7).
    RepeatedUid,
    /// A TZID has its VTIMEZONE (§3.2.19).
    MissingTimezone,
    /// Commas and semicolons in text are escaped (§3.3.11).
    RawText,
    /// A backslash in text is followed by what it can escape (§3.3.11).
    UnknownEscape,
    /// Dates and times are possible and in their form (§3.3.4, §3.3.5).
    Moment,
    /// Stamps are in UTC (§3.8.2.1, §3.8.7).
    NotUtc,
    /// An end comes after its start (§3.8.2.2, §3.8.2.3).
    Span,
    /// A STATUS is one of its component's (§3.8.1.11).
    Status,
}

impl Rule {
    /// The rule's name in a report.
    pub fn name(self) -> &'static str {
        match self {
            Self::LineEnding => "line-ending",
            Self::LastLineEnding => "last-line-ending",
            Self::LineLength => "line-length",
            Self::FoldInEscape => "fold-in-escape",
            Self::FoldInCharacter => "fold-in-character",
            Self::Utf8 => "utf-8",
            Self::ByteOrderMark => "byte-order-mark",
            Self::ControlCharacter => "control-character",
            Self::ContentLine => "content-line",
            Self::Nesting => "nesting",
            Self::MissingProperty => "missing-property",
            Self::RepeatedProperty => "repeated-property",
            Self::AlarmProperty => "alarm-property",
            Self::AlarmTrigger => "alarm-trigger",
            Self::RepeatedUid => "repeated-uid",
            Self::MissingTimezone => "missing-timezone",
            Self::RawText => "raw-text",
            Self::UnknownEscape => "unknown-escape",
            Self::Moment => "moment",
            Self::NotUtc => "not-utc",
            Self::Span => "span",
            Self::Status => "status",
        }
    }
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where, counted from 1 in the file's own lines, before unfolding.
    pub line: usize,
    /// Against what.
    pub rule: Rule,
    /// What it is, for a person.
    pub detail: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.line, self.rule.name(), self.detail)
    }
}

/// The findings so far.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, line: usize, rule: Rule, detail: impl Into<String>) {
        self.0.push(Finding {
            line,
            rule,
            detail: detail.into(),
        });
    }
}

/// All that is wrong with a calendar, in the order of its lines. Takes time in proportion to the bytes.
pub fn lint(bytes: &[u8]) -> Vec<Finding> {
    let mut findings = Findings::default();
    let mut lines = Unfold::new(bytes, &mut findings);
    let mut structure = Structure::default();
    while let Some((number, line)) = lines.next(&mut findings) {
        structure.line(number, &line, &mut findings);
    }
    structure.end(lines.number(), &mut findings);
    findings.0.sort_by_key(|finding| finding.line);
    findings.0
}

/// Writes what is wrong with a file, one finding a line after the file's name, and gives their number.
///
/// # Errors
/// When the file cannot be read or `out` not be written.
pub fn report(path: &Path, out: &mut impl io::Write) -> io::Result<usize> {
    let findings = lint(&fs::read(path)?);
    for finding in &findings {
        writeln!(out, "{}:{finding}", path.display())?;
    }
    Ok(findings.len())
}
