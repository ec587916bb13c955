//! The metrics, in the format of Prometheus.

use std::sync::OnceLock;

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Completed requests, by `method`, `route` and `status`.
pub const HTTP_REQUESTS: &str = "http_requests_total";
/// Seconds until the response headers are sent, by `method` and `route`.
pub const HTTP_DURATION: &str = "http_request_duration_seconds";
/// Requests that were refused because a limit was reached, by `limit`.
pub const HTTP_REFUSED: &str = "http_requests_refused_total";
/// Jobs that are waiting to be published.
pub const OUTBOX_JOBS: &str = "outbox_jobs";
/// How long the oldest of them has been waiting, in seconds.
pub const OUTBOX_OLDEST_AGE: &str = "outbox_oldest_age_seconds";
/// Jobs that were published.
pub const OUTBOX_PUBLISHED: &str = "outbox_published_total";
/// Failed attempts to publish a job. Each is followed by another attempt.
pub const OUTBOX_FAILURES: &str = "outbox_publish_failures_total";
/// Rows that the sweeper changed or deleted, by `kind`.
pub const SWEPT: &str = "sweeper_rows_total";
/// When it was last measured how much is stored, in seconds since 1970.
pub const USAGE_MEASURED: &str = "usage_measured_timestamp_seconds";

/// The upper bounds of the histogram's buckets, in seconds. A query takes milliseconds; a request fails after three
/// seconds without a connection.
const DURATION_BUCKETS: [f64; 11] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 4.0, 15.0,
];

/// Installs the recorder of the process and returns its handle, which renders the metrics. Another call returns the same
/// handle.
///
/// # Errors
/// Returns an error if the process has another recorder already.
pub fn install() -> anyhow::Result<PrometheusHandle> {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    if let Some(handle) = HANDLE.get() {
        return Ok(handle.clone());
    }
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(HTTP_DURATION.to_owned()), &DURATION_BUCKETS)?
        .build_recorder();
    let handle = recorder.handle();
    // of two concurrent first calls, only one succeeds
    if metrics::set_global_recorder(recorder).is_ok() {
        describe();
        let _ = HANDLE.set(handle);
    }
    HANDLE
        .get()
        .cloned()
        .ok_or_else(|| anyhow::anyhow!("the process already has another metrics recorder"))
}

fn describe() {
    describe_counter!(HTTP_REQUESTS, "Completed requests");
    describe_histogram!(
        HTTP_DURATION,
        Unit::Seconds,
        "Time until the response headers are sent"
    );
    describe_counter!(
        HTTP_REFUSED,
        "Requests that were refused because a limit was reached"
    );
    describe_gauge!(OUTBOX_JOBS, "Jobs that are waiting to be published");
    describe_gauge!(
        OUTBOX_OLDEST_AGE,
        Unit::Seconds,
        "How long the oldest unpublished job has been waiting"
    );
    describe_counter!(OUTBOX_PUBLISHED, "Jobs that were published");
    describe_counter!(
        OUTBOX_FAILURES,
        "Failed attempts to publish a job; each is repeated"
    );
    describe_counter!(SWEPT, "Rows that the sweeper changed or deleted");
    describe_gauge!(
        USAGE_MEASURED,
        Unit::Seconds,
        "When it was last measured how much is stored, since 1970"
    );
}
