//! From the start of the launcher until its last process has ended.

use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
use diesel::{Connection, PgConnection};
use local_services::sqs::LocalSqs;
use local_services::testing::eventually_blocking;
use nix::sys::signal::Signal;
#[cfg(target_os = "linux")]
use nix::sys::signal::kill;
#[cfg(target_os = "linux")]
use shared_model::processes::{self, DrainRequested};

use crate::support::{Ended, Launcher, command, existing_database, run};
#[cfg(target_os = "linux")]
use crate::support::{children, is_pending, suspend};

const TODO: &str = r#"{"title":"kept","deadline_at":"2026-01-01T00:00:00"}"#;

#[test]
fn the_launcher_makes_a_calendar_and_keeps_the_todos_for_the_next_start() {
    let data_dir = tempfile::tempdir().unwrap();
    let launcher = Launcher::start(data_dir.path(), &["--workers", "2"]);
    assert!(
        launcher.page.starts_with("http://localhost:"),
        "{}",
        launcher.page
    );
    assert!(
        launcher.database.starts_with("postgres://taskoverflow:"),
        "{}",
        launcher.database
    );
    assert_eq!(launcher.queue, "postgres:");
    launcher.post("api/v1/todos", TODO);
    assert!(launcher.calendar().contains("SUMMARY:kept"));
    assert_eq!(launcher.stop(Signal::SIGINT).code, Some(0));

    let launcher = Launcher::start(data_dir.path(), &["--workers", "0"]);
    assert_eq!(launcher.get("api/v1/todos")[0]["title"], "kept");
    #[cfg(target_os = "linux")]
    assert_eq!(children(launcher.pid(), "worker"), []);
    assert_eq!(launcher.stop(Signal::SIGTERM).code, Some(0));
}

#[test]
fn the_sample_todos_are_added_only_once() {
    let data_dir = tempfile::tempdir().unwrap();
    let database = existing_database();
    for _ in 0..2 {
        let flags = ["--demo", "--database-url", &database];
        let launcher = Launcher::start(data_dir.path(), &flags);
        let todos = launcher.get("api/v1/todos");
        assert_eq!(todos.as_array().map(Vec::len), Some(12));
        assert_eq!(launcher.stop(Signal::SIGINT).code, Some(0));
    }
}

#[test]
#[ignore = "needs python3 with venv"]
fn the_launcher_makes_calendars_with_a_local_sqs() {
    let data_dir = tempfile::tempdir().unwrap();
    LocalSqs::link_program(&data_dir.path().join("sqs")).unwrap();
    for (queue, shown) in [
        ("sqs", "sqs://ical at http://"),
        ("sqs.fifo", "sqs://ical.fifo at http://"),
    ] {
        let database = existing_database();
        let flags = ["--queue", queue, "--demo", "--database-url", &database];
        let launcher = Launcher::start(data_dir.path(), &flags);
        assert!(launcher.queue.starts_with(shown), "{}", launcher.queue);
        assert!(launcher.calendar().contains("SUMMARY:Water the plants"));
        assert_eq!(launcher.stop(Signal::SIGINT).code, Some(0));
    }
}

#[test]
#[ignore = "needs activemq"]
fn the_launcher_makes_calendars_with_activemq_and_keeps_its_data() {
    makes_calendars_with_a_broker("activemq", "stomp://local:***@127.0.0.1", "kahadb");
}

#[test]
#[ignore = "needs redis-server"]
fn the_launcher_makes_calendars_with_redis_and_keeps_its_data() {
    makes_calendars_with_a_broker("redis", "redis://127.0.0.1", "appendonlydir");
}

#[test]
#[ignore = "needs rabbitmq-server"]
fn the_launcher_makes_calendars_with_rabbitmq_and_keeps_its_data() {
    makes_calendars_with_a_broker("rabbitmq", "amqp://127.0.0.1", "data");
}

/// Starts the launcher twice in one folder, each time with another database. `shown` begins the URL of the queue, and the
/// broker keeps its data in the folder `data`.
fn makes_calendars_with_a_broker(queue: &str, shown: &str, data: &str) {
    let data_dir = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let database = existing_database();
        let flags = ["--queue", queue, "--demo", "--database-url", &database];
        let launcher = Launcher::start(data_dir.path(), &flags);
        assert!(launcher.queue.starts_with(shown), "{}", launcher.queue);
        assert!(launcher.calendar().contains("SUMMARY:Water the plants"));
        assert_eq!(launcher.stop(Signal::SIGINT).code, Some(0));
    }
    assert!(data_dir.path().join(queue).join(data).is_dir());
}

/// A launcher whose worker is busy for minutes.
fn launcher_with_a_long_job(data_dir: &Path) -> Launcher {
    let database = existing_database();
    let mut command = command(data_dir, &["--demo", "--database-url", &database]);
    command.env("RENDER_DELAY", "5m");
    let launcher = Launcher::spawn(&mut command);
    let status = launcher.request_calendar();
    eventually_blocking("the job runs", || {
        launcher.get(&status)["task_status"] == "STARTED"
    });
    launcher
}

