//! Property values that can be checked without knowing their component.

use super::content_line::ContentLine;
use super::finding::{Findings, Rule};
use super::moment::{Form, Moment};

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

pub(super) fn check(number: usize, line: &ContentLine<'_>, findings: &mut Findings) {
    let name = line.name;
    if line.is_one_of(&TEXTS) {
        check_text(number, line, false, findings);
    } else if line.is_one_of(&TEXT_LISTS) {
        check_text(number, line, true, findings);
    } else if line.is_one_of(&UTC_STAMPS) {
        match Moment::parse(line) {
            None => {
                let detail = format!("{name} is not a date and time");
                findings.add(number, Rule::Moment, detail);
            }
            Some(moment) if moment.form != Form::Utc => {
                findings.add(number, Rule::NotUtc, format!("{name} is not in UTC"));
            }
            Some(_) => {}
        }
    } else if line.is_one_of(&MOMENTS) && Moment::parse(line).is_none() {
        let detail = format!("{name} is neither a date nor a date and time");
        findings.add(number, Rule::Moment, detail);
    }
}

/// Reports the first violation in a text.
fn check_text(number: usize, line: &ContentLine<'_>, is_list: bool, findings: &mut Findings) {
    let name = line.name;
    let mut chars = line.value.chars();
    while let Some(c) = chars.next() {
        let (rule, detail) = match c {
            '\\' => match chars.next() {
                Some('\\' | ';' | ',' | 'n' | 'N') => continue,
                Some(other) => (
                    Rule::UnknownEscape,
                    format!("{name} has a backslash before {other:?}, which is not an escape"),
                ),
                None => (
                    Rule::UnknownEscape,
                    format!("{name} ends with an incomplete escape"),
                ),
            },
            ';' => (
                Rule::RawText,
                format!("{name} contains an unescaped semicolon"),
            ),
            ',' if !is_list => (Rule::RawText, format!("{name} contains an unescaped comma")),
            _ => continue,
        };
        return findings.add(number, rule, detail);
    }
}
