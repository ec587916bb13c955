//! The error for invalid input in a query, a header or a JSON object.

use std::borrow::Cow;

/// A value that a client sent is invalid. The message names the value and says what it must be.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// A JSON object has an unknown member.
    #[error("unknown member {member:?}")]
    UnknownMember {
        /// The member's name.
        member: String,
    },
    /// A new todo has no title.
    #[error("title is required")]
    MissingTitle,
    /// Any other invalid value.
    #[error("{0}")]
    Invalid(Cow<'static, str>),
}

impl InputError {
    /// Returns an error with the message `text`, which names the value and says what it must be.
    pub fn invalid(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Invalid(text.into())
    }
}
