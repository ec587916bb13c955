//! How long to wait after a failure. The wait grows exponentially, with full jitter, so that clients that failed together
//! do not retry together:
//! <https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/>

use std::time::Duration;

/// A wait that grows with each failure in a row.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// The longest wait after the first failure.
    pub base: Duration,
    /// The longest wait after any number of failures.
    pub cap: Duration,
}

impl Backoff {
    /// Between two attempts of a job.
    pub const JOB: Self = Self {
        base: Duration::from_secs(1),
        cap: Duration::from_mins(5),
    };
    /// Between two calls of a queue or a database that does not answer.
    pub const CALL: Self = Self {
        base: Duration::from_millis(500),
        cap: Duration::from_secs(15),
    };

    /// Returns a random wait after this number of failures in a row. Its upper limit doubles with each failure.
    pub fn after(self, failures: u32) -> Duration {
        self.ceiling(failures).mul_f64(fastrand::f64())
    }

    fn ceiling(self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        self.base.saturating_mul(1 << doublings).min(self.cap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_the_wait_doubles_up_to_the_cap() {
        let backoff = Backoff {
            base: Duration::from_secs(1),
            cap: Duration::from_secs(6),
        };
        let ceilings: Vec<_> = (1..=5)
            .map(|failures| backoff.ceiling(failures).as_secs())
            .collect();
        assert_eq!(ceilings, [1, 2, 4, 6, 6]);
        assert_eq!(backoff.ceiling(u32::MAX), backoff.cap);
        assert!((0..1000).all(|_| backoff.after(3) <= Duration::from_secs(4)));
    }
}
