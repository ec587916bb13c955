//! How processes register themselves, report, and learn what an operator wants.

use std::sync::atomic::{AtomicUsize, Ordering};

use diesel::connection::SimpleConnection;
use diesel::sql_types::{BigInt, Text};
use diesel::{PgConnection, QueryableByName, RunQueryDsl};
use local_services::testing::eventually;
use shared_model::activity::Activity;
use shared_model::processes::{
    self, Control, DrainRequested, NewProcess, Process, ProcessState, Report, Reporter, Role,
    ThisProcess,
};
use shared_model::processing;
use tokio::sync::watch;

use crate::roles::migrated;
use crate::support::{connect, database, database_url, pool};

const NOTHING: Control = Control {
    paused: false,
    drain: false,
    known: true,
};

/// Registers a process.
pub(crate) fn start(connection: &mut PgConnection, role: Role) -> i32 {
    let slots = (role == Role::Worker).then_some(8);
    let process = NewProcess::this(role, slots);
    processes::register(connection, &process).unwrap().0
}

/// How many rows of a table meet a condition.
pub(crate) fn count(connection: &mut PgConnection, table: &str, condition: &str) -> i64 {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let sql = format!("SELECT count(*) FROM {table} WHERE {condition}");
    let row: Row = diesel::sql_query(sql).get_result(connection).unwrap();
    row.count
}

fn text(connection: &mut PgConnection, sql: &str) -> String {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        text: String,
    }
    let row: Row = diesel::sql_query(format!("SELECT ({sql})::text AS text"))
        .get_result(connection)
        .unwrap();
    row.text
}

fn in_flight(jobs: i32) -> Report {
    Report {
        in_flight: Some(jobs),
        ..Report::default()
    }
}

fn find(connection: &mut PgConnection, id: i32) -> Process {
    let mut listed = processes::list(connection).unwrap();
    let position = listed.iter().position(|process| process.id == id);
    listed.swap_remove(position.unwrap())
}

fn state(connection: &mut PgConnection, id: i32) -> ProcessState {
    find(connection, id).state
}

/// Moves the times of a process back.
fn pass(connection: &mut PgConnection, id: i32, interval: &str) {
    let sql = format!(
        "UPDATE processes SET started_at = started_at - interval '{interval}',
             heartbeat_at = heartbeat_at - interval '{interval}', stopped_at = stopped_at - interval '{interval}'
         WHERE id = {id}"
    );
    connection.batch_execute(&sql).unwrap();
}

#[test]
fn a_process_is_listed_with_what_it_says_about_itself() {
    let connection = &mut database();
    let worker = start(connection, Role::Worker);
    let api = start(connection, Role::Api);
    processes::report(connection, worker, &in_flight(3)).unwrap();
    let listed = find(connection, worker);
    assert_eq!(
        (listed.role, listed.state),
        (Role::Worker, ProcessState::Running)
    );
    assert_eq!((listed.slots, listed.in_flight), (Some(8), Some(3)));
    assert_eq!(listed.pid, i32::try_from(std::process::id()).unwrap());
    assert_eq!(listed.version, env!("CARGO_PKG_VERSION"));
    assert!(!listed.host.is_empty() && listed.host != "unknown");
    assert!(listed.heartbeat_at >= listed.started_at);
    let listed = find(connection, api);
    assert_eq!(
        (listed.role, listed.slots, listed.in_flight),
        (Role::Api, None, None)
    );
}

#[test]
fn a_process_that_does_not_report_is_gone_until_it_reports_again() {
    let connection = &mut database();
    let id = start(connection, Role::Worker);
    pass(connection, id, "29 s");
    assert_eq!(state(connection, id), ProcessState::Running);
    pass(connection, id, "2 s");
    assert_eq!(state(connection, id), ProcessState::Gone);
    processes::report(connection, id, &in_flight(0)).unwrap();
    assert_eq!(state(connection, id), ProcessState::Running);
    processes::stopped(connection, id).unwrap();
    assert_eq!(state(connection, id), ProcessState::Stopped);
}

#[test]
fn running_processes_come_first_and_ended_ones_are_listed_for_an_hour() {
    let connection = &mut database();
    let [old, stopped, gone, running] = [Role::Worker; 4].map(|role| start(connection, role));
    for id in [old, stopped] {
        processes::stopped(connection, id).unwrap();
    }
    pass(connection, old, "61 min");
    pass(connection, gone, "31 s");
    let listed = processes::list(connection).unwrap();
    let ids: Vec<i32> = listed.iter().map(|process| process.id).collect();
    assert_eq!(ids, [running, stopped, gone]);
}

