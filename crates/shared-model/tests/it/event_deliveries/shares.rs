//! Which receivers get deliveries, and how many.

use diesel::connection::SimpleConnection;
use shared_model::event_deliveries::take::{RECEIVERS, Receivers, Wanted, take};

use super::{SHARE, clients_after, end_jobs, everything, receivers, take_all, these};
use crate::support::database;

#[test]
fn no_client_can_name_a_receiver_of_the_operators() {
    let connection = &mut database();
    for (destination, receiver) in [
        ("sns", "sns"),
        ("own:https://a.example/x?y", "own:https://a.example/x?y"),
        ("own:http://own:1/", "own:http://own:1/"),
        ("https://sns/", "https://sns"),
        ("https://own:443/", "https://own:443"),
        ("https://a.example/x?y", "https://a.example"),
        ("https://a.example:8443/", "https://a.example:8443"),
        ("https://[2001:db8::1]:8443/x", "https://[2001:db8::1]:8443"),
        ("http://127.0.0.1/", "http://127.0.0.1"),
        ("https://c.example?x:y", "https://c.example"),
    ] {
        end_jobs(connection, &[destination]);
        let of_clients = take(connection, &everything()).unwrap().deliveries;
        let of_operators = Wanted {
            receivers: these(&[destination]),
            ..everything()
        };
        let of_operators = take(connection, &of_operators).unwrap().deliveries;
        let (expected, other) = if receiver == destination {
            (of_operators, of_clients)
        } else {
            (of_clients, of_operators)
        };
        assert_eq!(receivers(&expected), [receiver]);
        assert_eq!(other, []);
    }
}

#[test]
fn each_receiver_gets_its_share_however_many_deliveries_wait_for_another() {
    let connection = &mut database();
    let mut destinations = vec!["https://busy.example/"; 20];
    destinations.extend(["https://a.example/", "https://idle.example/"]);
    end_jobs(connection, &destinations);
    let wanted = Wanted {
        share: SHARE,
        shares: vec![
            ("https://a.example".to_owned(), 0),
            ("https://idle.example".to_owned(), 1),
        ],
        ..everything()
    };
    let taken = take(connection, &wanted).unwrap();
    assert_eq!(
        receivers(&taken.deliveries),
        [
            "https://busy.example",
            "https://busy.example",
            "https://busy.example",
            "https://idle.example",
        ]
    );
}

#[test]
fn calls_with_a_limit_reach_every_receiver_in_turn() {
    let connection = &mut database();
    let destinations = [
        "https://a.example/",
        "https://b.example/",
        "https://c.example/",
    ];
    for _ in 0..2 {
        end_jobs(connection, &destinations);
    }
    let mut wanted = Wanted {
        share: 1,
        limit: 1,
        ..everything()
    };
    for receiver in [
        "https://a.example",
        "https://b.example",
        "https://c.example",
    ] {
        let taken = take(connection, &wanted).unwrap();
        assert_eq!(receivers(&taken.deliveries), [receiver]);
        assert_eq!(taken.next.as_deref(), Some(receiver));
        wanted.receivers = clients_after(&taken.next.unwrap());
    }
    let taken = take(connection, &wanted).unwrap();
    assert_eq!((taken.deliveries, taken.next), (Vec::new(), None));
    wanted.receivers = these(&["https://c.example", "https://a.example"]);
    let taken = take(connection, &wanted).unwrap();
    assert_eq!(receivers(&taken.deliveries), ["https://c.example"]);
}

#[test]
fn some_receivers_can_be_taken_apart_from_all_others() {
    let connection = &mut database();
    let destinations = [
        "https://a.example/",
        "https://b.example/",
        "https://c.example/",
        "own:https://c.example/",
        "own:https://d.example/",
        "sns",
    ];
    end_jobs(connection, &destinations);
    let named = these(&[
        "https://b.example",
        "sns",
        "https://idle.example",
        "own:https://c.example/",
    ]);
    let of_these = Wanted {
        receivers: named,
        ..everything()
    };
    let of_others = Wanted {
        receivers: Receivers::OfClients {
            except: vec!["https://b.example".to_owned()],
            after: String::new(),
        },
        ..everything()
    };
    let others = take(connection, &of_others).unwrap();
    assert_eq!(
        receivers(&others.deliveries),
        ["https://a.example", "https://c.example"]
    );
    let these = take(connection, &of_these).unwrap();
    assert_eq!(
        receivers(&these.deliveries),
        ["https://b.example", "own:https://c.example/", "sns"]
    );
    assert_eq!((others.next, these.next), (None, None));
    assert_eq!(take_all(connection), [], "nobody sends to the removed URL");
}

#[test]
fn a_round_ends_however_many_receivers_have_nothing_that_is_due() {
    let connection = &mut database();
    let store = format!(
        "INSERT INTO event_deliveries (job_id, event_id, destination, event, due_at)
         SELECT gen_random_uuid(), n, 'https://h' || n || '.example/', '{{}}', now() + interval '1 hour'
         FROM generate_series(1, {RECEIVERS} + 50) AS n"
    );
    connection.batch_execute(&store).unwrap();
    let mut wanted = everything();
    let first = take(connection, &wanted).unwrap();
    assert_eq!(first.deliveries, []);
    wanted.receivers = clients_after(&first.next.unwrap());
    let second = take(connection, &wanted).unwrap();
    assert_eq!((second.deliveries, second.next), (Vec::new(), None));
}
