//! Pausing and resuming.

use diesel::connection::SimpleConnection;
use shared_model::processing::{self, Processing};

use crate::roles::migrated;
use crate::support::{connect, database};

#[test]
fn a_second_pause_or_resume_changes_nothing_and_says_what_was_before() {
    let connection = &mut database();
    assert_eq!(
        processing::state(connection).unwrap(),
        Processing::default()
    );
    assert!(
        !processing::resume(connection).unwrap().is_paused(),
        "it was not paused"
    );

    assert!(
        !processing::pause(connection, Some("ann"))
            .unwrap()
            .is_paused()
    );
    let paused = processing::state(connection).unwrap();
    assert!(paused.is_paused());
    assert_eq!(paused.paused_by.as_deref(), Some("ann"));
    assert_eq!(processing::pause(connection, None).unwrap(), paused);
    assert_eq!(processing::state(connection).unwrap(), paused);

    assert_eq!(processing::resume(connection).unwrap(), paused);
    assert_eq!(
        processing::state(connection).unwrap(),
        Processing::default()
    );
}

#[test]
fn a_pause_and_its_end_restart_the_time_in_which_jobs_were_processed() {
    let connection = &mut database();
    assert_eq!(processing::active_seconds(connection).unwrap(), None);
    processing::pause(connection, None).unwrap();
    assert_eq!(processing::active_seconds(connection).unwrap(), Some(0.0));
    processing::resume(connection).unwrap();
    connection
        .batch_execute("UPDATE processing SET resumed_at = resumed_at - interval '1 hour'")
        .unwrap();
    // not paused, so this is not the end of a pause
    processing::resume(connection).unwrap();
    let seconds = processing::active_seconds(connection).unwrap().unwrap();
    assert!((3600.0..3700.0).contains(&seconds), "{seconds}");
    processing::pause(connection, None).unwrap();
    assert_eq!(processing::active_seconds(connection).unwrap(), Some(0.0));
}

#[test]
fn the_api_pauses_and_a_worker_can_only_look() {
    let [_, api, worker] = migrated("pausing_api", "paused_worker");
    processing::pause(&mut connect(&api), None).unwrap();
    let worker = &mut connect(&worker);
    assert!(processing::state(worker).unwrap().is_paused());
    let refusal = processing::resume(worker).unwrap_err().to_string();
    assert!(refusal.contains("permission denied"), "{refusal}");
}
