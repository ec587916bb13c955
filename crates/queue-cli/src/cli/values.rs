//! The values of options, checked against the limits of SQS.

use std::time::Duration;

use sqs_client::limits::{MAX_DELAY, MAX_VISIBILITY, MAX_WAIT, is_valid_id};

pub(super) fn time(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write a number and its unit, such as 500ms, 30s or 5m"))
}

fn at_most(text: &str, max: Duration) -> Result<Duration, String> {
    let duration = time(text)?;
    if duration > max {
        return Err(format!(
            "SQS allows at most {}",
            humantime::format_duration(max)
        ));
    }
    Ok(duration)
}

pub(super) fn delay(text: &str) -> Result<Duration, String> {
    at_most(text, MAX_DELAY)
}

pub(super) fn visibility(text: &str) -> Result<Duration, String> {
    at_most(text, MAX_VISIBILITY)
}

pub(super) fn wait(text: &str) -> Result<Duration, String> {
    at_most(text, MAX_WAIT)
}

pub(super) fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if rate > 0.0 && f64::is_finite(rate) => Ok(rate),
        _ => Err("must be a number above 0, such as 50 or 0.5".to_owned()),
    }
}

/// Parses a message group id or a deduplication id.
pub(super) fn id(text: &str) -> Result<String, String> {
    if is_valid_id(text) {
        Ok(text.to_owned())
    } else {
        Err("an id has 1 to 128 letters, digits and punctuation marks, and no spaces".to_owned())
    }
}
