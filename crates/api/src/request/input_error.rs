//! The error for invalid input in a query, a header or a JSON object.

use std::borrow::Cow;

/// A value that a client sent is invalid. The message names the value and says what it must be.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// An object has a member that this resource does not have.
    #[error("there is no member {member:?} here")]
    UnknownMember {
        /// The member's name.
        member: String,
    },
    /// A new todo has no title.
    #[error("a todo needs a title")]
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
