//! An existing database.

use nix::sys::signal::Signal;

use crate::support::{Launcher, command, existing_database};

#[test]
fn an_existing_database_is_used_and_none_is_started() {
    let url = existing_database();
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("none");
    let mut command = command(&data_dir, &[]);
    command.env("DATABASE_URL", &url);
    // conflicts with the URL, but the launcher ignores it
    command.env("DATABASE_HOST", "elsewhere");
    let launcher = Launcher::spawn(&mut command);
    launcher.post(
        "api/v1/todos",
        r#"{"title":"there","deadline_at":"2026-01-01T00:00:00"}"#,
    );
    assert!(launcher.calendar().contains("SUMMARY:there"));

    let password = url.split([':', '@']).nth(2).unwrap();
    assert!(
        !launcher.database.contains(password),
        "{}",
        launcher.database
    );
    assert!(
        launcher.database.ends_with(url.rsplit_once('@').unwrap().1),
        "{}",
        launcher.database
    );
    assert_eq!(launcher.stop(Signal::SIGINT).code, Some(0));
    assert!(!data_dir.exists());
}
