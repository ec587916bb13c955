//! A cursor: the position in a list as text that needs no escapes in a URL. It consists of the microseconds since 1970, a
//! dot and an id.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use chrono::{DateTime, Datelike, Utc};

/// PostgreSQL's range of timestamps is smaller than chrono's. No row was created outside these years.
const YEARS: RangeInclusive<i32> = 1..=9999;

/// Encodes a position.
pub fn encode(created_at: DateTime<Utc>, id: impl Display) -> String {
    format!("{}.{id}", created_at.timestamp_micros())
}

/// Decodes a cursor. Returns `None` if it is malformed.
pub fn decode<Id: FromStr>(cursor: &str) -> Option<(DateTime<Utc>, Id)> {
    let (micros, id) = cursor.split_once('.')?;
    let created_at = DateTime::from_timestamp_micros(micros.parse().ok()?)?;
    if !YEARS.contains(&created_at.year()) {
        return None;
    }
    Some((created_at, id.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_keeps_microseconds() {
        let at = DateTime::from_timestamp_micros(1_677_456_000_123_456).unwrap();
        assert_eq!(encode(at, 42), "1677456000123456.42");
        assert_eq!(decode::<i32>("1677456000123456.42"), Some((at, 42)));
    }

    #[test]
    fn a_malformed_cursor_is_refused() {
        for cursor in [
            "",
            ".",
            "1",
            "1.",
            ".1",
            "1.x",
            "x.1",
            "1.99999999999",
            "1.1.1",
            "-9223372036854775808.1",
            "253402300800000000.1",
        ] {
            assert_eq!(decode::<i32>(cursor), None, "{cursor:?}");
        }
    }
}
