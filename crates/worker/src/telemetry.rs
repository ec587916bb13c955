//! The worker's metrics, in the format that Prometheus reads.

use std::time::Duration;

use anyhow::Context;
use metrics::{Unit, describe_counter, describe_histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// Polls of the queue, by `result`: `deliveries`, `empty` or `failed`.
pub const POLLS: &str = "worker_polls_total";
/// Deliveries, by [`outcome`](crate::outcome::Outcome::name).
pub const DELIVERIES: &str = "worker_deliveries_total";
/// Deliveries that the queue took back before they were settled.
pub const DELIVERIES_LOST: &str = "worker_deliveries_lost_total";
/// The duration of attempts, in seconds.
pub const ATTEMPT_DURATION: &str = "worker_attempt_duration_seconds";
/// Attempts that were stopped because their claim or delivery could not be renewed.
pub const CLAIMS_LOST: &str = "worker_claims_lost_total";
/// Writes that came after their claim had been lost, and changed nothing.
pub const LATE_WRITES_REFUSED: &str = "worker_late_writes_refused_total";
/// Deletes and releases that failed for good. Their messages are delivered again.
pub const SETTLEMENTS_FAILED: &str = "worker_settlements_failed_total";
/// Jobs that failed because the queue had moved their message to the dead-letter queue.
pub const DEAD_LETTERS_FAILED: &str = "worker_dead_letters_failed_total";
/// Deliveries of dead letters that can't be read.
pub const DEAD_LETTERS_UNREADABLE: &str = "worker_dead_letters_unreadable_total";

/// How often the recorded values of the histograms are summarised.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Starts to record metrics, and returns the handle that renders them. Call it within a tokio runtime, which limits their
/// memory: without upkeep, a histogram that nobody reads keeps every value.
///
/// # Errors
/// Returns an error if the process already has a metrics recorder.
pub fn install() -> anyhow::Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .install_recorder()
        .context("can't record metrics")?;
    describe();
    tokio::spawn(keep_up(handle.clone()));
    Ok(handle)
}

async fn keep_up(handle: PrometheusHandle) {
    loop {
        tokio::time::sleep(UPKEEP_INTERVAL).await;
        handle.run_upkeep();
    }
}

fn describe() {
    describe_counter!(POLLS, "Polls of the queue");
    describe_counter!(DELIVERIES, "Deliveries");
    describe_counter!(
        DELIVERIES_LOST,
        "Deliveries that the queue took back before they were settled"
    );
    describe_histogram!(ATTEMPT_DURATION, Unit::Seconds, "Duration of attempts");
    describe_counter!(
        CLAIMS_LOST,
        "Attempts stopped because their claim or delivery could not be renewed"
    );
    describe_counter!(
        LATE_WRITES_REFUSED,
        "Writes that came after their claim had been lost, and changed nothing"
    );
    describe_counter!(
        SETTLEMENTS_FAILED,
        "Deletes and releases that failed for good; their messages are delivered again"
    );
    describe_counter!(
        DEAD_LETTERS_FAILED,
        "Jobs that failed because their message was moved to the dead-letter queue"
    );
    describe_counter!(
        DEAD_LETTERS_UNREADABLE,
        "Deliveries of dead letters that can't be read"
    );
}
