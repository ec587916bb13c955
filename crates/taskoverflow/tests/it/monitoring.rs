//! The dashboard and the alert rules in `monitoring/`: every metric that they use exists, and the documentation says what to
//! do about every alert. `.ci/deployment monitoring` tests the rules themselves.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use shared_model::telemetry::{COMMON, Kind};

/// Words of `PromQL` that are followed by a list of labels.
const LABEL_LISTS: [&str; 4] = ["by", "without", "on", "ignoring"];
/// Other words of `PromQL` that no opening parenthesis follows, or not always.
const WORDS: [&str; 7] = ["and", "or", "unless", "count", "max", "min", "sum"];

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(root.join(path)).unwrap()
}

/// Returns the names of all series that exist.
fn series() -> BTreeSet<String> {
    let own = api::telemetry::METRICS
        .iter()
        .chain(worker::telemetry::METRICS);
    let names = COMMON.iter().chain(own).flat_map(|metric| {
        let suffixes: &[&str] = match metric.kind {
            Kind::Counter | Kind::Gauge => &[""],
            Kind::Histogram(_) => &["_bucket", "_sum", "_count"],
        };
        suffixes
            .iter()
            .map(|suffix| format!("{}{suffix}", metric.name))
    });
    // Prometheus makes it
    names.chain(["up".to_owned()]).collect()
}

/// Returns the names of the series in an expression in `PromQL`.
fn used(expression: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let word = rest.split(|c| !is_word(c)).next().unwrap();
        let length = match first {
            '{' => rest.find('}').unwrap(),
            '[' => rest.find(']').unwrap(),
            _ if LABEL_LISTS.contains(&word) => rest.find(')').unwrap(),
            _ => word.len(),
        };
        let after = &rest[length.max(1)..];
        let is_name = first.is_ascii_alphabetic() && length == word.len();
        if is_name && !WORDS.contains(&word) && !after.starts_with('(') {
            names.insert(word.to_owned());
        }
        rest = after;
    }
    names
}

/// Returns the values of all members with this name.
fn members<'a>(value: &'a Value, name: &str) -> Vec<&'a str> {
    match value {
        Value::Object(object) => object
            .iter()
            .flat_map(|(key, value)| match value.as_str() {
                Some(text) if key == name => vec![text],
                _ => members(value, name),
            })
            .collect(),
        Value::Array(values) => values
            .iter()
            .flat_map(|value| members(value, name))
            .collect(),
        _ => Vec::new(),
    }
}

/// Returns the values of a key in a file, one a line.
fn values<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    let key = format!("{key}: ");
    text.lines()
        .filter_map(|line| line.trim_start_matches([' ', '-']).strip_prefix(&key))
        .collect()
}

#[test]
fn the_names_in_an_expression_are_found() {
    let expression = r#"histogram_quantile(0.95, sum by (le) (rate(a_bucket{x="y"}[5m]))) > 60 or max(b) unless c_total"#;
    let expected = ["a_bucket", "b", "c_total"].map(str::to_owned);
    assert_eq!(used(expression), BTreeSet::from(expected));
}

#[test]
fn the_dashboard_uses_metrics_that_exist() {
    let dashboard = read("monitoring/grafana/dashboards/taskoverflow.json");
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let expressions = members(&dashboard, "expr");
    assert!(expressions.len() > 30);
    let used: BTreeSet<_> = expressions.into_iter().flat_map(used).collect();
    assert_eq!(used.difference(&series()).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn the_alerts_use_metrics_that_exist() {
    let alerts = read("monitoring/alerts.yml");
    let expressions = values(&alerts, "expr");
    assert_eq!(expressions.len(), values(&alerts, "alert").len());
    let used: BTreeSet<_> = expressions.into_iter().flat_map(used).collect();
    assert_eq!(used.difference(&series()).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn every_alert_has_a_test_and_an_entry_in_the_runbook() {
    let (alerts, tests) = (
        read("monitoring/alerts.yml"),
        read("monitoring/alerts-test.yml"),
    );
    let operations = read("docs/operations.md");
    let runbook: Vec<_> = operations
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .collect();
    let names = values(&alerts, "alert");
    for name in &names {
        let link = format!("runbook: docs/operations.md#{}", name.to_lowercase());
        assert!(alerts.contains(&link), "{link}");
        let raised = values(&tests, "alertname");
        assert!(raised.contains(name), "no test raises {name}");
    }
    assert_eq!(runbook, names);
}
