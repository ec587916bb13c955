//! Settings that are durations.

use std::time::Duration;

/// The longest duration that a setting may have: PostgreSQL and the queues have far lower limits.
const MAX: Duration = Duration::from_hours(10 * 365 * 24);

/// Parses a duration with its unit, such as `500ms`, `30s`, `5m` or `12h`. For clap's `value_parser`.
///
/// # Errors
/// Returns an error if the text is not a duration, or is longer than ten years.
pub fn duration(text: &str) -> Result<Duration, String> {
    let Ok(duration) = humantime::parse_duration(text) else {
        return Err("must be a number with a unit, such as 500ms, 30s, 5m or 12h".to_owned());
    };
    if duration > MAX {
        return Err("must be at most ten years".to_owned());
    }
    Ok(duration)
}

/// Parses a [`duration`] longer than zero. For clap's `value_parser`.
///
/// # Errors
/// Returns an error if the text is not such a duration.
pub fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("must be more than zero".to_owned()),
        duration => Ok(duration),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_needs_a_unit_and_is_bounded() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("0s"), Ok(Duration::ZERO));
        for invalid in ["", "5", "-1s", "soon", "11years"] {
            assert!(duration(invalid).is_err(), "{invalid:?}");
        }
        assert!(positive_duration("0ms").is_err());
    }
}
