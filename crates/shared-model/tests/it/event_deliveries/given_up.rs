//! What is given up, retried, listed and deleted.

use std::time::Duration;

use diesel::PgConnection;
use diesel::connection::SimpleConnection;
use shared_model::event_deliveries::Delivery;
use shared_model::event_deliveries::operate::{self, DeliveryCounts, Filter, Retried};
use shared_model::event_deliveries::settle::{self, GivenUp};
use shared_model::event_deliveries::take::{Wanted, take};
use shared_model::job_store::sweeps::{self, OldEvents};

use super::{end_jobs, everything, fail, list, succeed, take_all};
use crate::support::database;

#[test]
fn what_was_due_for_a_day_is_given_up_when_its_receiver_accepts_nothing() {
    let connection = &mut database();
    let destinations = [
        "https://a.example/",
        "https://a.example/",
        "https://b.example/",
    ];
    end_jobs(connection, &destinations);
    let age = "UPDATE event_deliveries SET due_at = now() - interval '26 hours'";
    connection.batch_execute(age).unwrap();
    end_jobs(connection, &["https://a.example/"]);
    let one = Wanted {
        share: 1,
        ..everything()
    };
    let taken = take(connection, &one).unwrap().deliveries;
    let (of_a, of_b) = (&taken[0], &taken[1]);
    assert_eq!(
        (of_a.receiver.as_str(), of_b.receiver.as_str()),
        ("https://a.example", "https://b.example")
    );
    fail(connection, of_b, Some(Duration::ZERO));

    let refusing = ["https://a.example", "https://idle.example"].map(str::to_owned);
    let given_up = settle::give_up_untried(connection, &refusing).unwrap();
    let expected = GivenUp {
        receiver: "https://a.example".to_owned(),
        number: 1,
    };
    assert_eq!(
        given_up,
        [expected],
        "not the one on its way, and not the new one"
    );
    let filter = Filter {
        is_given_up: Some(true),
        host: None,
    };
    let (listed, _) = list(connection, &filter, None, 10);
    assert_eq!((listed.len(), listed[0].attempts), (1, 0));
    assert!(
        listed[0]
            .last_error
            .as_deref()
            .unwrap()
            .starts_with("not tried within a day")
    );
    assert_eq!(settle::give_up_untried(connection, &refusing).unwrap(), []);
    operate::retry(connection, listed[0].id).unwrap();
    assert_eq!(
        settle::give_up_untried(connection, &refusing).unwrap(),
        [],
        "it has another day"
    );
}

#[test]
fn a_delivery_that_was_given_up_is_listed_and_can_be_retried() {
    let connection = &mut database();
    let id = end_jobs(connection, &["https://a.example/", "https://b.example/"])[0];
    let taken = take_all(connection);
    for delivery in &taken {
        fail(connection, delivery, None);
    }
    let counts = operate::count(connection).unwrap();
    assert_eq!(
        counts,
        DeliveryCounts {
            waiting: 0,
            given_up: 2
        }
    );
    let of_a = Filter {
        is_given_up: Some(true),
        host: Some("a.example".to_owned()),
    };
    let (listed, next) = list(connection, &of_a, None, 10);
    assert_eq!(next, None);
    assert_eq!((listed.len(), listed[0].job_id), (1, id.0));
    assert_eq!(
        (listed[0].due_at, listed[0].last_error.as_deref()),
        (None, Some("it hangs"))
    );
    assert_eq!(
        list(connection, &of_a, Some(listed[0].id), 10),
        (vec![], None)
    );

    assert_eq!(
        operate::retry(connection, listed[0].id).unwrap(),
        Retried::Due
    );
    assert_eq!(
        operate::retry(connection, listed[0].id).unwrap(),
        Retried::NotGivenUp
    );
    assert_eq!(
        operate::retry(connection, i64::MAX).unwrap(),
        Retried::Unknown
    );
    for (host, count) in [("sns", 0), ("example", 0), ("a.example", 1)] {
        let of_host = Filter {
            host: Some(host.to_owned()),
            ..Filter::default()
        };
        let (listed, _) = list(connection, &of_host, None, 10);
        assert_eq!(listed.len(), count, "{host}");
    }
    let waiting = Filter {
        is_given_up: Some(false),
        host: None,
    };
    assert_eq!(list(connection, &waiting, None, 10).0[0].attempts, 0);
    assert_eq!(take_all(connection)[0].job_id, id);
}

