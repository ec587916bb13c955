//! Times in UTC.

use chrono::{Datelike, NaiveDateTime, Timelike};

/// A date and time in UTC (RFC 5545 §3.3.5, form 2): `20260227T123000Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp([u8; 16]);

impl Stamp {
    /// Drops fractions of a second. Returns `None` for a year outside 1 to 9999, which iCalendar can't express.
    pub(crate) fn new(at: NaiveDateTime) -> Option<Self> {
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

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

fn two_digits(number: u32) -> [u8; 2] {
    [number / 10, number].map(|number| b'0' + (number % 10) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_in_utc_and_its_year_has_four_digits() {
        let stamp = |text: &str| {
            let at: NaiveDateTime = text.parse().unwrap();
            Stamp::new(at).map(|stamp| String::from_utf8(stamp.as_bytes().to_vec()).unwrap())
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
}
