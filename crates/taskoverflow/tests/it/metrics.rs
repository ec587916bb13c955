//! The metrics of both processes, and what docs/operations.md says about them.

use std::collections::BTreeSet;
use std::path::Path;

use local_services::http;
use local_services::testing::eventually_blocking;
use nix::sys::signal::Signal;
use shared_model::telemetry::{COMMON, Kind, Metric};

use crate::support::{Launcher, existing_database};

/// The metrics of both processes, and each process's own. This crate is the place to compare them because it depends on
/// both.
fn declared() -> impl Iterator<Item = &'static Metric> {
    let own = api::telemetry::METRICS
        .iter()
        .chain(worker::telemetry::METRICS);
    COMMON.iter().chain(own)
}

/// Returns the name, the type and the unit of each metric.
fn described() -> BTreeSet<[String; 3]> {
    declared()
        .map(|metric| [metric.name, metric.kind.name(), metric.unit.as_str()].map(str::to_owned))
        .collect()
}

/// Returns the same for each row of the tables in the documentation.
fn documented() -> BTreeSet<[String; 3]> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations.md");
    let text = std::fs::read_to_string(file).unwrap();
    let metrics = text.split("\n## ").find(|part| part.starts_with("Metrics"));
    let rows = metrics
        .unwrap()
        .lines()
        .filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let mut cells = row.split('|').skip(1).map(str::trim);
        let name = cells.next().unwrap().trim_matches('`');
        let name = name.split('{').next().unwrap();
        [name, cells.next().unwrap(), cells.next().unwrap()].map(str::to_owned)
    })
    .collect()
}

#[test]
fn the_documentation_describes_every_metric_and_nothing_else() {
    assert_eq!(documented(), described());
}

#[test]
fn names_follow_the_conventions_of_prometheus() {
    for metric in declared() {
        let Metric {
            name,
            kind,
            unit,
            help,
            ..
        } = metric;
        assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
        assert_eq!(
            name.contains("_seconds"),
            unit.as_str() == "seconds",
            "{name}"
        );
        assert!(help.len() > 10 && !help.ends_with('.'), "{name}: {help}");
    }
}

/// Returns the names and types that a process serves, each with its help.
#[cfg(target_os = "linux")]
fn served(metrics: &str) -> Vec<(&str, &str, Option<&str>)> {
    let lines: Vec<&str> = metrics.lines().collect();
    let types = lines.iter().filter_map(|line| line.strip_prefix("# TYPE "));
    types
        .map(|line| {
            let (name, kind) = line.split_once(' ').unwrap();
            let help = format!("# HELP {name} ");
            let help = lines.iter().find_map(|line| line.strip_prefix(&help));
            (name, kind, help)
        })
        .collect()
}

#[test]
#[cfg(target_os = "linux")]
fn the_processes_serve_what_they_declare_and_nothing_else() {
    let data_dir = tempfile::tempdir().unwrap();
    let database = existing_database();
    let launcher = Launcher::start(data_dir.path(), &["--demo", "--database-url", &database]);
    launcher.calendar();
    let urls = [
        format!("{}metrics", launcher.page),
        format!("http://{}/metrics", admin_addr(&launcher)),
    ];
    for (url, own) in urls
        .iter()
        .zip([api::telemetry::METRICS, worker::telemetry::METRICS])
    {
        let metrics = || http::get(url).unwrap().body;
        eventually_blocking("everything has been recorded", || {
            missing(own, &metrics()).is_empty()
        });
        for (name, kind, help) in served(&metrics()) {
            let metric = COMMON.iter().chain(own).find(|metric| metric.name == name);
            let metric = metric.unwrap_or_else(|| panic!("{name} is not declared"));
            assert_eq!(kind, metric.kind.name(), "{name}");
            assert_eq!(help, Some(metric.help), "{name}");
        }
    }
    assert_eq!(launcher.stop(Signal::SIGINT).code, Some(0));
}

/// Returns the declared metrics that a process does not serve, except for those that it need not have recorded yet.
#[cfg(target_os = "linux")]
fn missing<'a>(own: &'a [Metric], metrics: &str) -> Vec<&'a str> {
    let served = served(metrics);
    let names = COMMON.iter().chain(own).map(|metric| metric.name);
    // no request is refused, and nothing is sent to a queue
    let not_yet = [
        api::telemetry::HTTP_REFUSED,
        api::telemetry::QUEUE_MESSAGES,
        api::telemetry::OUTBOX_JOBS,
        api::telemetry::OUTBOX_OLDEST_AGE,
    ];
    names
        .filter(|name| !not_yet.contains(name))
        .filter(|name| served.iter().all(|(served, ..)| served != name))
        .collect()
}

/// Returns the address of the worker's endpoints.
#[cfg(target_os = "linux")]
fn admin_addr(launcher: &Launcher) -> String {
    let worker = crate::support::children(launcher.pid(), "worker")
        .pop()
        .unwrap();
    let command_line = std::fs::read_to_string(format!("/proc/{worker}/cmdline")).unwrap();
    let mut words = command_line
        .split('\0')
        .skip_while(|word| *word != "--admin-addr");
    words.nth(1).unwrap().to_owned()
}