#[test]
fn a_second_ctrl_c_hurries_the_processes() {
    let data_dir = tempfile::tempdir().unwrap();
    let launcher = launcher_with_a_long_job(data_dir.path());
    launcher.signal(Signal::SIGINT);
    eventually_blocking("the API is gone", || !answers(&launcher.page));
    assert_hurries(|| launcher.stop(Signal::SIGINT));
}

#[test]
#[cfg(target_os = "linux")]
fn a_worker_hurries_even_if_both_signals_arrive_together() {
    let data_dir = tempfile::tempdir().unwrap();
    let launcher = launcher_with_a_long_job(data_dir.path());
    let worker = children(launcher.pid(), "worker").pop().unwrap();
    suspend(worker);
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        launcher.signal(Signal::SIGINT);
        eventually_blocking("a signal to the worker is pending", || {
            is_pending(worker, signal)
        });
    }
    kill(worker, Signal::SIGCONT).unwrap();
    assert_hurries(|| launcher.end());
}

fn assert_hurries(end: impl FnOnce() -> Ended) {
    let start = Instant::now();
    let ended = end();
    assert_eq!(ended.code, Some(0));
    let patience = Duration::from_secs(10);
    assert!(start.elapsed() < patience, "{}", ended.stderr);
}

#[test]
#[cfg(target_os = "linux")]
fn a_worker_or_an_api_that_dies_is_restarted() {
    let data_dir = tempfile::tempdir().unwrap();
    let database = existing_database();
    let launcher = Launcher::start(data_dir.path(), &["--demo", "--database-url", &database]);
    for role in ["worker", "api"] {
        let dead = children(launcher.pid(), role).pop().unwrap();
        kill(dead, Signal::SIGKILL).unwrap();
        eventually_blocking("another one runs", || {
            let running = children(launcher.pid(), role);
            !running.is_empty() && !running.contains(&dead)
        });
        eventually_blocking("the API is ready", || launcher.is_ready());
        assert!(launcher.calendar().contains("SUMMARY:Water the plants"));
    }
    let ended = launcher.stop(Signal::SIGINT);
    assert_eq!(ended.code, Some(0));
    for name in ["worker 1", "the API"] {
        let message = format!("{name} ended (signal: 9 (SIGKILL)) and is being restarted");
        assert!(ended.stderr.contains(&message), "{}", ended.stderr);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_worker_that_an_operator_drains_is_replaced() {
    let data_dir = tempfile::tempdir().unwrap();
    let database = existing_database();
    let mut command = command(data_dir.path(), &["--demo", "--database-url", &database]);
    let launcher = Launcher::spawn(command.env("RUST_LOG", "info"));
    let drained = children(launcher.pid(), "worker").pop().unwrap();
    let mut connection = PgConnection::establish(&database).unwrap();
    eventually_blocking("the worker is registered and can be drained", || {
        let listed = processes::list(&mut connection).unwrap();
        let worker = listed
            .iter()
            .find(|process| process.pid == drained.as_raw());
        worker.is_some_and(|worker| {
            let requested = processes::request_drain(&mut connection, worker.id);
            requested.unwrap() == DrainRequested::Requested
        })
    });
    eventually_blocking("another one runs", || {
        let running = children(launcher.pid(), "worker");
        !running.is_empty() && !running.contains(&drained)
    });
    assert!(launcher.calendar().contains("SUMMARY:Water the plants"));
    let ended = launcher.stop(Signal::SIGINT);
    assert_eq!(ended.code, Some(0));
    let message = "worker 1 has stopped as it was asked to; starting another in its place";
    assert!(ended.stderr.contains(message), "{}", ended.stderr);
}

#[test]
#[cfg(target_os = "linux")]
fn everything_stops_when_postgres_dies() {
    let data_dir = tempfile::tempdir().unwrap();
    let launcher = Launcher::start(data_dir.path(), &[]);
    let postgres = children(launcher.pid(), "-D").pop().unwrap();
    kill(postgres, Signal::SIGKILL).unwrap();
    let ended = launcher.end();
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.contains("PostgreSQL ended"),
        "{}",
        ended.stderr
    );
}

#[test]
fn everything_stops_when_the_launcher_is_killed() {
    let data_dir = tempfile::tempdir().unwrap();
    let launcher = Launcher::start(data_dir.path(), &[]);
    let page = launcher.page.clone();
    assert!(answers(&page));
    assert_eq!(launcher.stop(Signal::SIGKILL).code, None);
    eventually_blocking("the API is gone", || !answers(&page));
    // what is left behind does not prevent the next start
    let launcher = Launcher::start(data_dir.path(), &[]);
    assert_eq!(launcher.stop(Signal::SIGINT).code, Some(0));
}

#[test]
fn a_second_launcher_on_the_same_folder_is_refused_with_the_process_id_of_the_first() {
    let data_dir = tempfile::tempdir().unwrap();
    let first = Launcher::start(data_dir.path(), &["--workers", "0"]);
    let second = run(data_dir.path(), &[]);
    assert_eq!(second.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&second.stderr);
    let expected = format!("is in use by process {}: stop it", first.pid());
    assert!(stderr.contains(&expected), "{stderr}");
}

fn answers(page: &str) -> bool {
    let host = page.trim_start_matches("http://").trim_end_matches('/');
    TcpStream::connect(host.replace("localhost", "127.0.0.1")).is_ok()
}
