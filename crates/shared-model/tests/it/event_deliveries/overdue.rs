//! Which events count as overdue.

use std::time::Duration;

use diesel::PgConnection;
use diesel::connection::SimpleConnection;
use shared_model::event_deliveries::overdue;
use shared_model::event_deliveries::take::{Wanted, take};

use super::{end_again, end_jobs, everything, fail, succeed, take_all, these};
use crate::support::database;

/// Makes all deliveries that are waiting due since an hour ago.
fn make_overdue(connection: &mut PgConnection) {
    let sql =
        "UPDATE event_deliveries SET due_at = now() - interval '1 hour' WHERE due_at IS NOT NULL";
    connection.batch_execute(sql).unwrap();
}

/// Whether an event counts as overdue since an hour; otherwise none may be.
fn is_overdue(connection: &mut PgConnection) -> bool {
    let seconds = overdue::oldest_due_seconds(connection).unwrap();
    assert!(
        (0.0..10.0).contains(&seconds) || (3600.0..3700.0).contains(&seconds),
        "{seconds}"
    );
    seconds > 10.0
}

#[test]
fn an_event_is_overdue_when_nobody_sends_it_and_not_while_it_waits_for_its_next_attempt() {
    let connection = &mut database();
    assert!(!is_overdue(connection), "no event is stored");
    end_jobs(connection, &["sns"]);
    make_overdue(connection);
    assert!(is_overdue(connection));
    let taken = take_all(connection);
    assert!(!is_overdue(connection), "it is on its way");
    fail(connection, &taken[0], Some(Duration::from_mins(1)));
    assert!(!is_overdue(connection), "it is tried again later");
    fail(connection, &taken[0], None);
    assert!(!is_overdue(connection), "it was given up");
}

#[test]
fn an_event_is_not_overdue_while_an_earlier_one_of_its_job_has_to_be_delivered() {
    let connection = &mut database();
    let id = end_jobs(connection, &["sns"])[0];
    end_again(connection, id);
    make_overdue(connection);
    let first = take_all(connection);
    fail(connection, &first[0], Some(Duration::from_mins(1)));
    assert!(!is_overdue(connection));
    succeed(connection, &first[0]);
    assert!(is_overdue(connection));
}

#[test]
fn events_for_a_receiver_that_a_client_chose_are_overdue_only_if_none_of_them_is_tried() {
    let connection = &mut database();
    end_jobs(connection, &["https://slow.example/"; 2]);
    make_overdue(connection);
    assert!(is_overdue(connection));
    let one = Wanted {
        limit: 1,
        ..everything()
    };
    let taken = take(connection, &one).unwrap().deliveries;
    assert!(!is_overdue(connection));
    fail(connection, &taken[0], Some(Duration::from_mins(1)));
    assert!(!is_overdue(connection));
}

#[test]
fn events_for_a_webhook_of_the_operators_are_overdue_also_while_another_is_tried() {
    let connection = &mut database();
    end_jobs(connection, &["own:https://slow.example/"; 2]);
    make_overdue(connection);
    let one = Wanted {
        receivers: these(&["own:https://slow.example/"]),
        limit: 1,
        ..everything()
    };
    let taken = take(connection, &one).unwrap().deliveries;
    assert!(is_overdue(connection), "the other one waits");
    fail(connection, &taken[0], Some(Duration::from_mins(1)));
    assert!(is_overdue(connection));
}
