//! The command `migrate`, and an API that logs in with a role of its own and a password that changes. Most other tests of
//! this crate use such a role too.

use std::fs;
use std::process::{Command, Output};

use local_services::testing::{empty_database, eventually};
use serde_json::json;

use crate::support::process::Process;
use crate::support::{Service, config, database, execute, login, pool};

/// Runs `taskoverflow-api migrate` with nothing but these settings.
fn migrate(settings: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_taskoverflow-api"))
        .arg("migrate")
        .env_clear()
        .envs(settings.iter().copied())
        .output()
        .unwrap()
}

fn refusal(settings: &[(&str, &str)]) -> String {
    let output = migrate(settings);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    text
}

#[test]
fn migrate_makes_the_roles_and_an_api_starts_with_its_own() {
    let owner = empty_database();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    fs::write(&file, "of the worker\n").unwrap();
    let settings = [
        ("DATABASE_URL", owner.as_str()),
        ("API_ROLE", "migrated_api"),
        ("API_ROLE_PASSWORD", "of-the-api"),
        ("WORKER_ROLE", "migrated_worker"),
        ("WORKER_ROLE_PASSWORD_FILE", file.to_str().unwrap()),
    ];
    // once more, as every task does that starts
    for _ in 0..2 {
        let output = migrate(&settings);
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{text}");
        assert!(text.contains("migrated_api migrated_worker"), "{text}");
        assert!(!text.contains("of-the-api"), "{text}");
    }
    let url = login(&owner, "migrated_api", "of-the-api");
    Process::start(&[("DATABASE_URL", &url)], "ready");
}

#[test]
fn an_api_with_a_role_of_its_own_says_how_to_migrate_the_database() {
    let owner = empty_database();
    let migrated = migrate(&[
        ("DATABASE_URL", &database()),
        ("API_ROLE", "unmigrated_api"),
        ("API_ROLE_PASSWORD", "x"),
    ]);
    assert!(migrated.status.success());
    let output =
        crate::support::process::output(&[("DATABASE_URL", &login(&owner, "unmigrated_api", "x"))]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("run `taskoverflow-api migrate`"), "{text}");
}

#[test]
fn migrate_names_every_invalid_setting() {
    let text = refusal(&[("API_ROLE", "a-b"), ("DATABASE_URL", "mysql://db")]);
    for name in ["API_ROLE", "DATABASE_URL"] {
        assert!(text.contains(name), "{name} is not in {text}");
    }
    let url = ("DATABASE_URL", "postgres://db/a");
    let text = refusal(&[
        url,
        ("API_ROLE", "same"),
        ("API_ROLE_PASSWORD_FILE", "/none"),
        ("WORKER_ROLE", "same"),
    ]);
    assert!(
        text.contains("API_ROLE_PASSWORD_FILE: can't read /none"),
        "{text}"
    );
    assert!(text.contains("WORKER_ROLE must differ"), "{text}");
    let text = refusal(&[url, ("WORKER_ROLE_PASSWORD", "without a role")]);
    assert!(text.contains("WORKER_ROLE "), "{text}");
}

#[tokio::test]
async fn an_api_goes_on_after_its_password_was_changed_and_loses_nothing() {
    let owner = database();
    let migrated = migrate(&[
        ("DATABASE_URL", &owner),
        ("API_ROLE", "rotating_api"),
        ("API_ROLE_PASSWORD", "first"),
    ]);
    assert!(migrated.status.success());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    fs::write(&file, "first").unwrap();
    let url = login(&owner, "rotating_api", "replaced-by-the-file");
    let flag = format!("--database-password-file={}", file.display());
    let settings = config(&url, &["--queue-url=postgres:", &flag]);
    let service = Service::launch_beside(&settings, pool(&config(&owner, &[])));
    service.wait_until_ready().await;
    let todo = service
        .post("/api/v1/todos", &json!({"title": "kept"}))
        .await;
    let job = service.new_job().await;

    execute(&service.pool, "ALTER ROLE rotating_api PASSWORD 'second'").await;
    // more than once, because a session that was opened with the old password may not be listed yet
    let end_sessions = "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE usename = 'rotating_api'";
    eventually("the process is not ready", async || {
        execute(&service.pool, end_sessions).await;
        service.get("/readyz").await.status == 503
    })
    .await;
    let refused = service.post("/api/v1/todos", &json!({"title": "b"})).await;
    assert_eq!(refused.status, 503, "{}", refused.text());

    fs::write(&file, "second").unwrap();
    service.wait_until_ready().await;
    eventually("the todos can be read", async || {
        service.get("/api/v1/todos").await.status == 200
    })
    .await;
    let todos = service.get("/api/v1/todos").await.json();
    assert_eq!(todos.as_array().unwrap().len(), 1);
    assert_eq!(todos[0]["id"], todo.json()["id"]);
    let status = service
        .get(&format!("/api/v1/todos/ical/{job}/status"))
        .await;
    assert_eq!(status.json()["task_status"], "PENDING");
    eventually("jobs are accepted", async || {
        let accepted = service.post("/api/v1/todos/ical", &json!({})).await;
        accepted.status == 202
    })
    .await;
}
