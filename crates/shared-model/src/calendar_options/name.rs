//! The name of a calendar.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{OptionError, stored_as_text};

/// The longest calendar name, in code points.
pub const NAME_MAX_CHARS: usize = 80;

/// A calendar's name: 1 to [`NAME_MAX_CHARS`] code points, without control characters and without leading or trailing
/// white space.
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

stored_as_text!(CalendarName);

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Result<String, OptionError> {
        text.parse().map(|name: CalendarName| name.to_string())
    }

    #[test]
    fn a_name_is_trimmed_and_counted_in_code_points() {
        assert_eq!(name("  Work, home \u{a0}").as_deref(), Ok("Work, home"));
        let longest = "\u{1f468}".repeat(NAME_MAX_CHARS);
        assert_eq!(name(&format!(" {longest} ")), Ok(longest.clone()));
        assert_eq!(name(&format!("{longest}x")), Err(OptionError::LongName));
    }

    #[test]
    fn an_empty_name_and_control_characters_are_rejected() {
        for text in ["", " ", "\u{a0}\t\n"] {
            assert_eq!(name(text), Err(OptionError::EmptyName), "{text:?}");
        }
        for text in ["a\r\nb", "a\tb", "a\0b", "a\u{7f}b", "a\u{85}b"] {
            assert_eq!(name(text), Err(OptionError::ControlInName), "{text:?}");
        }
    }
}
