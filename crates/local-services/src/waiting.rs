//! Waiting for another process, which offers nothing better than to be asked again.

use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(10);

/// Asks `probe` until it gives something or the time is up, which gives `None`.
#[expect(
    clippy::disallowed_methods,
    reason = "this crate is synchronous: no async runtime waits behind this thread"
)]
pub(crate) fn wait_until<T, E>(
    bound: Duration,
    mut probe: impl FnMut() -> Result<Option<T>, E>,
) -> Result<Option<T>, E> {
    let deadline = Instant::now() + bound;
    loop {
        let found = probe()?;
        if found.is_some() || Instant::now() >= deadline {
            return Ok(found);
        }
        std::thread::sleep(PAUSE);
    }
}
