//! The metrics, as Prometheus reads them.

use std::sync::OnceLock;

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Requests answered, by `method`, `route` and `status`.
pub const HTTP_REQUESTS: &str = "http_requests_total";
/// Seconds from a request to the head of its answer, by `method` and `route`.
pub const HTTP_DURATION: &str = "http_request_duration_seconds";
/// Jobs that are still to be published.
pub const OUTBOX_JOBS: &str = "outbox_jobs";
/// For how many seconds the oldest of them has waited.
pub const OUTBOX_OLDEST_AGE: &str = "outbox_oldest_age_seconds";
/// Jobs that the queue took.
pub const OUTBOX_PUBLISHED: &str = "outbox_published_total";
/// Jobs that the queue did not take; each is tried again.
pub const OUTBOX_FAILURES: &str = "outbox_publish_failures_total";
/// Rows that the sweeper dealt with, by `kind`.
pub const SWEPT: &str = "sweeper_rows_total";

/// Upper bounds in seconds: a query takes milliseconds, and a database that is away three seconds.
const DURATION_BUCKETS: [f64; 11] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 4.0, 15.0,
];

/// Begins to count, and gives what renders the counts. A process has one recorder; a second call gives the same.
///
/// # Errors
/// When the process counts with another recorder already.
pub fn install() -> anyhow::Result<PrometheusHandle> {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    if let Some(handle) = HANDLE.get() {
        return Ok(handle.clone());
    }
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(HTTP_DURATION.to_owned()), &DURATION_BUCKETS)?
        .build_recorder();
    let handle = recorder.handle();
    // of two first calls at once, one is late
    if metrics::set_global_recorder(recorder).is_ok() {
        describe();
        let _ = HANDLE.set(handle);
    }
    HANDLE
        .get()
        .cloned()
        .ok_or_else(|| anyhow::anyhow!("the process has another metrics recorder"))
}

fn describe() {
    describe_counter!(HTTP_REQUESTS, "Requests answered");
    describe_histogram!(
        HTTP_DURATION,
        Unit::Seconds,
        "Time from a request to the head of its answer"
    );
    describe_gauge!(OUTBOX_JOBS, "Jobs that are still to be published");
    describe_gauge!(
        OUTBOX_OLDEST_AGE,
        Unit::Seconds,
        "How long the oldest unpublished job has waited"
    );
    describe_counter!(OUTBOX_PUBLISHED, "Jobs that the queue took");
    describe_counter!(
        OUTBOX_FAILURES,
        "Jobs that the queue did not take; each is tried again"
    );
    describe_counter!(SWEPT, "Rows that the sweeper dealt with");
}