#[test]
fn a_report_with_nothing_new_writes_nothing() {
    let connection = &mut database();
    let id = start(connection, Role::Worker);
    let version = format!("SELECT xmin FROM processes WHERE id = {id}");
    processes::report(connection, id, &in_flight(2)).unwrap();
    // recent, however slow this test is
    pass(connection, id, "-1 min");
    let before = text(connection, &version);
    assert_eq!(
        processes::report(connection, id, &in_flight(2)).unwrap(),
        NOTHING
    );
    assert_eq!(text(connection, &version), before);
    assert_eq!(count(connection, "activity", "true"), 0);

    pass(connection, id, "66 s");
    processes::report(connection, id, &in_flight(2)).unwrap();
    assert_ne!(text(connection, &version), before, "a heartbeat after 5 s");
    let before = text(connection, &version);
    processes::report(connection, id, &in_flight(1)).unwrap();
    assert_ne!(text(connection, &version), before, "another number of jobs");
}

#[test]
fn a_report_does_not_wait_for_the_disk_and_later_statements_do() {
    let connection = &mut database();
    let id = start(connection, Role::Worker);
    connection
        .batch_execute(
            "SET synchronous_commit = on;
             CREATE TABLE commits (synchronous text);
             CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 INSERT INTO commits VALUES (current_setting('synchronous_commit')); RETURN NULL;
             END $$;
             CREATE CONSTRAINT TRIGGER note AFTER INSERT OR UPDATE ON activity DEFERRABLE INITIALLY DEFERRED
             FOR EACH ROW EXECUTE FUNCTION note()",
        )
        .unwrap();
    let activity = Activity::default();
    for _ in 0..2 {
        activity.accepted(1);
        let report = Report {
            in_flight: None,
            tally: activity.take(),
        };
        processes::report(connection, id, &report).unwrap();
    }
    let seen = "SELECT string_agg(synchronous, ' ') FROM commits";
    assert_eq!(text(connection, seen), "off off");
    let setting = "current_setting('synchronous_commit')";
    assert_eq!(text(connection, setting), "on");
}

#[test]
fn a_process_learns_from_its_report_that_it_has_to_pause() {
    let connection = &mut database();
    let id = start(connection, Role::Worker);
    processing::pause(connection, Some("ann")).unwrap();
    let paused = Control {
        paused: true,
        ..NOTHING
    };
    assert_eq!(
        processes::report(connection, id, &in_flight(1)).unwrap(),
        paused
    );
    let new = NewProcess::this(Role::Worker, Some(1));
    assert_eq!(processes::register(connection, &new).unwrap().1, paused);
    processing::resume(connection).unwrap();
    assert_eq!(
        processes::report(connection, id, &in_flight(1)).unwrap(),
        NOTHING
    );
}

#[test]
fn a_worker_learns_from_its_report_that_it_has_to_drain() {
    let connection = &mut database();
    let [asked, other] = [Role::Worker; 2].map(|role| start(connection, role));
    let drain =
        |connection: &mut PgConnection, id| processes::request_drain(connection, id).unwrap();
    assert_eq!(drain(connection, asked), DrainRequested::Requested);
    assert_eq!(drain(connection, asked), DrainRequested::Already);
    assert!(
        processes::report(connection, asked, &in_flight(1))
            .unwrap()
            .drain
    );
    assert!(
        !processes::report(connection, other, &in_flight(1))
            .unwrap()
            .drain
    );
    assert_eq!(state(connection, asked), ProcessState::Draining);
    assert_eq!(state(connection, other), ProcessState::Running);

    processes::stopped(connection, asked).unwrap();
    assert_eq!(state(connection, asked), ProcessState::Stopped);
    pass(connection, other, "31 s");
    for ended in [asked, other] {
        assert_eq!(drain(connection, ended), DrainRequested::Stopped);
    }
    let api = start(connection, Role::Api);
    assert_eq!(drain(connection, api), DrainRequested::NotAWorker);
    assert_eq!(drain(connection, i32::MAX), DrainRequested::Unknown);
}

