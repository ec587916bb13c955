//! When the next attempt to deliver an event begins, and when to give up.

use std::time::Duration;

/// The wait after the first failure. It doubles with each.
const BASE: Duration = Duration::from_secs(1);
const CAP: Duration = Duration::from_hours(1);
/// So long after the first attempt, one that fails is the last. With the waits above, that is after about 36 attempts. A
/// receiver that many events wait for gets each less often.
const GIVE_UP_AFTER: Duration = Duration::from_hours(24);

/// Returns how long to wait after this attempt has failed, with a tenth more or less, or `None` to give up. `tried_for` is how
/// long ago the first one began.
pub(super) fn retry_after(attempt: i32, tried_for: Duration) -> Option<Duration> {
    if tried_for >= GIVE_UP_AFTER {
        return None;
    }
    let doublings = u32::try_from(attempt - 1).unwrap_or(0).min(31);
    let wait = BASE.saturating_mul(1 << doublings).min(CAP);
    Some(wait.mul_f64(0.9 + 0.2 * fastrand::f64()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_waits_grow_from_a_second_to_an_hour_and_end_after_a_day() {
        let mut tried_for = Duration::ZERO;
        let mut waits = Vec::new();
        for attempt in 1.. {
            let Some(wait) = retry_after(attempt, tried_for) else {
                break;
            };
            tried_for += wait;
            waits.push(wait);
        }
        let hours = tried_for.as_secs_f64() / 3600.0;
        assert!((24.0..=25.1).contains(&hours), "{hours} hours");
        assert!((33..=40).contains(&waits.len()), "{} waits", waits.len());
        assert!(waits[0] <= Duration::from_millis(1100));
        assert!(waits.iter().all(|wait| *wait <= CAP.mul_f64(1.1)));
        assert!(waits[1] > waits[0] && waits[20] > waits[5]);
    }

    #[test]
    fn an_event_that_gets_few_attempts_is_given_up_after_a_day_as_well() {
        assert!(retry_after(2, Duration::from_hours(23)).is_some());
        assert_eq!(retry_after(2, GIVE_UP_AFTER), None);
    }
}
