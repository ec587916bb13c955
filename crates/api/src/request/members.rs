//! The members of a JSON object, and the types of their values.

use serde_json::{Map, Value};

use crate::request::input_error::InputError;

/// The members of a JSON object, which are taken one by one. A null member counts as present. If a name is repeated, the
/// last value counts.
#[derive(Debug, Default)]
pub struct Members(pub(super) Map<String, Value>);

#[cfg(test)]
impl From<Value> for Members {
    fn from(value: Value) -> Self {
        match value {
            Value::Object(members) => Self(members),
            other => panic!("{other} is not an object"),
        }
    }
}

impl Members {
    /// Checks that all members are among `known`.
    ///
    /// # Errors
    /// Returns an error that names the first unknown member.
    pub fn allow_only(&self, known: &[&str]) -> Result<(), InputError> {
        match self.0.keys().find(|name| !known.contains(&name.as_str())) {
            Some(member) => Err(InputError::UnknownMember {
                member: member.chars().take(80).collect(),
            }),
            None => Ok(()),
        }
    }

    /// Returns whether no member is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Removes a member and returns its value.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }
}

/// Reads the value of the member `name` as a boolean.
///
/// # Errors
/// Returns an error if `value` has another type.
pub fn boolean(name: &str, value: &Value) -> Result<bool, InputError> {
    value
        .as_bool()
        .ok_or_else(|| InputError::invalid(format!("{name} must be true or false")))
}

/// The name of the member that chooses everything.
pub const ALL: &str = "all";

/// Removes the member `all` and returns whether it is true. Null counts as absent.
///
/// # Errors
/// Returns an error if its value has another type.
pub fn is_all(members: &mut Members) -> Result<bool, InputError> {
    match members.take(ALL) {
        None | Some(Value::Null) => Ok(false),
        Some(value) => boolean(ALL, &value),
    }
}

/// Checks that a request chooses either everything or some of it, by members such as `names`. So a request without members,
/// or with members that are null by mistake, does nothing.
///
/// # Errors
/// Returns an error that says what to send.
pub fn check_choice(is_all: bool, is_some: bool, names: &str) -> Result<(), InputError> {
    match (is_all, is_some) {
        (false, false) => Err(InputError::invalid(format!(
            "send {names}, or {{\"all\": true}} to choose all"
        ))),
        (true, true) => Err(InputError::invalid(format!(
            "all can't be true together with {names}"
        ))),
        _ => Ok(()),
    }
}

/// Reads the value of the member `name` as a string.
///
/// # Errors
/// Returns an error if `value` has another type.
pub fn text(name: &str, value: Value) -> Result<String, InputError> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(InputError::invalid(format!("{name} must be a string"))),
    }
}

/// Reads the value of the member `name` as a string without control characters, which PostgreSQL or a calendar could not
/// store. TAB and newline are allowed.
///
/// # Errors
/// Returns an error if `value` has another type or contains another control character.
pub fn printable_text(name: &str, value: Value) -> Result<String, InputError> {
    let text = text(name, value)?;
    match text
        .chars()
        .find(|c| c.is_control() && !matches!(c, '\t' | '\n'))
    {
        Some(control) => Err(InputError::invalid(format!(
            "{name} must not contain the control character U+{:04X}",
            u32::from(control)
        ))),
        None => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_character_is_refused_by_name_at_any_position() {
        for (control, name) in [
            ("\0", "U+0000"),
            ("\r", "U+000D"),
            ("\u{1b}", "U+001B"),
            ("\u{7f}", "U+007F"),
            ("\u{85}", "U+0085"),
        ] {
            for text in [
                format!("{control}a"),
                format!("a{control}b"),
                format!("a{control}"),
            ] {
                let error = printable_text("title", text.into()).unwrap_err();
                assert_eq!(
                    error.to_string(),
                    format!("title must not contain the control character {name}")
                );
            }
        }
        assert!(printable_text("title", "a\tb\nc".into()).is_ok());
    }
}
