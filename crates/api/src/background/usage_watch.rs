//! Measures how much is stored, for the limits.

use std::time::{Duration, SystemTime};

use shared_model::database::{DatabaseError, Pool};

use crate::limits::usage::{Amounts, Usage};
use crate::store::amounts;
use crate::telemetry::USAGE_MEASURED;

/// How often the database is measured.
const INTERVAL: Duration = Duration::from_secs(2);
/// How many times longer the pause is than the measurement. A million jobs take a second to count, and counting must not
/// take the database from them.
const PAUSE_FACTOR: u32 = 50;
/// The same if a limit may be reached before that.
const SHORT_PAUSE_FACTOR: u32 = 10;
/// The longest pause. A measurement must be replaced before it is too old, even if the next one is slow.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Measures forever; the jobs of each token only if `count_tokens`.
pub async fn run(usage: &Usage, pool: &Pool, count_tokens: bool) {
    let max = usage.max();
    let measure = async || {
        let measure = move |connection: &mut _| amounts::measure(connection, max, count_tokens);
        pool.run(measure).await
    };
    watch(usage, measure).await;
}

/// Calls `measure` forever. If it fails, the last amounts count until they are too old.
async fn watch(usage: &Usage, measure: impl AsyncFn() -> Result<Amounts, DatabaseError>) {
    let mut failures = 0_u32;
    loop {
        let begun = usage.begin_measurement();
        match measure().await {
            Ok(amounts) => {
                usage.set(begun, amounts);
                failures = 0;
                record();
                pause(usage, begun.elapsed()).await;
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                warn(failures, &error);
                tokio::time::sleep(INTERVAL.max(begun.elapsed())).await;
            }
        }
    }
}

/// Waits until the next measurement is due, if the last one took `duration`.
async fn pause(usage: &Usage, duration: Duration) {
    let [shortest, longest] = [SHORT_PAUSE_FACTOR, PAUSE_FACTOR]
        .map(|factor| (duration * factor).clamp(INTERVAL, LONGEST_PAUSE));
    tokio::time::sleep(shortest).await;
    let mut rest = longest.saturating_sub(shortest);
    while !rest.is_zero() && !usage.is_filling_up() {
        let step = rest.min(INTERVAL);
        tokio::time::sleep(step).await;
        rest = rest.saturating_sub(step);
    }
}

/// Logs that the database can't be measured, less and less often. Once may be an accident.
fn warn(failures: u32, error: &DatabaseError) {
    if failures >= 2 && failures.is_power_of_two() {
        log::warn!(
            failures, error:%;
            "could not measure how much is stored; trying again. Without a measurement for two minutes, nothing can be created"
        );
    }
}

/// Tells when the last measurement succeeded.
fn record() {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    metrics::gauge!(USAGE_MEASURED).set(now.unwrap_or_default().as_secs_f64());
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::time::{Instant, sleep, timeout};

    use super::*;
    use crate::limits::reached::LimitReached;
    use crate::limits::usage::{MAX_AGE, MaxAmounts};

    const SECOND: Duration = Duration::from_secs(1);
    const MAX: MaxAmounts = MaxAmounts {
        outstanding_jobs: 1000,
        jobs_per_token: 1000,
        todos: 1000,
        feeds: 1000,
        bytes: 1000,
    };

    /// Runs the watch for `time`, with measurements that take a second. Returns when they began.
    async fn measurements(usage: &Usage, time: Duration) -> Vec<Duration> {
        let (begun, times) = (Instant::now(), Cell::new(Vec::new()));
        let measure = async || {
            let mut all = times.take();
            all.push(begun.elapsed());
            times.set(all);
            sleep(SECOND).await;
            Ok(Amounts::default())
        };
        let _ = timeout(time, watch(usage, measure)).await;
        times.take()
    }

    #[tokio::test(start_paused = true)]
    async fn measuring_takes_a_fiftieth_of_the_time_while_there_is_much_room() {
        let usage = Usage::new(MAX);
        let begun = measurements(&usage, 150 * SECOND).await;
        assert_eq!(begun.len(), 3, "{begun:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn measuring_is_more_frequent_while_a_limit_comes_near() {
        let usage = Usage::new(MAX);
        let fill = async {
            sleep(20 * SECOND).await;
            for _ in 0..500 {
                usage.add_job(None);
            }
        };
        let (begun, ()) = tokio::join!(measurements(&usage, 24 * SECOND), fill);
        assert_eq!(begun.len(), 2, "{begun:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn slow_measurements_are_repeated_before_they_are_too_old() {
        let usage = Usage::new(MAX);
        let measure = async || {
            sleep(12 * SECOND).await;
            Ok(Amounts::default())
        };
        let checks = async {
            for _ in 0..600 {
                sleep(SECOND).await;
                assert_eq!(usage.check_job(None), Ok(()));
            }
        };
        tokio::select! {
            () = watch(&usage, measure) => {}
            () = checks => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_created_once_measuring_has_failed_for_too_long_until_it_succeeds() {
        let (usage, works) = (Usage::new(MAX), Cell::new(false));
        let measure = async || {
            if works.get() {
                Ok(Amounts::default())
            } else {
                Err(DatabaseError::Unavailable("too slow".into()))
            }
        };
        let checks = async {
            sleep(MAX_AGE).await;
            assert_eq!(usage.check_job(None), Ok(()));
            sleep(SECOND).await;
            assert_eq!(usage.check_job(None), Err(LimitReached::NotMeasured));
            works.set(true);
            sleep(2 * INTERVAL).await;
            assert_eq!(usage.check_job(None), Ok(()));
        };
        tokio::select! {
            () = watch(&usage, measure) => {}
            () = checks => {}
        }
    }
}
