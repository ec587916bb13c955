//! The values of flags, within SQS's limits.

use std::time::Duration;

/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>
const MAX_DELAY: Duration = Duration::from_mins(15);
const MAX_VISIBILITY: Duration = Duration::from_hours(12);
const MAX_WAIT: Duration = Duration::from_secs(20);
const MAX_ID_LENGTH: usize = 128;

pub(super) fn time(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write a number and its unit, such as 500ms, 30s or 5m"))
}

fn up_to(text: &str, longest: Duration) -> Result<Duration, String> {
    let duration = time(text)?;
    if duration > longest {
        return Err(format!(
            "SQS allows at most {}",
            humantime::format_duration(longest)
        ));
    }
    Ok(duration)
}

pub(super) fn delay(text: &str) -> Result<Duration, String> {
    up_to(text, MAX_DELAY)
}

pub(super) fn visibility(text: &str) -> Result<Duration, String> {
    up_to(text, MAX_VISIBILITY)
}

pub(super) fn wait(text: &str) -> Result<Duration, String> {
    up_to(text, MAX_WAIT)
}

pub(super) fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if rate > 0.0 && f64::is_finite(rate) => Ok(rate),
        _ => Err("must be a number above 0, such as 50 or 0.5".to_owned()),
    }
}

/// Message groups and deduplication ids:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>
pub(super) fn id(text: &str) -> Result<String, String> {
    let fits = (1..=MAX_ID_LENGTH).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits {
        Ok(text.to_owned())
    } else {
        Err("SQS ids have 1 to 128 letters, digits and punctuation marks, no spaces".to_owned())
    }
}
