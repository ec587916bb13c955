//! The API's metrics.

use metrics::Unit;
use metrics_exporter_prometheus::PrometheusHandle;
use shared_model::telemetry::{self, COMMON, Metric, MetricsConfig, record_pool};

use crate::connections::Connections;

/// Completed requests, by `method`, `route` and `status`.
pub const HTTP_REQUESTS: &str = "http_requests_total";
/// Seconds until the response headers are sent, by `method` and `route`.
pub const HTTP_DURATION: &str = "http_request_duration_seconds";
/// Requests that were refused because a limit was reached, by `limit`.
pub const HTTP_REFUSED: &str = "http_requests_refused_total";
/// Jobs that have not succeeded and were not cancelled, by `status`.
pub const JOBS: &str = "jobs";
/// Jobs that failed within the last ten minutes.
pub const JOBS_FAILED_IN_TEN_MINUTES: &str = "jobs_failed_in_ten_minutes";
/// For how long a job could have been attempted and was not, in seconds; 0 while processing is paused.
pub const JOBS_OLDEST_WAITING: &str = "jobs_oldest_waiting_seconds";
/// Whether an operator has paused the processing: 1, otherwise 0.
pub const PROCESSING_PAUSED: &str = "processing_paused";
/// Messages in the queue, by `state`.
pub const QUEUE_MESSAGES: &str = "queue_messages";
/// Events that have not been delivered, by `state`.
pub const EVENT_DELIVERIES: &str = "event_deliveries";
/// How long the event that has been due for longest has waited since then, in seconds.
pub const EVENT_DELIVERIES_OLDEST_DUE: &str = "event_deliveries_oldest_due_seconds";
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
/// Attempts to deliver a completion event, by `outcome`.
pub const EVENT_ATTEMPTS: &str = "event_attempts_total";
/// When it was last measured how much is stored, in seconds since 1970.
pub const USAGE_MEASURED: &str = "usage_measured_timestamp_seconds";

/// The upper bounds of the histogram's buckets, in seconds. A query takes milliseconds; a request fails after three
/// seconds without a connection.
const DURATION_BUCKETS: [f64; 11] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 4.0, 15.0,
];

/// The metrics of the API, except for those that both processes have.
pub const METRICS: &[Metric] = &[
    Metric::counter(HTTP_REQUESTS, "Completed requests").labelled(),
    Metric::durations(
        HTTP_DURATION,
        &DURATION_BUCKETS,
        "Time until the response headers are sent",
    )
    .labelled(),
    Metric::counter(
        HTTP_REFUSED,
        "Requests that were refused because a limit was reached",
    )
    .labelled(),
    Metric::gauge(
        JOBS,
        Unit::Count,
        "Jobs that have not succeeded and were not cancelled",
    )
    .by("status", &["pending", "started", "retry", "failed"])
    .in_cloudwatch(),
    Metric::gauge(
        JOBS_FAILED_IN_TEN_MINUTES,
        Unit::Count,
        "Jobs that failed within the last ten minutes",
    )
    .in_cloudwatch(),
    Metric::gauge(
        JOBS_OLDEST_WAITING,
        Unit::Seconds,
        "For how long a job could have been attempted and was not; 0 while processing is paused",
    )
    .in_cloudwatch(),
    Metric::gauge(
        PROCESSING_PAUSED,
        Unit::Count,
        "Whether an operator has paused the processing: 1, otherwise 0",
    )
    .in_cloudwatch(),
    Metric::gauge(QUEUE_MESSAGES, Unit::Count, "Messages in the SQS queue").by(
        "state",
        &["visible", "in_flight", "delayed", "dead_letters"],
    ),
    Metric::gauge(
        EVENT_DELIVERIES,
        Unit::Count,
        "Events of completed jobs that have not been delivered",
    )
    .by("state", &["waiting", "given_up"]),
    Metric::gauge(
        EVENT_DELIVERIES_OLDEST_DUE,
        Unit::Seconds,
        "How long the event that has been due for longest has waited since then",
    ),
    Metric::gauge(
        OUTBOX_JOBS,
        Unit::Count,
        "Jobs that are waiting to be published",
    )
    .in_cloudwatch(),
    Metric::gauge(
        OUTBOX_OLDEST_AGE,
        Unit::Seconds,
        "How long the oldest unpublished job has been waiting",
    )
    .in_cloudwatch(),
    Metric::counter(OUTBOX_PUBLISHED, "Jobs that were published"),
    Metric::counter(
        OUTBOX_FAILURES,
        "Failed attempts to publish a job; each is repeated",
    )
    .in_cloudwatch(),
    Metric::counter(SWEPT, "Rows that the sweeper changed or deleted")
        .by(
            "kind",
            &[
                "republished",
                "overdue",
                "results",
                "jobs",
                "activity",
                "processes",
                "events",
            ],
        )
        .in_cloudwatch_if(&["republished"]),
    Metric::counter(EVENT_ATTEMPTS, "Attempts to deliver a completion event")
        .by("outcome", &["delivered", "failed", "given_up"])
        .in_cloudwatch_if(&["given_up"]),
    Metric::gauge(
        USAGE_MEASURED,
        Unit::Seconds,
        "When it was last measured how much is stored, since 1970",
    ),
];

/// Installs the recorder of the process and returns its handle, which renders the metrics. Another call returns the same
/// handle.
///
/// # Errors
/// Returns an error if the process has another recorder already.
pub fn install() -> anyhow::Result<PrometheusHandle> {
    telemetry::install(METRICS)
}

/// Looks after the metrics, forever: limits their memory, updates the gauges, and writes them for CloudWatch if the settings
/// ask for it.
pub async fn keep_up(handle: &PrometheusHandle, config: &MetricsConfig, connections: &Connections) {
    let update = || {
        record_pool("requests", &connections.requests);
        record_pool("lanes", &connections.lanes);
        record_pool("upkeep", &connections.upkeep);
        record_pool("probes", &connections.probes);
    };
    let all: Vec<Metric> = COMMON.iter().chain(METRICS).copied().collect();
    tokio::join!(
        telemetry::keep_up(handle, update),
        telemetry::report(handle, config, "api", &all),
    );
}
