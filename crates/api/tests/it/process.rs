//! The real binary: its settings, signals and exit codes.

use std::io::Read;
use std::process::Command;
use std::time::{Duration, Instant};

use local_services::testing::eventually;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::database;
use crate::support::process::{Process, output};

#[tokio::test]
async fn a_signal_stops_the_process_with_exit_code_0() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let url = database();
        let mut process = Process::start(&[("DATABASE_URL", &url)], "ready");
        let client = reqwest::Client::new();
        let response = client
            .get(format!("{}/api/v1/todos", process.url))
            .send()
            .await
            .unwrap();
        assert_eq!(response.text().await.unwrap(), "[]");
        // the client keeps its connection open, which must not delay the end of the process
        let signalled = Instant::now();
        process.signal(signal);
        let status = process.wait();
        assert_eq!(status.code(), Some(0), "{status}");
        assert!(
            signalled.elapsed() < Duration::from_secs(15),
            "{:?}",
            signalled.elapsed()
        );
        drop(client);
    }
}

#[tokio::test]
async fn a_process_that_was_ready_serves_requests_during_its_shutdown_delay() {
    let url = database();
    let settings = [("DATABASE_URL", url.as_str()), ("SHUTDOWN_DELAY", "1h")];
    let mut process = Process::start(&settings, "ready");
    // it finds out that it is ready when somebody asks
    let ready = format!("{}/readyz", process.url);
    eventually("the process is ready", async || {
        reqwest::get(&ready).await.unwrap().status() == 200
    })
    .await;
    process.signal(Signal::SIGTERM);
    while process.next_line()["message"]
        != "stopping later; serving requests until SHUTDOWN_DELAY has passed"
    {}
    let todos = reqwest::get(format!("{}/api/v1/todos", process.url)).await;
    assert_eq!(todos.unwrap().status(), 200);
    process.signal(Signal::SIGTERM);
    let status = process.wait();
    assert_eq!(status.code(), Some(0), "{status}");
}

#[tokio::test]
async fn a_process_ends_when_its_shutdown_delay_has_passed() {
    let url = database();
    let settings = [("DATABASE_URL", url.as_str()), ("SHUTDOWN_DELAY", "100ms")];
    let mut process = Process::start(&settings, "ready");
    let ready = format!("{}/readyz", process.url);
    eventually("the process is ready", async || {
        reqwest::get(&ready).await.unwrap().status() == 200
    })
    .await;
    process.signal(Signal::SIGTERM);
    let status = process.wait();
    assert_eq!(status.code(), Some(0), "{status}");
    while process.next_line()["message"] != "stopping; finishing open requests" {}
}

#[test]
fn a_signal_stops_a_process_that_waits_for_its_database() {
    // nobody uses it, so it need not wait for them
    let settings = [
        ("DATABASE_URL", "postgres://127.0.0.1:1/nowhere"),
        ("SHUTDOWN_DELAY", "1h"),
    ];
    let mut process = Process::start(&settings, "can't reach the database yet; waiting for it");
    process.signal(Signal::SIGTERM);
    let status = process.wait();
    assert_eq!(status.code(), Some(0), "{status}");
}

#[test]
fn every_invalid_setting_is_reported_with_exit_code_2() {
    let output = output(&[
        ("DATABASE_URL", "mysql://db"),
        ("QUEUE_URL", "redis://db"),
        ("BIND_ADDR", "everywhere"),
        ("PUBLIC_URL", "example.org"),
        ("ALLOWED_HOSTS", "api:6400"),
        ("TRUST_PROXY", "maybe"),
        ("JOB_EXPIRY", "0s"),
        ("MIGRATE", "1"),
    ]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    for name in [
        "DATABASE_URL",
        "QUEUE_URL",
        "BIND_ADDR",
        "PUBLIC_URL",
        "ALLOWED_HOSTS",
        "TRUST_PROXY",
        "JOB_EXPIRY",
        "MIGRATE",
    ] {
        assert!(
            text.contains(&format!("{name}: ")),
            "{name} is not in\n{text}"
        );
    }
}

#[test]
fn missing_and_contradictory_settings_are_reported() {
    for (settings, name) in [
        (&[("QUEUE_URL", "postgres:")][..], "database-url"),
        (
            &[("DATABASE_URL", "postgres://db/a"), ("QUEUE_URL", "")],
            "queue-url",
        ),
        (
            &[("DATABASE_URL", "postgres://db/a"), ("QUEUE_GROUP", "all")],
            "QUEUE_GROUP",
        ),
    ] {
        let output = output(settings);
        assert_eq!(output.status.code(), Some(2));
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains(name), "{name} is not in\n{text}");
    }
}

