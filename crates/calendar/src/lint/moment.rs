//! Dates and times.

use chrono::{NaiveDate, NaiveDateTime};

use super::content_line::ContentLine;

/// The form of a date, or of a date and time (RFC 5545 §3.3.4, §3.3.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    Date,
    Floating,
    Utc,
    Zoned(String),
}

/// A date, or a date and time. Only two moments of the same form can be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) form: Form,
    pub(super) at: NaiveDateTime,
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
        // RFC 5545 §3.3.12: second 60 is a leap second.
        Some(Self {
            form,
            at: date.and_hms_opt(hour, minute, if second == 60 { 59 } else { second })?,
        })
    }
}

/// Parses text that consists only of adjacent numbers, each with the given number of digits.
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
