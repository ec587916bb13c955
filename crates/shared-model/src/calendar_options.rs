//! What a calendar job makes of the todos it selects: the members `component`, `alarm` and `name` of a request.
//!
//! Each is parsed from text here and nowhere else, so that what a row or a job holds is valid. The errors read on
//! from the member's name: "alarm: must be a duration such as -PT15M".

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest calendar name, in code points.
pub const NAME_MAX_CHARS: usize = 80;
/// How far an alarm may be from its deadline: a leap year.
pub const ALARM_MAX_DAYS: u64 = 366;

/// The form of the calendar. The default is one event for each todo with a deadline.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalendarOptions {
    /// What a todo becomes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub component: Component,
    /// When to remind of an open todo's deadline; never by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarm: Option<AlarmTrigger>,
    /// What calendar programs call the calendar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<CalendarName>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Why a text is no valid option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// No [`Component`].
    #[error("must be event, todo or both")]
    UnknownComponent,
    /// No duration as RFC 5545 writes it.
    #[error("must be a duration such as -PT15M, -PT1H30M, -P1D or -P1W")]
    MalformedAlarm,
    /// A duration of more than [`ALARM_MAX_DAYS`].
    #[error("must be at most {ALARM_MAX_DAYS} days before or after the deadline")]
    DistantAlarm,
    /// A name of nothing but white space.
    #[error("must not be empty")]
    EmptyName,
    /// A name of more than [`NAME_MAX_CHARS`].
    #[error("must have at most {NAME_MAX_CHARS} characters")]
    LongName,
    /// A name with a line break or the like in it.
    #[error("must not contain control characters")]
    ControlInName,
}

/// What a todo becomes in the calendar.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Component {
    /// An event at its deadline; a todo without one is left out.
    #[default]
    Event,
    /// A to-do, due at its deadline if it has one.
    Todo,
    /// Both of them.
    Both,
}

impl FromStr for Component {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Self, OptionError> {
        match text {
            "event" => Ok(Self::Event),
            "todo" => Ok(Self::Todo),
            "both" => Ok(Self::Both),
            _ => Err(OptionError::UnknownComponent),
        }
    }
}

/// When an alarm goes off, from the deadline on: a duration as RFC 5545 §3.3.6 writes it, negative before it.
///
/// Kept as the text that goes on the wire: upper case, no plus sign, no leading zeros, no negative zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AlarmTrigger(String);

/// The units of a duration in the order they may come in, each in seconds. Weeks stand alone; hours are followed by
/// minutes and minutes by seconds only.
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

/// Reads what follows the `P`.
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

    /// Takes a number if it is followed by the unit, and says whether it was.
    fn quantity(&mut self, (unit, unit_seconds): (char, u64)) -> Result<bool, OptionError> {
        let after_digits = self.rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let (digits, _) = self.rest.split_at(self.rest.len() - after_digits.len());
        let Some(rest) = after_digits.strip_prefix(unit) else {
            return Ok(false);
        };
        if digits.is_empty() {
            return Err(OptionError::MalformedAlarm);
        }
        // The only way for digits not to be a number is to be too many.
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

/// A calendar's name: 1 to [`NAME_MAX_CHARS`] code points, no white space at its ends, no control characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CalendarName(String);

impl FromStr for CalendarName {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Self, OptionError> {
        let name = text.trim();
        if name.is_empty() {
            return Err(OptionError::EmptyName);
        }
        if name.chars().count() > NAME_MAX_CHARS {
            return Err(OptionError::LongName);
        }
        if name.contains(char::is_control) {
            return Err(OptionError::ControlInName);
        }
        Ok(Self(name.to_owned()))
    }
}

macro_rules! kept_as_text {
    ($($type:ident),*) => {$(
        impl $type {
            /// The text, as it goes on the wire.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $type {
            type Error = OptionError;

            fn try_from(text: String) -> Result<Self, OptionError> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.0
            }
        }
    )*};
}
kept_as_text!(AlarmTrigger, CalendarName);

#[cfg(test)]
mod tests {
    use super::*;

    fn alarm(text: &str) -> Result<String, OptionError> {
        text.parse().map(|alarm: AlarmTrigger| alarm.to_string())
    }

    fn name(text: &str) -> Result<String, OptionError> {
        text.parse().map(|name: CalendarName| name.to_string())
    }

    #[test]
    fn every_form_of_a_duration_is_read() {
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
    fn an_alarm_keeps_its_normalised_text() {
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
    fn what_is_no_duration_of_rfc_5545_is_refused() {
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
    fn an_alarm_of_more_than_a_year_is_refused_however_it_is_written() {
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

    #[test]
    fn a_name_is_trimmed_and_counted_in_code_points() {
        assert_eq!(name("  Work, home \u{a0}").as_deref(), Ok("Work, home"));
        let longest = "\u{1f468}".repeat(NAME_MAX_CHARS);
        assert_eq!(name(&format!(" {longest} ")), Ok(longest.clone()));
        assert_eq!(name(&format!("{longest}x")), Err(OptionError::LongName));
    }

    #[test]
    fn a_name_without_text_or_with_control_characters_is_refused() {
        for text in ["", " ", "\u{a0}\t\n"] {
            assert_eq!(name(text), Err(OptionError::EmptyName), "{text:?}");
        }
        for text in ["a\r\nb", "a\tb", "a\0b", "a\u{7f}b", "a\u{85}b"] {
            assert_eq!(name(text), Err(OptionError::ControlInName), "{text:?}");
        }
    }

    #[test]
    fn errors_read_on_from_the_member() {
        let error = |error: OptionError| error.to_string();
        assert_eq!(
            error("events".parse::<Component>().unwrap_err()),
            "must be event, todo or both"
        );
        assert_eq!(
            error(OptionError::DistantAlarm),
            "must be at most 366 days before or after the deadline"
        );
        assert_eq!(
            error(OptionError::LongName),
            "must have at most 80 characters"
        );
    }

    #[test]
    fn default_members_are_not_stored_and_absent_ones_are_default() {
        assert_eq!(
            serde_json::to_string(&CalendarOptions::default()).unwrap(),
            "{}"
        );
        assert_eq!(
            serde_json::from_str::<CalendarOptions>("{}").unwrap(),
            CalendarOptions::default()
        );
    }

    #[test]
    fn options_are_stored_beside_the_filter_in_one_golden_object() {
        use crate::job::CalendarRequest;

        let golden =
            r#"{"completed":false,"window":7,"component":"both","alarm":"-PT15M","name":"Work"}"#;
        let request: CalendarRequest = serde_json::from_str(golden).unwrap();
        assert_eq!(
            request.options,
            CalendarOptions {
                component: Component::Both,
                alarm: Some("-PT15M".parse().unwrap()),
                name: Some("Work".parse().unwrap()),
            }
        );
        assert_eq!(serde_json::to_string(&request).unwrap(), golden);

        let before_options: CalendarRequest = serde_json::from_str(r#"{"window":7}"#).unwrap();
        assert_eq!(before_options.options, CalendarOptions::default());
    }

    #[test]
    fn a_stored_option_that_is_invalid_is_not_read() {
        for stored in [
            r#"{"alarm":"soon"}"#,
            r#"{"name":"a\nb"}"#,
            r#"{"component":"journal"}"#,
        ] {
            assert!(
                serde_json::from_str::<CalendarOptions>(stored).is_err(),
                "{stored}"
            );
        }
    }
}
