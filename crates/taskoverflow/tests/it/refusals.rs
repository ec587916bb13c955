//! Invalid settings are named in a message, and the exit code is 2.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use crate::support::{command, existing_database, run};

fn refusal(data_dir: &Path, flags: &[&str]) -> String {
    let output = run(data_dir, flags);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert_eq!(output.stdout, b"");
    stderr
}

#[test]
fn a_port_in_use_is_reported_before_anything_starts() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("none");
    let stderr = refusal(&data_dir, &["--port", &port]);
    assert!(
        stderr.contains(&format!("port {port} is in use")),
        "{stderr}"
    );
    assert!(stderr.contains("--port"), "{stderr}");
    assert!(!data_dir.exists());
}

#[test]
fn an_invalid_flag_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for (flag, value) in [
        ("--queue", "redis:"),
        ("--database-url", "mysql://x"),
        ("--port", "70000"),
        ("--workers", "many"),
    ] {
        let stderr = refusal(folder.path(), &[flag, value]);
        assert!(stderr.contains(flag) && stderr.contains(value), "{stderr}");
    }
}

#[test]
fn without_python_a_local_sqs_is_refused_in_one_line_that_says_what_to_install() {
    let folder = tempfile::tempdir().unwrap();
    let database = existing_database();
    let flags = ["--port", "0", "--queue", "sqs", "--database-url", &database];
    let mut command = command(folder.path(), &flags);
    let output = command.env("PATH", "/nonexistent").output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains("needs python3 with venv"), "{stderr}");
    assert!(stderr.contains("apt-get install python3-venv"), "{stderr}");
}

#[test]
fn an_invalid_variable_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let output = command(folder.path(), &[])
        .env("DATABASE_URL", "mysql://x")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("DATABASE_URL"), "{stderr}");
}

/// Runs one process of the launcher with nothing but these variables, and returns its stderr.
fn process_refusal(role: &str, variables: &[(&str, &str)]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_taskoverflow"))
        .arg(role)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    stderr
}

#[test]
fn a_process_names_every_invalid_and_every_missing_setting() {
    for (role, own) in [("api", "JOB_EXPIRY"), ("worker", "VISIBILITY_TIMEOUT")] {
        let variables = [
            ("DATABASE_URL", "mysql://x"),
            ("LOG_FORMAT", "xml"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
            ("OTEL_TRACES_SAMPLER", "some"),
            (own, "soon"),
        ];
        let stderr = process_refusal(role, &variables);
        for expected in [
            "DATABASE_URL: invalid value",
            "'--database-url <URL>'",
            "LOG_FORMAT: invalid value",
            "OTEL_EXPORTER_OTLP_TIMEOUT: invalid value",
            "OTEL_TRACES_SAMPLER: invalid value",
            &format!("{own}: invalid value"),
            "QUEUE_URL (or --queue-url <URL>) is not set",
        ] {
            assert!(stderr.contains(expected), "{expected} is not in {stderr}");
        }
    }
}

#[test]
fn a_process_names_every_setting_that_contradicts_another() {
    let variables = [
        ("DATABASE_URL", "postgres://x/y"),
        ("QUEUE_URL", "postgres:"),
        ("QUEUE_GROUP", "all"),
    ];
    let stderr = process_refusal("api", &variables);
    assert!(stderr.contains("QUEUE_GROUP"), "{stderr}");
    let more = [("DATABASE_POOL", "3"), ("RECEIVE_WAIT", "21s")];
    let stderr = process_refusal("worker", &[&variables[..], &more].concat());
    for name in ["QUEUE_GROUP", "DATABASE_POOL", "RECEIVE_WAIT"] {
        assert!(stderr.contains(name), "{name} is not in {stderr}");
    }

    let host = [("DATABASE_HOST", "db")];
    let stderr = process_refusal("api", &[&variables[..2], &host].concat());
    let expected = "DATABASE_URL (or --database-url <URL>)";
    assert!(stderr.contains(expected), "{stderr}");
    assert!(
        stderr.contains("DATABASE_HOST (or --database-host <HOST>)"),
        "{stderr}"
    );
}

#[test]
#[cfg(not(feature = "tls"))]
fn a_process_that_was_built_without_tls_says_how_to_build_it_with_tls() {
    for role in ["api", "worker"] {
        let variables = [
            ("DATABASE_URL", "postgres://x/y?sslmode=verify-full"),
            ("QUEUE_URL", "postgres:"),
        ];
        let stderr = process_refusal(role, &variables);
        for expected in ["DATABASE_URL", "sslmode=verify-full", "--features tls"] {
            assert!(stderr.contains(expected), "{expected} is not in {stderr}");
        }
    }
}

#[test]
fn a_setting_that_a_worker_refuses_stops_everything_with_the_worker_s_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let database = existing_database();
    let flags = ["--port", "0", "--database-url", &database];
    let mut command = command(folder.path(), &flags);
    let output = command.env("WORKER_CONCURRENCY", "many").output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("--worker-concurrency"), "{stderr}");
    assert!(stderr.contains("worker 1 ended"), "{stderr}");
}
