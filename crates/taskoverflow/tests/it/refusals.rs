//! Settings that cannot work: a message that names them, and exit code 2.

use std::net::TcpListener;
use std::path::Path;

use crate::support::{command, given_database, run};

fn refusal(data_dir: &Path, flags: &[&str]) -> String {
    let output = run(data_dir, flags);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert_eq!(output.stdout, b"");
    stderr
}

#[test]
fn a_port_in_use_is_named_before_anything_starts() {
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
fn a_wrong_flag_is_named() {
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
fn a_wrong_variable_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let output = command(folder.path(), &[])
        .env("DATABASE_URL", "mysql://x")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("DATABASE_URL"), "{stderr}");
}

#[test]
fn a_setting_that_a_worker_refuses_ends_everything_with_its_code() {
    let folder = tempfile::tempdir().unwrap();
    let database = given_database();
    let flags = ["--port", "0", "--database-url", &database];
    let mut command = command(folder.path(), &flags);
    let output = command.env("WORKER_CONCURRENCY", "many").output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("--worker-concurrency"), "{stderr}");
    assert!(stderr.contains("worker 1 ended"), "{stderr}");
}
