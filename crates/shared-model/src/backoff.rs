//! How long to wait after a failure: exponential, with full jitter, so that many who failed together come back apart.
//! <https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/>

use std::time::Duration;

/// A wait that grows with each failure.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// The longest wait after the first failure.
    pub base: Duration,
    /// The longest wait at all.
    pub cap: Duration,
}

impl Backoff {
    /// For another attempt at a job.
    pub const JOB: Self = Self {
        base: Duration::from_secs(1),
        cap: Duration::from_mins(5),
    };
    /// For another call to a queue or a database that did not answer.
    pub const CALL: Self = Self {
        base: Duration::from_millis(500),
        cap: Duration::from_secs(15),
    };

    /// The wait after that many failures in a row: anything up to twice that of the failure before.
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
    fn the_wait_doubles_up_to_its_cap() {
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
