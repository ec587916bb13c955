//! When the next attempt to deliver an event begins, and when to give up.

use std::time::Duration;

/// The wait after the first failure. It doubles with each.
const BASE: Duration = Duration::from_secs(1);
const CAP: Duration = Duration::from_hours(1);
/// After this many attempts, about a day has passed. They are counted, and not the time, so that no event is given up
/// because the service itself was down.
const ATTEMPTS: i32 = 36;

/// Returns how long to wait after this attempt, with a tenth more or less, or `None` to give up.
pub(super) fn retry_after(attempt: i32) -> Option<Duration> {
    if attempt >= ATTEMPTS {
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
        let waits: Vec<_> = (1..).map_while(retry_after).collect();
        let hours = waits.iter().sum::<Duration>().as_secs_f64() / 3600.0;
        assert!((21.0..=27.0).contains(&hours), "{hours} hours");
        assert!(waits[0] <= Duration::from_millis(1100));
        assert!(waits.iter().all(|wait| *wait <= CAP.mul_f64(1.1)));
        assert!(waits[1] > waits[0] && waits[20] > waits[5]);
        assert_eq!(retry_after(i32::MAX), None);
    }
}