#[test]
fn a_process_that_ended_soon_after_its_start_is_kept_for_a_day() {
    let connection = &mut database();
    let ids = [Role::Worker; 2].map(|role| start(connection, role));
    pass(connection, ids[0], "25 hours");
    pass(connection, ids[1], "23 hours");
    assert_eq!(processes::delete_old(connection).unwrap(), 1);
    let kept = format!("id = {}", ids[1]);
    assert_eq!(count(connection, "processes", &kept), 1);
}

#[test]
fn processes_are_kept_for_60_days_after_their_last_heartbeat() {
    let connection = &mut database();
    let ids = [Role::Worker; 4].map(|role| start(connection, role));
    let long_ago = "UPDATE processes SET started_at = now() - interval '1 hour'";
    connection.batch_execute(long_ago).unwrap();
    pass(connection, ids[0], "61 days");
    pass(connection, ids[1], "59 days");
    processes::stopped(connection, ids[2]).unwrap();
    pass(connection, ids[2], "61 days");
    assert_eq!(processes::delete_old(connection).unwrap(), 2);
    assert_eq!(processes::delete_old(connection).unwrap(), 0);
    let kept = format!("id IN ({}, {})", ids[1], ids[3]);
    assert_eq!(count(connection, "processes", &kept), 2);
}

#[test]
fn a_process_reports_with_the_privileges_of_its_role() {
    let [_, api, worker] = migrated("reporting_api", "reporting_worker");
    for (role, url) in [(Role::Api, api), (Role::Worker, worker)] {
        let connection = &mut connect(&url);
        let id = start(connection, role);
        let activity = Activity::default();
        activity.revoked(1);
        let report = Report {
            in_flight: Some(1),
            tally: activity.take(),
        };
        assert_eq!(processes::report(connection, id, &report).unwrap(), NOTHING);
        processes::stopped(connection, id).unwrap();
    }
}

fn reporter(url: &str) -> (Reporter, watch::Receiver<Option<Control>>) {
    let (control, learned) = watch::channel(None);
    let reporter = Reporter {
        pool: pool(url, 1),
        process: NewProcess::this(Role::Worker, Some(8)),
        this: ThisProcess::default(),
        control,
    };
    (reporter, learned)
}

#[tokio::test]
async fn a_process_whose_row_was_deleted_registers_again_and_loses_no_counts() {
    let url = database_url();
    let connection = &mut connect(&url);
    let (reporter, mut learned) = reporter(&url);
    tokio::select! {
        () = reporter.run(|| Some(0)) => {}
        known = learned.wait_for(Option::is_some) => drop(known.unwrap()),
    }
    let first = reporter.this.id().unwrap();
    connection.batch_execute("DELETE FROM processes").unwrap();
    reporter.this.activity.accepted(7);
    let this = reporter.this.clone();
    let counted = async || {
        let sql = "accepted = 7 AND process_id = (SELECT id FROM processes)";
        count(connection, "activity", sql) == 1
    };
    tokio::select! {
        () = reporter.run(|| Some(0)) => {}
        () = eventually("the process has reported what it did", counted) => {}
    }
    assert_ne!(this.id(), Some(first));
    assert!(learned.borrow().unwrap().known);
}

#[tokio::test]
async fn a_process_that_cannot_register_learns_nothing_and_registers_later() {
    let url = database_url();
    let connection = &mut connect(&url);
    connection
        .batch_execute("ALTER TABLE processes RENAME TO unavailable")
        .unwrap();
    let (reporter, mut learned) = reporter(&url);
    let reports = AtomicUsize::new(0);
    let in_flight = || {
        reports.fetch_add(1, Ordering::Relaxed);
        Some(0)
    };
    tokio::select! {
        () = reporter.run(in_flight) => {}
        // the second report begins when the first has failed
        () = eventually("a report has failed", async || reports.load(Ordering::Relaxed) > 1) => {}
    }
    assert_eq!(reporter.this.id(), None);
    assert_eq!(*learned.borrow(), None);
    connection
        .batch_execute("ALTER TABLE unavailable RENAME TO processes")
        .unwrap();
    tokio::select! {
        () = reporter.run(|| Some(0)) => {}
        registered = learned.wait_for(Option::is_some) => assert!(registered.unwrap().unwrap().known),
    }
    let id = reporter.this.id().unwrap();
    reporter.end().await;
    assert_eq!(state(connection, id), ProcessState::Stopped);
}
