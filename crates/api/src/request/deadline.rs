//! The formats in which the API accepts a deadline.

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};

/// Parses a deadline and converts it to UTC. Accepts a date, which means midnight, or a date and a time separated by `T`
/// or a space. Seconds, a fraction (truncated to microseconds), and `Z` or an offset are optional. Returns `None` for any
/// other format, and if the year is not within 1 to 9999.
pub fn parse(text: &str) -> Option<NaiveDateTime> {
    let mut rest = text.as_bytes();
    let date = date(&mut rest)?;
    if rest.is_empty() {
        return date.and_hms_opt(0, 0, 0);
    }
    skip(&mut rest, b'T').or_else(|| skip(&mut rest, b' '))?;
    let local = date.and_time(time(&mut rest)?);
    let utc = local.checked_sub_signed(offset(&mut rest)?)?;
    (rest.is_empty() && (1..=9999).contains(&utc.year())).then_some(utc)
}

fn date(rest: &mut &[u8]) -> Option<NaiveDate> {
    let year = digits(rest, 4)?;
    skip(rest, b'-')?;
    let month = digits(rest, 2)?;
    skip(rest, b'-')?;
    let day = digits(rest, 2)?;
    NaiveDate::from_ymd_opt(
        i32::try_from(year).ok().filter(|year| *year > 0)?,
        month,
        day,
    )
}

fn time(rest: &mut &[u8]) -> Option<NaiveTime> {
    let hour = digits(rest, 2)?;
    skip(rest, b':')?;
    let minute = digits(rest, 2)?;
    if skip(rest, b':').is_none() {
        return NaiveTime::from_hms_opt(hour, minute, 0);
    }
    let second = digits(rest, 2)?;
    let micros = match skip(rest, b'.') {
        Some(()) => fraction(rest)?,
        None => 0,
    };
    NaiveTime::from_hms_micro_opt(hour, minute, second, micros)
}

/// Returns microseconds. Further digits are dropped.
fn fraction(rest: &mut &[u8]) -> Option<u32> {
    let mut micros = digits(rest, 1)?.checked_mul(100_000)?;
    let mut place = 10_000;
    while let Some(digit) = digits(rest, 1) {
        micros += digit * place;
        place /= 10;
    }
    Some(micros)
}

fn offset(rest: &mut &[u8]) -> Option<TimeDelta> {
    if rest.is_empty() || skip(rest, b'Z').is_some() {
        return Some(TimeDelta::zero());
    }
    let sign = match skip(rest, b'+') {
        Some(()) => 1,
        None => skip(rest, b'-').map(|()| -1)?,
    };
    let hours = digits(rest, 2).filter(|hours| *hours < 24)?;
    let colon = skip(rest, b':').is_some();
    let minutes = match digits(rest, 2) {
        Some(minutes) if minutes < 60 => minutes,
        None if !colon => 0,
        _ => return None,
    };
    Some(TimeDelta::minutes(sign * i64::from(hours * 60 + minutes)))
}

fn digits(rest: &mut &[u8], count: usize) -> Option<u32> {
    let (digits, after) = rest.split_at_checked(count)?;
    let number = digits.iter().try_fold(0, |number, byte| {
        byte.is_ascii_digit()
            .then(|| number * 10 + u32::from(byte - b'0'))
    })?;
    *rest = after;
    Some(number)
}

fn skip(rest: &mut &[u8], byte: u8) -> Option<()> {
    *rest = rest.strip_prefix(&[byte])?;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_accepted_format_is_converted_to_utc() {
        for (text, utc) in [
            ("2023-02-27", "2023-02-27T00:00:00"),
            ("2023-02-27T12:34", "2023-02-27T12:34:00"),
            ("2023-02-27T12:34:56", "2023-02-27T12:34:56"),
            ("2023-02-27 12:34:56", "2023-02-27T12:34:56"),
            ("2023-02-27T12:34:56.5", "2023-02-27T12:34:56.500"),
            (
                "2023-02-27T12:34:56.123456789",
                "2023-02-27T12:34:56.123456",
            ),
            ("2023-02-27T12:34:56Z", "2023-02-27T12:34:56"),
            ("2023-02-27T12:34:56.25Z", "2023-02-27T12:34:56.250"),
            ("2023-02-27T12:34:56+10:00", "2023-02-27T02:34:56"),
            ("2023-02-27T12:34:56-0530", "2023-02-27T18:04:56"),
            ("2023-02-27T12:34+10", "2023-02-27T02:34:00"),
            ("2023-02-27 00:30:00+01:00", "2023-02-26T23:30:00"),
            ("2023-02-27T12:34:56-00:00", "2023-02-27T12:34:56"),
            ("2024-02-29T23:59:59.999999Z", "2024-02-29T23:59:59.999999"),
            ("0001-01-01", "0001-01-01T00:00:00"),
            ("9999-12-31T23:59:59", "9999-12-31T23:59:59"),
        ] {
            let parsed = parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(format!("{parsed:?}"), utc, "{text}");
        }
    }

    #[test]
    fn every_other_format_is_refused() {
        for text in [
            "",
            " ",
            "tomorrow",
            "2023",
            "2023-02",
            "2023-2-27",
            "23-02-27",
            "20230227",
            "2023-02-30",
            "2023-13-01",
            "2023-00-01",
            "2023-02-29",
            "+2023-02-27",
            "-2023-02-27",
            "02023-02-27",
            "0000-01-01",
            " 2023-02-27",
            "2023-02-27 ",
            "2023-02-27T",
            "2023-02-27T12",
            "2023-02-27T1:2",
            "2023-02-27T24:00:00",
            "2023-02-27T12:60",
            "2023-02-27T12:34:60",
            "2023-02-27T12:34:56.",
            "2023-02-27T12:34:56,5",
            "2023-02-27t12:34:56",
            "2023-02-27T12:34:56z",
            "2023-02-27T12:34:56 Z",
            "2023-02-27T12:34:56ZZ",
            "2023-02-27T12:34:56+",
            "2023-02-27T12:34:56+1",
            "2023-02-27T12:34:56+24:00",
            "2023-02-27T12:34:56+10:60",
            "2023-02-27T12:34:56+10:",
            "2023-02-27T12:34:56+10:0",
            "2023-02-27Z",
            "2023-02-27_12:34:56",
            "2023-02-27T12:34:56 +10:00",
            "2023-W09-1",
            "1677456000",
            "0001-01-01T00:00:00+01:00",
            "9999-12-31T23:59:59-01:00",
            "２023-02-27",
            "2023-02-27T12:34:56\0",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
