//! What processes report that they did.

use std::time::Duration;

use diesel::PgConnection;
use diesel::connection::SimpleConnection;
use shared_model::activity::{self, Activity, Tally};
use shared_model::processes::{self, Report, Role};

use crate::processes::{count, start};
use crate::support::database;

const HOUR: Duration = Duration::from_hours(1);

fn report(connection: &mut PgConnection, id: i32, did: impl Fn(&Activity)) {
    let activity = Activity::default();
    did(&activity);
    let report = Report {
        in_flight: None,
        tally: activity.take(),
    };
    assert!(processes::report(connection, id, &report).unwrap().known);
}

fn total(connection: &mut PgConnection) -> Tally {
    let mut total = Tally::default();
    for point in activity::since(connection, HOUR).unwrap() {
        total.add(&point.tally);
    }
    total
}

#[test]
fn what_processes_did_adds_up() {
    let connection = &mut database();
    let api = start(connection, Role::Api);
    let workers = [Role::Worker; 2].map(|role| start(connection, role));
    report(connection, api, |activity| {
        activity.accepted(5);
        activity.published(4);
        activity.revoked(1);
        activity.failed_waiting(2);
    });
    for worker in workers {
        for _ in 0..3 {
            report(connection, worker, |activity| {
                activity.started(Some(Duration::from_millis(40)));
                activity.started(None);
                activity.succeeded(Duration::from_millis(4));
                activity.retried(Duration::from_secs(2));
                activity.failed(Duration::from_mins(10));
            });
        }
    }
    let expected = Activity::default();
    expected.accepted(5);
    expected.published(4);
    expected.revoked(1);
    expected.failed_waiting(2);
    for _ in 0..6 {
        expected.started(Some(Duration::from_millis(40)));
        expected.started(None);
        expected.succeeded(Duration::from_millis(4));
        expected.retried(Duration::from_secs(2));
        expected.failed(Duration::from_mins(10));
    }
    assert_eq!(total(connection), expected.take());
}

#[test]
fn a_period_has_one_point_for_all_processes_and_one_row_for_each() {
    let connection = &mut database();
    for _ in 0..3 {
        let worker = start(connection, Role::Worker);
        for _ in 0..4 {
            report(connection, worker, |activity| activity.revoked(1));
        }
    }
    // as if all of it had happened in one period
    connection
        .batch_execute(
            "CREATE TABLE merged AS SELECT min(period) AS period, process_id, sum(revoked)::integer AS revoked,
                 min(wait_seconds) AS wait_seconds FROM activity GROUP BY process_id;
             DELETE FROM activity;
             INSERT INTO activity (period, process_id, revoked, wait_seconds, run_seconds)
             SELECT (SELECT min(period) FROM merged), process_id, revoked, wait_seconds, wait_seconds FROM merged",
        )
        .unwrap();
    let points = activity::since(connection, HOUR).unwrap();
    assert_eq!((points.len(), points[0].tally.revoked), (1, 12));
    assert_eq!(points[0].at.timestamp() % 10, 0);
}

#[test]
fn only_points_of_the_asked_time_are_returned_in_order() {
    let connection = &mut database();
    connection
        .batch_execute(
            "INSERT INTO activity (period, process_id, accepted, wait_seconds, run_seconds)
             SELECT now() - interval '1 minute' * n, 1, n, '{}', '{}' FROM generate_series(1, 90) AS n",
        )
        .unwrap();
    let points = activity::since(connection, HOUR).unwrap();
    let accepted: Vec<u64> = points.iter().map(|point| point.tally.accepted).collect();
    assert_eq!(accepted, (1..60).rev().collect::<Vec<_>>());
}

#[test]
fn activity_is_kept_for_two_hours_and_deleted_in_batches() {
    let connection = &mut database();
    connection
        .batch_execute(
            "INSERT INTO activity (period, process_id, wait_seconds, run_seconds)
             SELECT now() - interval '1 s' * n * 10, 1, '{}', '{}' FROM generate_series(1, 1300) AS n",
        )
        .unwrap();
    assert_eq!(activity::delete_old(connection).unwrap(), 500);
    let rest = activity::delete_old(connection).unwrap();
    assert!((80..=100).contains(&rest), "{rest}");
    assert_eq!(activity::delete_old(connection).unwrap(), 0);
    let left = count(
        connection,
        "activity",
        "period > now() - interval '2 hours'",
    );
    assert_eq!(count(connection, "activity", "true"), left);
}
