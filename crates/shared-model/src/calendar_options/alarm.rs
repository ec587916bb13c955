//! The time of an alarm.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{OptionError, stored_as_text};

/// How far an alarm may be from its deadline, in days: a leap year.
pub const ALARM_MAX_DAYS: u64 = 366;

/// When an alarm goes off, relative to the deadline: a duration in the form of RFC 5545 §3.3.6, negative if it is before
/// the deadline.
///
/// Stored as the text that the calendar contains: upper case, without a plus sign, leading zeros or a negative zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AlarmTrigger(String);

/// The units of a duration, each with its length in seconds, in the order in which they may occur. Weeks occur alone;
/// hours may be followed only by minutes, and minutes only by seconds.
const WEEK: (char, u64) = ('W', 7 * 24 * 60 * 60);
const DAY: (char, u64) = ('D', 24 * 60 * 60);
const TIME: [(char, u64); 3] = [('H', 60 * 60), ('M', 60), ('S', 1)];

impl FromStr for AlarmTrigger {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Self, OptionError> {
        let text = text.to_ascii_uppercase();
        let (sign, unsigned) = match text.strip_prefix('-') {
            Some(rest) => ("-", rest),
            None => ("", text.strip_prefix('+').unwrap_or(&text)),
        };
        let mut parser = DurationParser {
            rest: unsigned
                .strip_prefix('P')
                .ok_or(OptionError::MalformedAlarm)?,
            seconds: 0,
            normalised: "P".to_owned(),
        };
        parser.duration()?;
        if parser.seconds > ALARM_MAX_DAYS * DAY.1 {
            return Err(OptionError::DistantAlarm);
        }
        let sign = if parser.seconds == 0 { "" } else { sign };
        Ok(Self(format!("{sign}{}", parser.normalised)))
    }
}

/// Parses what follows the `P`.
struct DurationParser<'a> {
    rest: &'a str,
    seconds: u64,
    normalised: String,
}

impl DurationParser<'_> {
    fn duration(&mut self) -> Result<(), OptionError> {
        if self.quantity(WEEK)? {
            return self.end();
        }
        let has_days = self.quantity(DAY)?;
        if let Some(time) = self.rest.strip_prefix('T') {
            self.rest = time;
            self.normalised.push('T');
            self.time()
        } else if has_days {
            self.end()
        } else {
            Err(OptionError::MalformedAlarm)
        }
    }

    fn time(&mut self) -> Result<(), OptionError> {
        let mut begun = false;
        for unit in TIME {
            let present = self.quantity(unit)?;
            if begun && !present {
                break;
            }
            begun |= present;
        }
        if begun {
            self.end()
        } else {
            Err(OptionError::MalformedAlarm)
        }
    }

    /// Consumes a number if it is followed by the unit, and returns whether it was.
    fn quantity(&mut self, (unit, unit_seconds): (char, u64)) -> Result<bool, OptionError> {
        let after_digits = self.rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let (digits, _) = self.rest.split_at(self.rest.len() - after_digits.len());
        let Some(rest) = after_digits.strip_prefix(unit) else {
            return Ok(false);
        };
        if digits.is_empty() {
            return Err(OptionError::MalformedAlarm);
        }
        // digits fail to parse only if there are too many of them
        let Ok(number) = digits.parse::<u64>() else {
            return Err(OptionError::DistantAlarm);
        };
        self.seconds = number
            .checked_mul(unit_seconds)
            .and_then(|seconds| seconds.checked_add(self.seconds))
            .ok_or(OptionError::DistantAlarm)?;
        self.normalised.push_str(&number.to_string());
        self.normalised.push(unit);
        self.rest = rest;
        Ok(true)
    }

    fn end(&self) -> Result<(), OptionError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(OptionError::MalformedAlarm)
        }
    }
}

stored_as_text!(AlarmTrigger);

#[cfg(test)]
mod tests {
    use super::*;

    fn alarm(text: &str) -> Result<String, OptionError> {
        text.parse().map(|alarm: AlarmTrigger| alarm.to_string())
    }

    #[test]
    fn every_form_of_a_duration_is_accepted() {
        for text in [
            "-PT15M",
            "PT0S",
            "-P1D",
            "-P1W",
            "-P52W",
            "-P1DT2H",
            "-P1DT30M",
            "-P1DT2H3M4S",
            "-PT1H",
            "-PT1H30M",
            "-PT1H0M30S",
            "-PT1M30S",
            "-PT45S",
            "PT15M",
            "-P366D",
        ] {
            assert_eq!(alarm(text).as_deref(), Ok(text));
        }
    }

    #[test]
    fn a_duration_is_normalised() {
        for (text, normalised) in [
            ("-pt15m", "-PT15M"),
            ("+PT15M", "PT15M"),
            ("-PT0015M", "-PT15M"),
            ("-p01dt02h", "-P1DT2H"),
            ("-PT0S", "PT0S"),
        ] {
            assert_eq!(alarm(text).as_deref(), Ok(normalised));
        }
    }

    #[test]
    fn text_that_is_not_an_rfc_5545_duration_is_rejected() {
        for text in [
            "",
            "-",
            "P",
            "-P",
            "PT",
            "15M",
            "-15M",
            "T15M",
            "PT15",
            "P15M",
            "-PT-15M",
            "--PT15M",
            "+-PT15M",
            "-PT15M ",
            " -PT15M",
            "-PT 15M",
            "PTM",
            "PD",
            "P1D2H",
            "P1W1D",
            "P1WT1H",
            "P1DT",
            "PT1H30S",
            "PT5S1M",
            "PT1M1H",
            "PT1M1M",
            "PT1.5H",
            "P1Y",
            "P1M",
            "PT15M\r\nX:1",
            "-PT١M",
            "-PT15M\0",
        ] {
            assert_eq!(alarm(text), Err(OptionError::MalformedAlarm), "{text:?}");
        }
    }

    #[test]
    fn a_duration_of_more_than_a_year_is_rejected_in_every_unit() {
        for text in [
            "-P367D",
            "P53W",
            "-P366DT1S",
            "PT8785H",
            "-PT31622401S",
            "-P99999999999999999999D",
            "P18446744073709551615W",
        ] {
            assert_eq!(alarm(text), Err(OptionError::DistantAlarm), "{text:?}");
        }
    }
}
