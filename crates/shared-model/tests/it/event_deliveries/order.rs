//! The events of a job for the same destination wait for each other, and for nothing else.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{PgConnection, RunQueryDsl};
use shared_model::event_deliveries::Delivery;
use shared_model::event_deliveries::take::{Wanted, take};

use super::{SHARE, end_again, end_jobs, everything, fail, succeed, take_all};
use crate::support::database;

#[test]
fn an_event_waits_for_the_earlier_ones_of_its_job_for_the_same_destination() {
    let connection = &mut database();
    let id = end_jobs(connection, &["sns"])[0];
    end_again(connection, id);
    let first = take_all(connection);
    assert_eq!(first.len(), 1);
    fail(connection, &first[0], Some(Duration::from_mins(1)));
    assert_eq!(
        take_all(connection),
        [],
        "the first is still to be delivered"
    );
    let other = end_jobs(connection, &["sns"])[0];
    assert_eq!(take_all(connection)[0].job_id, other, "other jobs go on");

    succeed(connection, &first[0]);
    let second = take_all(connection);
    assert!(second.len() == 1 && second[0].job_id == id);
    assert_ne!(second[0].event_id, first[0].event_id);
}

/// Stores the second of two events for each of many jobs, all due before the first ones, and behind them a free event.
fn store_blocked(connection: &mut PgConnection, jobs: i64, first_due: &str) {
    let store = format!(
        "INSERT INTO event_deliveries (job_id, event_id, destination, event, due_at)
         SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, number || '_' || n, 'https://a.example/', '{{}}',
                CASE number WHEN 1 THEN {first_due} ELSE now() - interval '1 hour' END
         FROM generate_series(1, 2) AS number, generate_series(1, {jobs}) AS n ORDER BY number;
         INSERT INTO event_deliveries (job_id, event_id, destination, event, due_at)
         VALUES (gen_random_uuid(), 'free', 'https://a.example/', '{{}}', now() - interval '10 minutes')"
    );
    connection.batch_execute(&store).unwrap();
}

/// Takes at most three deliveries, until there are any or `calls` have found none.
fn take_within(connection: &mut PgConnection, calls: usize) -> Vec<Delivery> {
    let wanted = Wanted {
        share: SHARE,
        ..everything()
    };
    for _ in 0..calls {
        let taken = take(connection, &wanted).unwrap();
        if !taken.deliveries.is_empty() {
            return taken.deliveries;
        }
        assert!(taken.has_moved);
    }
    Vec::new()
}

#[test]
fn events_that_wait_for_earlier_ones_make_way_for_others() {
    let connection = &mut database();
    store_blocked(connection, 1000, "now() + interval '1 hour'");
    // a hundred are moved by each call
    assert_eq!(take_within(connection, 10), []);
    let taken = take_within(connection, 1);
    assert_eq!((taken.len(), taken[0].event_id.as_str()), (1, "free"));
    let moved = "DELETE FROM event_deliveries WHERE event_id LIKE '2_%' AND due_at > now() + interval '59 minutes'";
    assert_eq!(diesel::sql_query(moved).execute(connection).unwrap(), 1000);
}

#[test]
fn events_that_wait_for_earlier_ones_come_after_these_in_the_same_queue() {
    let connection = &mut database();
    store_blocked(connection, 200, "now() - interval '1 minute'");
    let mut order = Vec::new();
    for _ in 0..200 {
        let taken = take_within(connection, 3);
        if taken.is_empty() {
            break;
        }
        for delivery in &taken {
            succeed(connection, delivery);
        }
        order.extend(taken.into_iter().map(|one| one.event_id));
        if order.len() == 401 {
            break;
        }
    }
    assert_eq!(order.len(), 401);
    let place = |id: String| order.iter().position(|one| *one == id).unwrap();
    assert!(
        place("free".to_owned()) < 3,
        "it was due before all that is free"
    );
    for n in 1..=200 {
        assert!(place(format!("1_{n}")) < place(format!("2_{n}")));
    }
}

#[test]
fn events_that_wait_for_one_on_its_way_are_looked_at_again_a_second_later() {
    let connection = &mut database();
    store_blocked(connection, 100, "now() - interval '2 hours'");
    // more than the hundred that a call looks at, all of them on their way
    let first = "UPDATE event_deliveries SET due_at = now() + interval '30 seconds' WHERE event_id LIKE '1_%'";
    connection.batch_execute(first).unwrap();
    assert_eq!(take_within(connection, 1), []);
    let soon = "SELECT FROM event_deliveries WHERE event_id LIKE '2_%' AND due_at < now() + interval '2 seconds'";
    assert_eq!(diesel::sql_query(soon).execute(connection).unwrap(), 100);
    assert_eq!(take_within(connection, 1)[0].event_id, "free");
}

#[test]
fn an_event_that_was_given_up_holds_up_no_later_one() {
    let connection = &mut database();
    let id = end_jobs(connection, &["sns"])[0];
    end_again(connection, id);
    let first = take_all(connection);
    fail(connection, &first[0], None);
    let second = take_all(connection);
    assert!(second.len() == 1 && second[0].id > first[0].id);
}
