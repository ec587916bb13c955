//! The rules, and the findings that refer to them.

use std::fmt;

/// The rule that a finding violates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Every line ends with CRLF (RFC 5545 §3.1).
    LineEnding,
    /// The last line ends with CRLF too.
    LastLineEnding,
    /// A line has at most 75 octets, not counting its line break (§3.1).
    LineLength,
    /// No fold splits an escape. RFC 5545 allows such a fold, but Google Calendar drops the event.
    FoldInEscape,
    /// No fold splits a character. RFC 5545 allows such a fold, but some programs decode each line separately.
    FoldInCharacter,
    /// The file is UTF-8 (§3.1.4).
    Utf8,
    /// The file does not begin with a byte order mark.
    ByteOrderMark,
    /// There are no control characters except TAB (§3.1).
    ControlCharacter,
    /// Every line consists of a name, parameters and a value (§3.1).
    ContentLine,
    /// BEGIN and END match, and everything is inside a VCALENDAR (§3.4, §3.6).
    Nesting,
    /// A component has the properties that it must have (§3.6).
    MissingProperty,
    /// A component has a property only once if it must not be repeated (§3.6).
    RepeatedProperty,
    /// An alarm has neither DTSTAMP nor UID (§3.6.6).
    AlarmProperty,
    /// The start or end that an alarm's trigger is relative to exists (§3.8.6.3).
    AlarmTrigger,
    /// A UID belongs to one component, or to the instances of one recurring component (§3.8.4.7).
    RepeatedUid,
    /// Every TZID has its VTIMEZONE (§3.2.19).
    MissingTimezone,
    /// Commas and semicolons in text are escaped (§3.3.11).
    RawText,
    /// Every backslash in text begins a valid escape (§3.3.11).
    UnknownEscape,
    /// Dates and times exist and are well formed (§3.3.4, §3.3.5).
    Moment,
    /// Timestamps such as DTSTAMP are in UTC (§3.8.2.1, §3.8.7).
    NotUtc,
    /// A component ends after it starts (§3.8.2.2, §3.8.2.3).
    Span,
    /// A STATUS is valid for its component (§3.8.1.11).
    Status,
}

impl Rule {
    /// Returns the rule's name as a report shows it.
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

/// One violation of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The number of the line in the file, before unfolding. The first line is 1.
    pub line: usize,
    /// The rule that is violated.
    pub rule: Rule,
    /// What is wrong, in words.
    pub detail: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.line, self.rule.name(), self.detail)
    }
}

/// The findings so far.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    pub(super) fn add(&mut self, line: usize, rule: Rule, detail: impl Into<String>) {
        self.0.push(Finding {
            line,
            rule,
            detail: detail.into(),
        });
    }

    /// Returns the findings ordered by line.
    pub(super) fn into_sorted(mut self) -> Vec<Finding> {
        self.0.sort_by_key(|finding| finding.line);
        self.0
    }
}
