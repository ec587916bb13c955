//! Metrics for CloudWatch, as lines in its embedded metric format:
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>.
//! CloudWatch Logs recognises such a line without further settings, because it is a JSON object with the member `_aws`.

use std::collections::HashMap;
use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use metrics::Unit;
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::{Map, Value, json};

use super::metric::{InCloudWatch, Kind, Metric};
use super::samples::{Sample, samples};
use super::settings::{MetricsConfig, Namespace};

/// How often a line is written. CloudWatch keeps one value a minute at no extra charge. The alarm about missing workers and
/// autoscaling count the lines of a minute (terraform/alarms.tf, terraform/autoscaling.tf).
const INTERVAL: Duration = Duration::from_mins(1);

/// How many values a metric may have in one line, by the specification.
const MAX_VALUES: u32 = 100;

/// The name of the dimension that tells the processes apart.
const DIMENSION: &str = "Service";

/// Writes `metrics` to stdout once a minute, forever, if the settings name a namespace. `service` is the name of the
/// process in CloudWatch.
pub async fn report(
    handle: &PrometheusHandle,
    config: &MetricsConfig,
    service: &'static str,
    metrics: &[Metric],
) {
    let Some(namespace) = &config.emf_namespace else {
        return std::future::pending().await;
    };
    let mut lines = Lines::new(namespace, config, service);
    loop {
        tokio::time::sleep(INTERVAL).await;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let line = lines.next(&handle.render(), metrics, now.unwrap_or_default());
        // one call, so that nothing else is written into the line
        if let Err(error) = io::stdout()
            .lock()
            .write_all(format!("{line}\n").as_bytes())
        {
            log::warn!(error:%; "could not write the metrics to stdout");
        }
    }
}

/// Makes the lines of one process.
struct Lines<'a> {
    namespace: &'a Namespace,
    config: &'a MetricsConfig,
    service: &'static str,
    /// The values of the counters in the last line, by their series: a line contains what was added since then.
    counted: HashMap<String, f64>,
}

impl<'a> Lines<'a> {
    fn new(namespace: &'a Namespace, config: &'a MetricsConfig, service: &'static str) -> Self {
        Self {
            namespace,
            config,
            service,
            counted: HashMap::new(),
        }
    }

    /// Returns the next line, from what the recorder has rendered.
    fn next(&mut self, rendered: &str, metrics: &[Metric], now: Duration) -> Value {
        let all: Vec<Sample<'_>> = samples(rendered).collect();
        let mut definitions = Vec::new();
        let mut line = Map::new();
        line.insert(DIMENSION.to_owned(), json!(self.service));
        for metric in metrics {
            let mut values = self.values(metric, &all);
            values.retain(|(name, _value)| self.config.wants(name));
            for (name, value) in values {
                definitions.push(json!({ "Name": name, "Unit": unit(metric.unit) }));
                line.insert(name, value);
            }
        }
        let directive = json!({
            "Namespace": self.namespace.to_string(),
            "Dimensions": [[DIMENSION]],
            "Metrics": definitions,
        });
        let timestamp = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let aws = json!({ "Timestamp": timestamp, "CloudWatchMetrics": [directive] });
        line.insert("_aws".to_owned(), aws);
        Value::Object(line)
    }

    /// Returns the names and values of the series of a metric that CloudWatch gets.
    fn values(&mut self, metric: &Metric, all: &[Sample<'_>]) -> Vec<(String, Value)> {
        let series = |sample: &&Sample<'_>| match metric.in_cloudwatch {
            InCloudWatch::None => false,
            InCloudWatch::All => true,
            InCloudWatch::If(values) => metric
                .value_of_label(sample)
                .is_some_and(|value| values.contains(&value)),
        };
        let mut values = Vec::new();
        match metric.kind {
            Kind::Counter => {
                for sample in all.iter().filter(|sample| sample.name == metric.name) {
                    let added = self.added(sample);
                    if series(&sample) {
                        values.push((name(metric, sample), json!(added)));
                    }
                }
            }
            Kind::Gauge => {
                let own = all.iter().filter(|sample| sample.name == metric.name);
                values.extend(
                    own.filter(series)
                        .map(|sample| (name(metric, sample), json!(sample.value))),
                );
            }
            Kind::Histogram(bounds) => {
                let bucket = format!("{}_bucket", metric.name);
                let own = all.iter().filter(|sample| sample.name == bucket);
                let mut counts: HashMap<String, Vec<f64>> = HashMap::new();
                for sample in own.filter(series) {
                    let added = self.added(sample);
                    counts.entry(name(metric, sample)).or_default().push(added);
                }
                let with_values = counts.into_iter().filter_map(|(name, counts)| {
                    let spread = spread(bounds, &counts);
                    (!spread.is_empty()).then(|| (name, json!(spread)))
                });
                values.extend(with_values);
            }
        }
        values
    }

    /// Returns by how much the value of a counter has grown since the last line.
    fn added(&mut self, sample: &Sample<'_>) -> f64 {
        let key = format!("{}{{{}}}", sample.name, sample.labels);
        let before = self.counted.insert(key, sample.value).unwrap_or(0.0);
        sample.value - before
    }
}

/// Returns the name of a series in CloudWatch: that of the metric, with the value of its label if it has one. A counter has
/// another name than in Prometheus, because its value is not the total.
fn name(metric: &Metric, sample: &Sample<'_>) -> String {
    let base = metric.name.strip_suffix("_total").unwrap_or(metric.name);
    match metric.value_of_label(sample) {
        Some(value) => format!("{base}_{value}"),
        None => base.to_owned(),
    }
}

fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Seconds => "Seconds",
        Unit::Bytes => "Bytes",
        _ => "Count",
    }
}

/// Returns at most [`MAX_VALUES`] values that are spread like those in a histogram, so that CloudWatch can compute their
/// percentiles. `counts` are the numbers of values up to each of `bounds`, and of all.
fn spread(bounds: &[f64], counts: &[f64]) -> Vec<f64> {
    let all = counts.last().copied().unwrap_or(0.0);
    let values = all.min(f64::from(MAX_VALUES));
    let ranks = (0..MAX_VALUES)
        .map(|index| f64::from(index) + 0.5)
        .take_while(|index| *index < values)
        .map(|index| index / values * all);
    ranks.map(|rank| value_of(rank, bounds, counts)).collect()
}

/// Returns the value with this rank, as Prometheus estimates it: evenly spread within its bucket; above the last bound, that
/// bound.
fn value_of(rank: f64, bounds: &[f64], counts: &[f64]) -> f64 {
    let (mut bound_below, mut count_below) = (0.0, 0.0);
    for (bound, count) in bounds.iter().zip(counts) {
        if rank <= *count {
            let part = (rank - count_below) / (count - count_below);
            // microseconds are exact enough, and shorter
            let value = bound_below + part * (bound - bound_below);
            return (value * 1e6).round() / 1e6;
        }
        (bound_below, count_below) = (*bound, *count);
    }
    bound_below
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_700_000_000);
    const METRICS: [Metric; 4] = [
        Metric::counter("hidden_total", "Not for CloudWatch"),
        Metric::counter("ends_total", "Ends")
            .by("outcome", &["failed", "lost"])
            .in_cloudwatch_if(&["failed"]),
        Metric::gauge("age_seconds", Unit::Seconds, "Age").in_cloudwatch(),
        Metric::durations("run_seconds", &[0.1, 1.0], "Runs").in_cloudwatch(),
    ];
    const RENDERED: &str = "# TYPE hidden_total counter\nhidden_total 7\n\
        ends_total{outcome=\"failed\"} 3\nends_total{outcome=\"lost\"} 1\nage_seconds 301.5\n\
        run_seconds_bucket{le=\"0.1\"} 1\nrun_seconds_bucket{le=\"1\"} 3\nrun_seconds_bucket{le=\"+Inf\"} 4\n\
        run_seconds_sum 9\nrun_seconds_count 4\n";

    fn namespace() -> Namespace {
        "taskoverflow".parse().unwrap()
    }

    #[test]
    fn a_line_has_the_form_that_the_specification_requires() {
        let namespace = namespace();
        let config = MetricsConfig::default();
        let line = Lines::new(&namespace, &config, "worker").next(RENDERED, &METRICS, NOW);
        let expected = json!({
            "_aws": {
                "Timestamp": 1_700_000_000_000_u64,
                "CloudWatchMetrics": [{
                    "Namespace": "taskoverflow",
                    "Dimensions": [["Service"]],
                    "Metrics": [
                        { "Name": "ends_failed", "Unit": "Count" },
                        { "Name": "age_seconds", "Unit": "Seconds" },
                        { "Name": "run_seconds", "Unit": "Seconds" },
                    ],
                }],
            },
            "Service": "worker",
            "ends_failed": 3.0,
            "age_seconds": 301.5,
            "run_seconds": [0.05, 0.325, 0.775, 1.0],
        });
        assert_eq!(line, expected);
        assert!(!line.to_string().contains('\n'));
    }

    #[test]
    fn a_line_contains_what_was_counted_since_the_last_one() {
        let namespace = namespace();
        let config = MetricsConfig::default();
        let mut lines = Lines::new(&namespace, &config, "worker");
        lines.next(RENDERED, &METRICS, NOW);
        let same = lines.next(RENDERED, &METRICS, NOW);
        assert_eq!(same["ends_failed"], 0.0);
        assert_eq!(same["age_seconds"], 301.5);
        assert_eq!(same.get("run_seconds"), None);
        let later = RENDERED.replace("\"failed\"} 3", "\"failed\"} 5");
        assert_eq!(lines.next(&later, &METRICS, NOW)["ends_failed"], 2.0);
    }

    #[test]
    fn a_line_contains_only_the_metrics_that_are_asked_for() {
        let namespace = namespace();
        let config = MetricsConfig {
            emf_metrics: vec!["ends_failed".to_owned(), "ends_lost".to_owned()],
            ..MetricsConfig::default()
        };
        let line = Lines::new(&namespace, &config, "worker").next(RENDERED, &METRICS, NOW);
        assert_eq!(line["ends_failed"], 3.0);
        assert_eq!(line.get("age_seconds"), None);
        let metrics = &line["_aws"]["CloudWatchMetrics"][0]["Metrics"];
        assert_eq!(metrics.as_array().unwrap().len(), 1, "{metrics}");
    }

    #[test]
    fn many_values_become_a_hundred_that_are_spread_alike() {
        let spread = spread(&[0.1, 1.0], &[9_900.0, 10_000.0, 10_000.0]);
        assert_eq!(spread.len(), 100);
        assert!(spread[98] <= 0.1, "{spread:?}");
        assert!((0.1..=1.0).contains(&spread[99]), "{spread:?}");
    }
}
