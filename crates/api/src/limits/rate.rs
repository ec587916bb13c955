//! How many requests each client may send in a second.

use std::num::NonZeroU32;

use governor::clock::{Clock, MonotonicClock};
use governor::middleware::StateInformationMiddleware;
use governor::{Quota, RateLimiter};

use super::client::ClientKey;
use super::rate_store::RateStore;

type Limiter<C> = RateLimiter<ClientKey, RateStore, C, StateInformationMiddleware>;

/// Counts the requests of each client. A client has an allowance for one second, which fills up again as time passes.
#[derive(Debug)]
pub struct RequestRate<C: Clock = MonotonicClock> {
    /// `None` if the rate is not limited.
    limiter: Option<Limiter<C>>,
    per_second: u32,
}

/// What a client may still send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// What the client is known by.
    pub policy: &'static str,
    /// Requests in a second.
    pub per_second: u32,
    /// Requests that it may send now.
    pub remaining: u32,
}

/// A client has sent more requests than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this client may send {} requests per second; wait before you send more", .0.per_second)]
pub struct RateExceeded(pub Allowance);

impl Allowance {
    /// After how many seconds at most a client may send as many requests as a new one, if it sends none until then.
    pub const FULL_AFTER_SECONDS: u32 = 1;
}

impl RequestRate {
    /// Allows `per_second` requests in a second to each client; 0 means any number.
    pub fn new(per_second: u32) -> Self {
        Self::with_clock(per_second, MonotonicClock)
    }
}

impl<C: Clock> RequestRate<C> {
    fn with_clock(per_second: u32, clock: C) -> Self {
        let limiter = NonZeroU32::new(per_second).map(|per_second| {
            let quota = Quota::per_second(per_second);
            Limiter::new(quota, RateStore::default(), clock)
        });
        Self {
            limiter,
            per_second,
        }
    }

    /// Counts a request, and returns what its client may send after it. Returns `None` if the rate is not limited.
    ///
    /// # Errors
    /// Returns an error if the client has sent too many requests.
    pub fn count(&self, client: &ClientKey) -> Result<Option<Allowance>, RateExceeded> {
        let Some(limiter) = &self.limiter else {
            return Ok(None);
        };
        let allowance = |remaining| Allowance {
            policy: client.policy(),
            per_second: self.per_second,
            remaining,
        };
        match limiter.check_key(client) {
            Ok(state) => Ok(Some(allowance(state.remaining_burst_capacity()))),
            Err(_) => Err(RateExceeded(allowance(0))),
        }
    }

    /// Forgets the clients that may send as many requests as a new one, so that memory does not grow with every client.
    pub fn forget_idle(&self) {
        if let Some(limiter) = &self.limiter {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;

    use super::*;

    fn client(last: u8) -> ClientKey {
        ClientKey::at([192, 0, 2, last].into())
    }

    #[test]
    fn each_client_has_an_allowance_that_fills_up_again() {
        let clock = FakeRelativeClock::default();
        let rate = RequestRate::with_clock(2, clock.clone());
        let left = |number| {
            let allowance = rate.count(&client(number)).ok().flatten();
            allowance.map(|allowance| allowance.remaining)
        };
        assert_eq!([left(1), left(1), left(1)], [Some(1), Some(0), None]);
        assert_eq!(left(2), Some(1));
        let refused = RateExceeded(Allowance {
            policy: "address",
            per_second: 2,
            remaining: 0,
        });
        assert_eq!(rate.count(&client(1)), Err(refused));
        clock.advance(Duration::from_millis(500));
        assert_eq!([left(1), left(1)], [Some(0), None]);
    }

    #[test]
    fn clients_that_have_their_whole_allowance_are_forgotten() {
        let clock = FakeRelativeClock::default();
        let rate = RequestRate::with_clock(2, clock.clone());
        for number in 0..100 {
            rate.count(&client(number)).unwrap();
        }
        let known = || rate.limiter.as_ref().unwrap().len();
        rate.forget_idle();
        assert_eq!(known(), 100);
        clock.advance(Duration::from_secs(2));
        rate.forget_idle();
        assert_eq!(known(), 0);
    }

    #[test]
    fn a_rate_of_zero_means_no_limit() {
        let rate = RequestRate::new(0);
        for _ in 0..1000 {
            assert_eq!(rate.count(&client(1)), Ok(None));
        }
    }
}
