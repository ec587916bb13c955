//! Waiting for a state, with a bound.

use std::time::{Duration, Instant};

use anyhow::bail;

/// Nothing takes so long unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(40);
/// How often a state is looked at that nobody tells of.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// Looks until there is something.
///
/// # Errors
/// When there is nothing in time, with `what` was waited for; and those of `look`.
pub async fn eventually<T, F>(what: &str, look: impl FnMut() -> F) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<Option<T>>>,
{
    within(PATIENCE, what, look).await
}

/// Looks until there is something, for so long at the most.
///
/// # Errors
/// As [`eventually`].
pub async fn within<T, F>(
    bound: Duration,
    what: &str,
    mut look: impl FnMut() -> F,
) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<Option<T>>>,
{
    let began = Instant::now();
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if began.elapsed() > bound {
            bail!("not within {bound:?}: {what}");
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}