#[test]
fn the_pages_of_a_list_have_each_delivery_that_matches_once_however_few_match() {
    let connection = &mut database();
    let count = 2 * operate::PART + 10;
    let fill = format!(
        "INSERT INTO event_deliveries (job_id, event_id, destination, event, due_at)
         SELECT gen_random_uuid(), n, CASE WHEN n % 5000 = 1 THEN 'https://rare.example/' ELSE 'sns' END, '{{}}',
                CASE WHEN n % 10000 = 1 THEN now() END
         FROM generate_series(1, {count}) AS n"
    );
    connection.batch_execute(&fill).unwrap();
    let mut listed = |is_given_up, host: Option<&str>, limit| {
        let filter = Filter {
            is_given_up,
            host: host.map(str::to_owned),
        };
        let (mut ids, mut before, mut pages) = (Vec::new(), None, 0);
        loop {
            let (page, next) = list(connection, &filter, before, limit);
            assert!(page.len() <= limit);
            ids.extend(
                page.iter()
                    .map(|delivery| delivery.event_id.parse::<i64>().unwrap()),
            );
            pages += 1;
            match next {
                Some(id) => before = Some(id),
                None => return (ids, pages),
            }
        }
    };
    let waiting = vec![20_001, 10_001, 1];
    let given_up = vec![15_001, 5_001];
    let all = [20_001, 15_001, 10_001, 5_001, 1];
    // each part begins a page
    assert_eq!(listed(Some(false), None, 10), (waiting.clone(), 3));
    let rare = Some("rare.example");
    assert_eq!(listed(None, rare, 10), (all.to_vec(), 3));
    assert_eq!(listed(Some(false), rare, 10), (waiting, 3));
    // with an index of their own
    assert_eq!(listed(Some(true), rare, 1), (given_up.clone(), 2));
    assert_eq!(listed(Some(true), rare, 10), (given_up, 1));
    let everything: Vec<i64> = (1..=count).rev().collect();
    assert_eq!(listed(None, None, 1000).0, everything);
}

#[test]
fn an_attempt_from_before_a_retry_settles_nothing_after_it() {
    let connection = &mut database();
    end_jobs(connection, &["sns"]);
    for retried in 1..=2 {
        let before = take_all(connection).remove(0);
        assert_eq!(before.attempt, 1, "attempts are counted from each retry");
        fail(connection, &before, None);
        if retried == 1 {
            assert_eq!(operate::retry(connection, before.id).unwrap(), Retried::Due);
        } else {
            assert_eq!(operate::retry_given_up(connection, None, 1).unwrap(), 1);
        }
        let waiting = DeliveryCounts {
            waiting: 1,
            given_up: 0,
        };
        // a client does not know whether a statement that timed out took effect, and repeats it
        fail(connection, &before, None);
        assert_eq!(operate::count(connection).unwrap(), waiting);
        let after = take_all(connection).remove(0);
        for settle in [succeed, |c: &mut PgConnection, one: &Delivery| {
            fail(c, one, None);
        }] {
            settle(connection, &before);
            assert_eq!(operate::count(connection).unwrap(), waiting);
        }
        fail(connection, &after, Some(Duration::ZERO));
        make_all_due_and_new(connection);
    }
}

/// Makes all deliveries due for their first attempt.
fn make_all_due_and_new(connection: &mut PgConnection) {
    let sql = "UPDATE event_deliveries SET due_at = now(), attempts = 0";
    connection.batch_execute(sql).unwrap();
}

#[test]
fn all_that_was_given_up_is_retried_in_batches() {
    let connection = &mut database();
    end_jobs(
        connection,
        &[
            "https://a.example:8443/x",
            "own:http://a.example/",
            "https://a.example/",
        ],
    );
    end_jobs(connection, &["sns"]);
    let give_up = "UPDATE event_deliveries SET due_at = NULL";
    connection.batch_execute(give_up).unwrap();
    let mut retry = |host| operate::retry_given_up(connection, host, 2).unwrap();
    assert_eq!([retry(Some("a.example")), retry(Some("a.example"))], [2, 1]);
    assert_eq!([retry(None), retry(None)], [1, 0]);
    let waiting = operate::count(connection).unwrap().waiting;
    assert_eq!(waiting, 4);
}

#[test]
fn an_old_event_that_an_operator_has_retried_keeps_its_attempts() {
    let connection = &mut database();
    end_jobs(connection, &["sns"; 2]);
    for delivery in take_all(connection) {
        fail(connection, &delivery, None);
    }
    let age = "UPDATE event_deliveries SET created_at = now() - interval '8 days'";
    connection.batch_execute(age).unwrap();
    let retried = 1;
    assert_eq!(
        operate::retry_given_up(connection, None, retried).unwrap(),
        1
    );
    assert_eq!(sweeps::delete_old_events(connection).unwrap().deleted, 1);
    let again = take_all(connection).remove(0);
    fail(connection, &again, Some(Duration::from_hours(1)));
    assert_eq!(sweeps::delete_old_events(connection).unwrap().deleted, 0);
    fail(connection, &again, None);
    assert_eq!(sweeps::delete_old_events(connection).unwrap().deleted, 1);
}

#[test]
fn events_that_nobody_accepts_for_a_week_are_deleted() {
    let connection = &mut database();
    end_jobs(connection, &["sns"; 4]);
    let age = "UPDATE event_deliveries
               SET created_at = now() - interval '8 days', due_at = now() - interval '8 days'
               WHERE id <> (SELECT max(id) FROM event_deliveries);
               UPDATE event_deliveries SET due_at = NULL WHERE id = (SELECT min(id) FROM event_deliveries)";
    connection.batch_execute(age).unwrap();
    let deleted = OldEvents {
        deleted: 3,
        waiting: 2,
    };
    assert_eq!(sweeps::delete_old_events(connection).unwrap(), deleted);
    let none = OldEvents::default();
    assert_eq!(sweeps::delete_old_events(connection).unwrap(), none);
    let counts = operate::count(connection).unwrap();
    assert_eq!(
        counts,
        DeliveryCounts {
            waiting: 1,
            given_up: 0
        }
    );
}
