//! The worker's metrics.

use metrics::Unit;
use metrics_exporter_prometheus::PrometheusHandle;
use shared_model::telemetry::{self, COMMON, Metric, MetricsConfig, record_pool};

use crate::database::Database;
use crate::outcome::Outcome;

/// Polls of the queue, by `result`.
pub const POLLS: &str = "worker_polls_total";
/// Deliveries, by [`outcome`](crate::outcome::Outcome::name).
pub const DELIVERIES: &str = "worker_deliveries_total";
/// Deliveries that the queue took back before they were settled.
pub const DELIVERIES_LOST: &str = "worker_deliveries_lost_total";
/// The time from a job's acceptance to the beginning of its first attempt, in seconds.
pub const QUEUE_WAIT: &str = "worker_queue_wait_seconds";
/// The duration of attempts until their calendar is rendered, in seconds.
pub const ATTEMPT_DURATION: &str = "worker_attempt_duration_seconds";
/// The duration of the [`Stage`]s of an attempt, by `stage`, in seconds.
pub const STAGE_DURATION: &str = "worker_stage_duration_seconds";
/// Slots, each for one job in flight.
pub const SLOTS: &str = "worker_slots";
/// Slots that are in use.
pub const SLOTS_IN_USE: &str = "worker_slots_in_use";
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

/// The upper bounds of the buckets of all histograms, in seconds: from a small calendar, which takes milliseconds, to an hour
/// in the queue.
const DURATIONS: [f64; 16] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0,
];

/// A part of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Claiming the job of a message. With `postgres:`, the poll does it.
    Claim,
    /// Reading the todos of a small calendar. Those of a large one are read while it is rendered.
    Read,
    /// Rendering the calendar.
    Render,
    /// Storing the calendar and ending the job.
    Store,
}

impl Stage {
    const NAMES: [&str; 4] = ["claim", "read", "render", "store"];

    /// Returns the value of the metric's label `stage`.
    fn name(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Read => "read",
            Self::Render => "render",
            Self::Store => "store",
        }
    }

    /// Runs `work`, and records how long this stage of an attempt took.
    pub async fn time<T>(self, work: impl Future<Output = T>) -> T {
        let began = tokio::time::Instant::now();
        let result = work.await;
        metrics::histogram!(STAGE_DURATION, "stage" => self.name())
            .record(began.elapsed().as_secs_f64());
        result
    }
}

/// The metrics of the worker, except for those that both processes have.
pub const METRICS: &[Metric] = &[
    Metric::counter(POLLS, "Polls of the queue").by("result", &["deliveries", "empty", "failed"]),
    Metric::counter(DELIVERIES, "Deliveries, by how they ended")
        .by("outcome", &Outcome::NAMES)
        .in_cloudwatch_if(&["succeeded", "failed", "retry"]),
    Metric::counter(
        DELIVERIES_LOST,
        "Deliveries that the queue took back before they were settled",
    ),
    Metric::durations(
        QUEUE_WAIT,
        &DURATIONS,
        "Time from the acceptance of a job to the beginning of its first attempt",
    )
    .in_cloudwatch(),
    Metric::durations(
        ATTEMPT_DURATION,
        &DURATIONS,
        "Duration of attempts, from the claim to the rendered calendar",
    )
    .in_cloudwatch(),
    Metric::durations(
        STAGE_DURATION,
        &DURATIONS,
        "Duration of the stages of attempts",
    )
    .by("stage", &Stage::NAMES),
    Metric::gauge(
        SLOTS,
        Unit::Count,
        "Jobs that may be in flight at the same time",
    ),
    Metric::gauge(SLOTS_IN_USE, Unit::Count, "Jobs in flight").in_cloudwatch(),
    Metric::counter(
        CLAIMS_LOST,
        "Attempts stopped because their claim or delivery could not be renewed",
    ),
    Metric::counter(
        LATE_WRITES_REFUSED,
        "Writes that came after their claim had been lost, and changed nothing",
    ),
    Metric::counter(
        SETTLEMENTS_FAILED,
        "Deletes and releases that failed for good; their messages are delivered again",
    ),
    Metric::counter(
        DEAD_LETTERS_FAILED,
        "Jobs that failed because their message was moved to the dead-letter queue",
    ),
    Metric::counter(
        DEAD_LETTERS_UNREADABLE,
        "Deliveries of dead letters that can't be read",
    ),
];

/// Starts to record metrics, and returns the handle that renders them.
///
/// # Errors
/// Returns an error if the process already has another metrics recorder.
pub fn install() -> anyhow::Result<PrometheusHandle> {
    telemetry::install(METRICS)
}

/// Looks after the metrics, forever: limits their memory, updates the gauges, and writes them for CloudWatch if the settings
/// ask for it.
pub async fn keep_up(handle: PrometheusHandle, config: MetricsConfig, database: Database) {
    let update = || {
        record_pool("short", &database.pool);
        record_pool("large", &database.large);
    };
    let all: Vec<Metric> = COMMON.iter().chain(METRICS).copied().collect();
    tokio::join!(
        telemetry::keep_up(&handle, update),
        telemetry::report(&handle, &config, "worker", &all),
    );
}
