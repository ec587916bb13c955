//! The request headers for creating a job: `Idempotency-Key` and `Prefer: wait`.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderName;

use crate::request::input_error::InputError;

/// <https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/>
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Marks a response that repeats the response to an earlier, equal request.
pub const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// <https://www.rfc-editor.org/rfc/rfc7240>
pub const PREFER: HeaderName = HeaderName::from_static("prefer");
/// Says which preference the server followed.
pub const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The maximum length of a key, which is that of the database column.
const MAX_KEY_LENGTH: usize = 255;
/// The longest time that a request can wait.
const MAX_WAIT_SECONDS: u64 = 20;

/// Returns the client's key for its request, without quotes.
///
/// # Errors
/// Returns an error if there are two keys, or if the key is empty, too long, or contains anything but printable ASCII.
pub fn idempotency_key(request: &HttpRequest) -> Result<Option<String>, InputError> {
    let mut values = request.headers().get_all(IDEMPOTENCY_KEY);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let value = value.to_str().unwrap_or_default();
    let quoted = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let key = quoted.unwrap_or(value);
    let fits = (1..=MAX_KEY_LENGTH).contains(&key.len())
        && key
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'"');
    if fits && values.next().is_none() {
        Ok(Some(key.to_owned()))
    } else {
        Err(InputError::invalid(
            "Idempotency-Key must appear once and have 1 to 255 printable ASCII characters, without spaces",
        ))
    }
}

/// Returns how long the client is willing to wait for the end of its job, at most `MAX_WAIT_SECONDS`. A preference that
/// is not a whole number of seconds is ignored.
pub fn preferred_wait(request: &HttpRequest) -> Option<Duration> {
    let values = request.headers().get_all(PREFER);
    let preferences = values.filter_map(|value| value.to_str().ok());
    let mut preferences = preferences.flat_map(|value| value.split(','));
    let seconds: u64 = preferences.find_map(|preference| {
        let preference = preference.split(';').next().unwrap_or_default();
        let (name, value) = preference.split_once('=')?;
        let is_wait = name.trim().eq_ignore_ascii_case("wait");
        is_wait.then(|| value.trim().trim_matches('"').parse().ok())?
    })?;
    Some(Duration::from_secs(seconds.min(MAX_WAIT_SECONDS)))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn key(value: &str) -> Result<Option<String>, InputError> {
        let request = TestRequest::default().insert_header((IDEMPOTENCY_KEY, value));
        idempotency_key(&request.to_http_request())
    }

    #[test]
    fn a_key_may_be_quoted_and_has_a_maximum_length() {
        let longest = "k".repeat(255);
        for (value, wanted) in [("abc", "abc"), ("\"abc\"", "abc"), (&longest, &longest)] {
            assert_eq!(key(value).unwrap().as_deref(), Some(wanted));
        }
        for value in ["", "\"\"", "a b", "ä", "\"a", &"k".repeat(256)] {
            assert!(key(value).is_err(), "{value:?}");
        }
        let twice = TestRequest::default()
            .append_header((IDEMPOTENCY_KEY, "a"))
            .append_header((IDEMPOTENCY_KEY, "b"));
        assert!(idempotency_key(&twice.to_http_request()).is_err());
        assert!(matches!(
            idempotency_key(&TestRequest::default().to_http_request()),
            Ok(None)
        ));
    }

    #[test]
    fn a_wait_is_found_among_other_preferences_and_is_limited() {
        let wait = |value: &str| {
            let request = TestRequest::default().insert_header((PREFER, value));
            preferred_wait(&request.to_http_request()).map(|wait| wait.as_secs())
        };
        assert_eq!(wait("wait=5"), Some(5));
        assert_eq!(wait("respond-async, Wait = 7; x=y"), Some(7));
        assert_eq!(wait("wait=99"), Some(20));
        assert_eq!(wait("wait=0"), Some(0));
        for value in ["wait", "wait=soon", "wait=-1", "await=5", ""] {
            assert_eq!(wait(value), None, "{value:?}");
        }
    }
}
