//! The metrics and their memory.

use std::time::Duration;

use local_services::testing::resident_bytes;
use shared_model::telemetry::keep_up;
use worker::outcome::Outcome;
use worker::telemetry::{self, ATTEMPT_DURATION, DELIVERIES};

/// How many values are recorded in each of [`MINUTES`].
const VALUES: u32 = 400_000;
const MINUTES: u32 = 12;
/// What a recorder keeps for each value until its upkeep summarises it: the value and its time.
const KEPT_BYTES: u64 = 24;

// Tests in the same process may use some memory too, but much less than the values would.
#[tokio::test(start_paused = true)]
async fn a_histogram_that_nobody_reads_does_not_keep_its_values() {
    let handle = telemetry::install().unwrap();
    let upkeep = handle.clone();
    tokio::spawn(async move { keep_up(&upkeep, || {}).await });
    let histogram = metrics::histogram!(ATTEMPT_DURATION);
    let before = own_bytes();
    for _ in 0..MINUTES {
        for microseconds in 0..VALUES {
            histogram.record(Duration::from_micros(microseconds.into()));
        }
        tokio::time::sleep(Duration::from_mins(1)).await;
    }
    let grown = own_bytes().saturating_sub(before);
    let values = MINUTES * VALUES;
    assert!(
        grown < u64::from(values) * KEPT_BYTES / 2,
        "grew by {grown} bytes"
    );
    let count = format!("{ATTEMPT_DURATION}_count {values}");
    let metrics = handle.render();
    assert!(metrics.contains(&count), "{metrics}");
}

#[test]
fn every_outcome_of_a_delivery_has_a_series_from_the_start() {
    let metrics = telemetry::install().unwrap().render();
    for outcome in Outcome::NAMES {
        let series = format!("{DELIVERIES}{{outcome=\"{outcome}\"}} ");
        assert!(metrics.contains(&series), "{metrics}");
    }
}

/// Returns the memory of this process.
fn own_bytes() -> u64 {
    resident_bytes(std::process::id()).unwrap()
}
