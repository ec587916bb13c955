//! The metrics that both processes have.

use std::time::SystemTime;

use metrics::Unit;

use super::metric::Metric;
use crate::database::Pool;
use crate::trace::{SPANS_DROPPED, SPANS_EXPORTED};

const BUILD_INFO: &str = "taskoverflow_build_info";
const START_TIME: &str = "process_start_time_seconds";
const CONNECTIONS_IN_USE: &str = "database_connections_in_use";
const CONNECTIONS_MAX: &str = "database_connections_max";

/// The metrics that both processes have.
pub const COMMON: &[Metric] = &[
    Metric::gauge(
        BUILD_INFO,
        Unit::Count,
        "Always 1; the label version is that of the program",
    ),
    Metric::gauge(
        START_TIME,
        Unit::Seconds,
        "When the process started, since 1970",
    ),
    Metric::gauge(
        CONNECTIONS_IN_USE,
        Unit::Count,
        "Connections to the database that are in use, or being opened, by pool",
    ),
    Metric::gauge(
        CONNECTIONS_MAX,
        Unit::Count,
        "Connections to the database that may be in use at the same time, by pool",
    ),
    Metric::counter(SPANS_EXPORTED, "Spans that the collector of traces accepted"),
    Metric::counter(
        SPANS_DROPPED,
        "Spans that were dropped: too many waited (queue_full), or the collector did not accept them (refused)",
    )
    .by("reason", &["queue_full", "refused"]),
];

/// Sets the metrics that do not change.
pub(super) fn record_start() {
    metrics::gauge!(BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    metrics::gauge!(START_TIME).set(now.unwrap_or_default().as_secs_f64());
}

/// Sets the gauges of a pool, which has this name in the metrics.
pub fn record_pool(name: &'static str, pool: &Pool) {
    metrics::gauge!(CONNECTIONS_IN_USE, "pool" => name).set(f64::from(pool.in_use()));
    metrics::gauge!(CONNECTIONS_MAX, "pool" => name).set(f64::from(pool.size()));
}
