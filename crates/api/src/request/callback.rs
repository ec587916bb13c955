//! The URL at which a client wants to be told of the end of its job.

use crate::request::input_error::InputError;
use crate::request::members::{Members, text};
use crate::request::query::Query;

const MEMBER: &str = "callback_url";

/// Takes the URL from the body. It is not checked yet.
///
/// # Errors
/// Returns an error if it is in the query, or not a string.
pub fn take(query: &Query, body: Option<&mut Members>) -> Result<Option<String>, InputError> {
    if query.text(MEMBER).is_some() {
        return Err(InputError::invalid(
            "callback_url belongs in the body: queries appear in logs, and the URL may contain a secret",
        ));
    }
    let value = body.and_then(|members| members.take(MEMBER));
    value
        .filter(|value| !value.is_null())
        .map(|value| text(MEMBER, value))
        .transpose()
}