#[test]
fn a_database_url_that_the_server_refuses_is_reported_without_its_password() {
    let url = database();
    let (scheme, rest) = url.split_once("://").unwrap();
    let (_, host) = rest.split_once('@').unwrap();
    for (url, words) in [
        (
            format!("{scheme}://taskoverflow:hunter2@{host}"),
            "password authentication failed",
        ),
        (url.replace("test_", "absent_"), "does not exist"),
    ] {
        let output = output(&[("DATABASE_URL", &url)]);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(
            text.contains("DATABASE_URL: ") && text.contains(words),
            "{text}"
        );
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn a_port_in_use_is_reported() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = output(&[("BIND_ADDR", &address), ("DATABASE_URL", "postgres://db/a")]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains(&format!("BIND_ADDR: can't listen on {address}")) && text.contains("in use"),
        "{text}"
    );
}

#[tokio::test]
async fn a_failed_request_is_logged_with_its_id_and_its_cause() {
    let url = database();
    let mut process = Process::start(
        &[
            ("DATABASE_URL", &url),
            ("RUST_LOG", "info,api::observe=debug"),
        ],
        "ready",
    );
    let client = reqwest::Client::new();
    let get = |path: &str, id: &str| {
        client
            .get(format!("{}{path}", process.url))
            .header("X-Request-Id", id)
            .send()
    };
    get("/api/v1/todos/7", "first").await.unwrap();
    let line = logged(&mut process, "first");
    assert_eq!(line["level"], "debug");
    assert_eq!(line["http.method"], "GET");
    assert_eq!(line["http.path"], "/api/v1/todos/7");
    assert_eq!(line["http.status"], 404);
    assert!(line["duration_ms"].is_number());

    let pool = crate::support::pool(&crate::support::config(&url, &[]));
    crate::support::execute(&pool, "DROP TABLE todos").await;
    let get = |path: &str, id: &str| {
        client
            .get(format!("{}{path}", process.url))
            .header("X-Request-Id", id)
            .send()
    };
    let response = get("/api/v1/todos/7", "second").await.unwrap();
    assert_eq!(response.status(), 500);
    let problem: Value = response.json().await.unwrap();
    assert_eq!(
        problem["error"],
        "internal error; quote the X-Request-Id when you report it"
    );
    let line = logged(&mut process, "second");
    assert_eq!(line["level"], "warn");
    assert!(line["error"].as_str().unwrap().contains("todos"), "{line}");
}

#[tokio::test]
async fn what_an_operator_does_is_logged() {
    let url = database();
    let pool = crate::support::pool(&crate::support::config(&url, &[]));
    crate::support::execute(
        &pool,
        "INSERT INTO processes (id, role, host, pid, version) OVERRIDING SYSTEM VALUE
         VALUES (1000, 'worker', 'h', 1, '0.1.0')",
    )
    .await;
    let mut process = Process::start(&[("DATABASE_URL", &url)], "ready");
    let client = reqwest::Client::new();
    for (call, message, (member, value)) in [
        (
            "processes/1000/drain",
            "an operator has asked a worker to stop",
            ("worker.id", 1000),
        ),
        (
            "jobs/retry",
            "an operator has retried failed jobs",
            ("jobs", 0),
        ),
        (
            "deliveries/retry",
            "an operator has retried completion events",
            ("events", 0),
        ),
    ] {
        let request = client.post(format!("{}/api/v1/operations/{call}", process.url));
        let body = serde_json::json!({"all": true});
        let response = request.json(&body).send().await.unwrap();
        assert!(response.status().is_success(), "{call}: {response:?}");
        let line = loop {
            let line = process.next_line();
            if line["message"] == message {
                break line;
            }
        };
        assert_eq!(line["level"], "info");
        assert_eq!(line[member], value, "{line}");
    }
}

#[tokio::test]
async fn the_metrics_show_no_outbox_if_nothing_is_published() {
    let url = database();
    let process = Process::start(&[("DATABASE_URL", &url)], "ready");
    let mut metrics = String::new();
    eventually("the database has been measured", async || {
        let response = reqwest::get(format!("{}/metrics", process.url)).await;
        metrics = response.unwrap().text().await.unwrap();
        metrics.contains("\njobs_failed_in_ten_minutes 0\n")
    })
    .await;
    assert!(metrics.contains("\njobs_oldest_waiting_seconds 0\n"));
    assert!(!metrics.contains("\noutbox_jobs "), "{metrics}");
}

fn logged(process: &mut Process, request_id: &str) -> Value {
    loop {
        let line = process.next_line();
        if line["request.id"] == request_id {
            return line;
        }
    }
}

#[test]
fn help_names_every_variable() {
    let output = Command::new(env!("CARGO_BIN_EXE_taskoverflow-api"))
        .arg("--help")
        .output()
        .unwrap();
    assert!(output.status.success());
    let mut text = String::new();
    output.stdout.as_slice().read_to_string(&mut text).unwrap();
    for name in [
        "BIND_ADDR",
        "PUBLIC_URL",
        "ALLOWED_HOSTS",
        "TRUST_PROXY",
        "JOB_EXPIRY",
        "MIGRATE",
        "DATABASE_URL",
        "QUEUE_URL",
        "RUST_LOG",
    ] {
        assert!(text.contains(&format!("[env: {name}")), "{name}");
    }
}
