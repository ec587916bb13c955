//! Measures how much is stored, for the limits.

use std::time::{Duration, Instant};

use shared_model::database::Pool;

use crate::limits::usage::Usage;
use crate::store::amounts;

/// How often the database is measured.
const INTERVAL: Duration = Duration::from_secs(2);
/// How many times longer the pause is than the measurement. A million jobs take a second to count, and counting must not
/// take the database from them.
const PAUSE_FACTOR: u32 = 50;

/// Measures forever. While the database is not available, the last amounts count.
pub async fn run(usage: &Usage, pool: &Pool) {
    let max = usage.max();
    loop {
        let begun = Instant::now();
        let measured = pool.run(move |connection| amounts::measure(connection, max));
        let pause = match measured.await {
            Ok(amounts) => {
                usage.set(amounts);
                INTERVAL.max(begun.elapsed() * PAUSE_FACTOR)
            }
            Err(error) => {
                log::debug!(error:%; "could not measure how much is stored");
                INTERVAL
            }
        };
        tokio::time::sleep(pause).await;
    }
}
