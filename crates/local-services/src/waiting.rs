//! Waiting for another process, which can only be polled.

use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(10);

/// Calls `probe` until it returns a value or an error. Returns `None` if there is no value within `timeout`.
#[expect(
    clippy::disallowed_methods,
    reason = "this crate is synchronous: no async runtime waits behind this thread"
)]
pub(crate) fn wait_until<T, E>(
    timeout: Duration,
    mut probe: impl FnMut() -> Result<Option<T>, E>,
) -> Result<Option<T>, E> {
    let deadline = Instant::now() + timeout;
    loop {
        let found = probe()?;
        if found.is_some() || Instant::now() >= deadline {
            return Ok(found);
        }
        std::thread::sleep(PAUSE);
    }
}
