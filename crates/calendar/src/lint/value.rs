//! A property's parts, and what its value may be.

use chrono::NaiveDate;

use super::{Findings, Rule};

/// A content line (RFC 5545 §3.1).
pub(super) struct ContentLine<'a> {
    pub(super) name: &'a str,
    parameters: &'a str,
    pub(super) value: &'a str,
}

impl<'a> ContentLine<'a> {
    pub(super) fn parse(line: &'a str) -> Option<Self> {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let (name, rest) = line.split_at(line.bytes().position(|byte| !is_token(byte))?);
        let mut quoted = false;
        let colon = rest.bytes().position(|byte| {
            quoted ^= byte == b'"';
            byte == b':' && !quoted
        })?;
        let (parameters, value) = rest.split_at(colon);
        if name.is_empty() || !(parameters.is_empty() || parameters.starts_with(';')) {
            return None;
        }
        Some(Self {
            name,
            parameters,
            value: value.strip_prefix(':')?,
        })
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    pub(super) fn is_one_of(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.is(name))
    }

    /// A parameter's value, without its quotes.
    pub(super) fn parameter(&self, name: &str) -> Option<&'a str> {
        let mut quoted = false;
        let parameters = self.parameters.split(move |c| {
            quoted ^= c == '"';
            c == ';' && !quoted
        });
        parameters
            .filter_map(|parameter| parameter.split_once('='))
            .find_map(|(key, value)| {
                key.eq_ignore_ascii_case(name)
                    .then(|| value.trim_matches('"'))
            })
    }
}

const TEXTS: [&str; 13] = [
    "SUMMARY",
    "DESCRIPTION",
    "LOCATION",
    "COMMENT",
    "CONTACT",
    "NAME",
    "X-WR-CALNAME",
    "X-WR-CALDESC",
    "UID",
    "PRODID",
    "RELATED-TO",
    "TZID",
    "TZNAME",
];
const TEXT_LISTS: [&str; 2] = ["CATEGORIES", "RESOURCES"];
const UTC_STAMPS: [&str; 4] = ["DTSTAMP", "CREATED", "LAST-MODIFIED", "COMPLETED"];
const MOMENTS: [&str; 4] = ["DTSTART", "DTEND", "DUE", "RECURRENCE-ID"];

/// Checks what can be told of a value without the component it is in.
pub(super) fn check(number: usize, line: &ContentLine<'_>, findings: &mut Findings) {
    let name = line.name;
    if line.is_one_of(&TEXTS) {
        check_text(number, line, false, findings);
    } else if line.is_one_of(&TEXT_LISTS) {
        check_text(number, line, true, findings);
    } else if line.is_one_of(&UTC_STAMPS) {
        match Moment::parse(line) {
            None => findings.add(number, Rule::Moment, format!("{name} is no date and time")),
            Some(moment) if moment.form != Form::Utc => {
                findings.add(number, Rule::NotUtc, format!("{name} is not in UTC"));
            }
            Some(_) => {}
        }
    } else if line.is_one_of(&MOMENTS) && Moment::parse(line).is_none() {
        findings.add(
            number,
            Rule::Moment,
            format!("{name} is neither a date nor a date and time"),
        );
    }
}

fn check_text(number: usize, line: &ContentLine<'_>, is_list: bool, findings: &mut Findings) {
    let name = line.name;
    let mut chars = line.value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('\\' | ';' | ',' | 'n' | 'N') => {}
                Some(other) => {
                    return findings.add(
                        number,
                        Rule::UnknownEscape,
                        format!("{name} has a backslash before {other:?}"),
                    );
                }
                None => {
                    return findings.add(
                        number,
                        Rule::UnknownEscape,
                        format!("{name} ends in a backslash"),
                    );
                }
            },
            ';' => {
                return findings.add(
                    number,
                    Rule::RawText,
                    format!("{name} has a semicolon without a backslash"),
                );
            }
            ',' if !is_list => {
                return findings.add(
                    number,
                    Rule::RawText,
                    format!("{name} has a comma without a backslash"),
                );
            }
            _ => {}
        }
    }
}

/// The form of a date or a date and time (RFC 5545 §3.3.4, §3.3.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    Date,
    Floating,
    Utc,
    Zoned(String),
}

/// A date, or a date and time. Two of one form compare as their times do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) form: Form,
    pub(super) at: chrono::NaiveDateTime,
}

impl Moment {
    pub(super) fn parse(line: &ContentLine<'_>) -> Option<Self> {
        let (date, time) = match line.value.split_once('T') {
            Some((date, time)) => (date, Some(time)),
            None => (line.value, None),
        };
        let [year, month, day] = numbers(date, [4, 2, 2])?;
        let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
        let Some(time) = time else {
            return Some(Self {
                form: Form::Date,
                at: date.and_hms_opt(0, 0, 0)?,
            });
        };
        let form = if time.ends_with('Z') {
            Form::Utc
        } else if let Some(zone) = line.parameter("TZID") {
            Form::Zoned(zone.to_owned())
        } else {
            Form::Floating
        };
        let [hour, minute, second] = numbers(time.strip_suffix('Z').unwrap_or(time), [2, 2, 2])?;
        // §3.3.12: a second 60 is a leap second.
        Some(Self {
            form,
            at: date.and_hms_opt(hour, minute, if second == 60 { 59 } else { second })?,
        })
    }
}

/// Numbers of so many digits each and nothing else.
fn numbers<const N: usize>(text: &str, widths: [usize; N]) -> Option<[u32; N]> {
    if text.len() != widths.iter().sum::<usize>() || !text.bytes().all(|byte| byte.is_ascii_digit())
    {
        return None;
    }
    let mut rest = text;
    Some(widths.map(|width| {
        let (digits, after) = rest.split_at(width);
        rest = after;
        digits
            .bytes()
            .fold(0, |number, digit| number * 10 + u32::from(digit - b'0'))
    }))
}
