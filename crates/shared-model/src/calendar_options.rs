//! The form of a calendar: the members `component`, `alarm` and `name` of a request.
//!
//! They are parsed here and nowhere else, so every stored value is valid. The error messages follow the name of the
//! member: "alarm must be a duration such as -PT15M".

use std::str::FromStr;

use serde::{Deserialize, Serialize};

mod alarm;
mod name;

pub use alarm::{ALARM_MAX_DAYS, AlarmTrigger};
pub use name::{CalendarName, NAME_MAX_CHARS};

/// The form of the calendar. The default is one event for each todo with a deadline.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalendarOptions {
    /// What each todo becomes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub component: Component,
    /// When to remind users of an open todo's deadline; `None` for no alarm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarm: Option<AlarmTrigger>,
    /// The name that calendar programs display.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<CalendarName>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Why a text is not a valid option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// The text does not name a [`Component`].
    #[error("must be event, todo or both")]
    UnknownComponent,
    /// The text is not a duration in the form of RFC 5545.
    #[error("must be a duration such as -PT15M, -PT1H30M, -P1D or -P1W")]
    MalformedAlarm,
    /// The duration exceeds [`ALARM_MAX_DAYS`].
    #[error("must be at most {ALARM_MAX_DAYS} days before or after the deadline")]
    DistantAlarm,
    /// The name is empty or consists of white space.
    #[error("must not be empty")]
    EmptyName,
    /// The name exceeds [`NAME_MAX_CHARS`].
    #[error("must have at most {NAME_MAX_CHARS} characters")]
    LongName,
    /// The name contains a line break or another control character.
    #[error("must not contain control characters")]
    ControlInName,
}

/// What a todo becomes in the calendar.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Component {
    /// An event at the deadline. A todo without a deadline is left out.
    #[default]
    Event,
    /// A to-do, due at the deadline if there is one.
    Todo,
    /// Both an event and a to-do.
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

/// Conversions of a type that stores the text that goes on the wire.
macro_rules! stored_as_text {
    ($type:ident) => {
        impl $type {
            /// Returns the text that goes on the wire.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
    };
}
use stored_as_text;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_messages_follow_the_name_of_the_member() {
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
    fn default_options_are_not_stored_and_absent_ones_are_defaults() {
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
    fn an_invalid_stored_option_is_rejected() {
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
