//! The metrics of a process: recorded in memory, served in the format of Prometheus and, on AWS, written to its output in
//! CloudWatch's embedded metric format.
//!
//! # Layout
//! - `metric`: what is known about a metric before it has a value
//! - `common`: the metrics that both processes have
//! - `samples`: the values that the recorder renders
//! - `emf`: the lines for CloudWatch
//! - `settings`: whether to write them

mod common;
mod emf;
mod metric;
mod samples;
mod settings;

use std::sync::OnceLock;
use std::time::Duration;

use anyhow::Context;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

pub use common::{COMMON, record_pool};
pub use emf::report;
pub use metric::{Kind, Labels, Metric};
pub use settings::{MetricsConfig, Namespace};

/// How often the recorded values of the histograms are summarised and the gauges of the process are updated.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// How many times longer a measurement of the database rests than it took, so that measuring takes at most a tenth of the
/// time of one connection.
const REST_FACTOR: u32 = 10;

/// Starts to record the metrics of this process, `metrics` and [`COMMON`], and returns the handle that renders them. Another
/// call returns the same handle.
///
/// # Errors
/// Returns an error if the process has another recorder already.
pub fn install(metrics: &[Metric]) -> anyhow::Result<PrometheusHandle> {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    if let Some(handle) = HANDLE.get() {
        return Ok(handle.clone());
    }
    let mut builder = PrometheusBuilder::new();
    for metric in metrics {
        if let Kind::Histogram(bounds) = metric.kind {
            let matcher = Matcher::Full(metric.name.to_owned());
            builder = builder.set_buckets_for_metric(matcher, bounds)?;
        }
    }
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    // of two concurrent first calls, only one succeeds
    if metrics::set_global_recorder(recorder).is_ok() {
        for metric in COMMON.iter().chain(metrics) {
            metric.describe();
        }
        common::record_start();
        let _ = HANDLE.set(handle);
    }
    HANDLE
        .get()
        .cloned()
        .context("the process already has another metrics recorder")
}

/// Limits the memory of the metrics, forever: without upkeep, a histogram that nobody reads keeps every value. Calls
/// `update`, which sets the gauges of the process, just as often.
pub async fn keep_up(handle: &PrometheusHandle, update: impl Fn()) {
    loop {
        handle.run_upkeep();
        update();
        tokio::time::sleep(UPKEEP_INTERVAL).await;
    }
}

/// Returns how long to wait before the next measurement of the database, if the last one took `duration`: `interval`, or ten
/// times as long as the measurement took.
pub fn rest(interval: Duration, duration: Duration) -> Duration {
    interval.max(duration * REST_FACTOR)
}
