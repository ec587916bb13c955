//! Waiting for a state that nothing announces.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use crate::waiting::wait_until;

/// How long a test waits for something that must happen: for a state, a log line, the end of a process.
///
/// Only a hang takes this long, even on a busy machine. A test that is about a duration states its own bound.
pub const TIMEOUT: Duration = Duration::from_mins(1);

/// Pause between two probes.
const PAUSE: Duration = Duration::from_millis(10);

/// The wait took longer than its timeout.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not within {timeout:?}: {what}")]
pub struct TimedOut {
    what: String,
    timeout: Duration,
}

impl TimedOut {
    fn new(what: &str, timeout: Duration) -> Self {
        let what = what.to_owned();
        Self { what, timeout }
    }
}

/// Waits until `holds` returns true. `what` describes the state: "the job has ended".
///
/// # Panics
///
/// Panics if the state is not reached within [`TIMEOUT`].
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !holds().await {
        if start.elapsed() > TIMEOUT {
            give_up(what);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Does what [`eventually`] does, in a test without an async runtime.
///
/// # Panics
///
/// Panics if the state is not reached within [`TIMEOUT`].
pub fn eventually_blocking(what: &str, mut holds: impl FnMut() -> bool) {
    let waited = wait_until(TIMEOUT, || Ok::<_, Infallible>(holds().then_some(())));
    if waited != Ok(Some(())) {
        give_up(what);
    }
}

/// Waits at most `timeout` until `probe` returns a value, for a harness that reports a timeout instead of panicking.
///
/// # Errors
///
/// Returns [`TimedOut`] if there is no value in time, and an error of `probe` immediately.
pub async fn within<T, E, F>(
    timeout: Duration,
    what: &str,
    mut probe: impl FnMut() -> F,
) -> Result<T, E>
where
    F: Future<Output = Result<Option<T>, E>>,
    E: From<TimedOut>,
{
    let start = Instant::now();
    loop {
        if let Some(found) = probe().await? {
            return Ok(found);
        }
        if start.elapsed() > timeout {
            return Err(TimedOut::new(what, timeout).into());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[expect(clippy::panic, reason = "a test that waits in vain fails")]
fn give_up(what: &str) -> ! {
    panic!("{}", TimedOut::new(what, TIMEOUT))
}
