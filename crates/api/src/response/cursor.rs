//! A place in a list as text that goes through a URL as it is: microseconds since 1970, a dot, an id.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use chrono::{DateTime, Datelike, Utc};

/// Postgres's times begin later than chrono's; no row was made outside these years.
const YEARS: RangeInclusive<i32> = 1..=9999;

/// Writes a place.
pub fn encode(created_at: DateTime<Utc>, id: impl Display) -> String {
    format!("{}.{id}", created_at.timestamp_micros())
}

/// Reads a place. `None`: it is none.
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
    fn a_cursor_comes_back_to_the_microsecond() {
        let at = DateTime::from_timestamp_micros(1_677_456_000_123_456).unwrap();
        assert_eq!(encode(at, 42), "1677456000123456.42");
        assert_eq!(decode::<i32>("1677456000123456.42"), Some((at, 42)));
    }

    #[test]
    fn what_is_no_cursor_is_told() {
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
