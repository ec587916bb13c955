//! The deliveries of events: what is taken, in which order, and what becomes of it.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{PgConnection, RunQueryDsl};
use shared_model::event_deliveries::operate::{
    self, DeliveryCounts, Filter, OpenDelivery, Retried,
};
use shared_model::event_deliveries::settle::{self, DeliveredAttempt, FailedAttempt, GivenUp};
use shared_model::event_deliveries::take::{RECEIVERS, Receivers, Wanted, take};
use shared_model::event_deliveries::{Delivery, TOPIC, overdue};
use shared_model::job::JobId;
use shared_model::job_store::failed::{self, Redriver};
use shared_model::job_store::sweeps::OldEvents;
use shared_model::job_store::{requests, sweeps};

use crate::support::{accept, connect_to_same, database};

const SHARE: i32 = 3;

/// Tells these destinations when the job ends.
pub(crate) fn subscribe(connection: &mut PgConnection, id: JobId, destinations: &[&str]) {
    let destinations = destinations.join("','");
    let sql = format!(
        "UPDATE calendar_jobs SET event_destinations = ARRAY['{destinations}'] WHERE id = '{id}'"
    );
    assert_eq!(diesel::sql_query(sql).execute(connection).unwrap(), 1);
}

fn clients_after(receiver: &str) -> Receivers {
    Receivers::OfClients {
        except: Vec::new(),
        after: receiver.to_owned(),
    }
}

fn these(names: &[&str]) -> Receivers {
    Receivers::These(names.iter().map(|name| (*name).to_owned()).collect())
}

/// More than any test stores for clients.
pub(crate) fn everything() -> Wanted {
    Wanted {
        receivers: clients_after(""),
        limit: 1000,
        share: 1000,
        shares: Vec::new(),
        lease: Duration::from_mins(1),
    }
}

/// Ends one job for each destination, and returns the jobs.
fn end_jobs(connection: &mut PgConnection, destinations: &[&str]) -> Vec<JobId> {
    let end = |destination: &&str| {
        let id = accept(connection);
        subscribe(connection, id, &[destination]);
        requests::cancel(connection, id).unwrap();
        id
    };
    destinations.iter().map(end).collect()
}

/// Redrives jobs that ended, and ends them again.
fn end_again(connection: &mut PgConnection, id: JobId) {
    let fail = format!("UPDATE calendar_jobs SET status = 'FAILURE' WHERE id = '{id}'");
    connection.batch_execute(&fail).unwrap();
    assert_eq!(
        failed::redrive(connection, &[id], &Redriver::Command).unwrap(),
        [id]
    );
    requests::cancel(connection, id).unwrap();
}

fn list(
    connection: &mut PgConnection,
    filter: &Filter,
    before: Option<i64>,
    limit: usize,
) -> (Vec<OpenDelivery>, Option<i64>) {
    let page = operate::list(connection, filter, before, limit).unwrap();
    (page.deliveries, page.next)
}

/// Takes what is due for clients and for the topic.
pub(crate) fn take_all(connection: &mut PgConnection) -> Vec<Delivery> {
    let of_clients = take(connection, &everything()).unwrap();
    assert_eq!((of_clients.next, of_clients.has_moved), (None, false));
    let of_topic = Wanted {
        receivers: these(&[TOPIC]),
        ..everything()
    };
    let of_topic = take(connection, &of_topic).unwrap();
    assert!(!of_topic.has_moved);
    [of_clients.deliveries, of_topic.deliveries].concat()
}

fn fail(connection: &mut PgConnection, delivery: &Delivery, retry_after: Option<Duration>) {
    let attempt = FailedAttempt {
        id: delivery.id,
        version: delivery.version,
        error: "it hangs".to_owned(),
        retry_after,
    };
    settle::failed(connection, &[attempt]).unwrap();
}

fn succeed(connection: &mut PgConnection, delivery: &Delivery) {
    let attempt = DeliveredAttempt {
        id: delivery.id,
        version: delivery.version,
    };
    settle::delivered(connection, &[attempt]).unwrap();
}

fn receivers(deliveries: &[Delivery]) -> Vec<&str> {
    let mut receivers: Vec<_> = deliveries.iter().map(|one| one.receiver.as_str()).collect();
    receivers.sort_unstable();
    receivers
}

#[test]
fn a_delivery_is_taken_once_and_again_when_its_lease_has_run_out() {
    let connection = &mut database();
    end_jobs(connection, &["sns"]);
    let first = take_all(connection);
    assert_eq!((first.len(), first[0].attempt), (1, 1));
    assert_eq!(take_all(&mut connect_to_same(connection)), []);
    let end_lease = "UPDATE event_deliveries SET due_at = now()";
    connection.batch_execute(end_lease).unwrap();
    let second = take_all(connection);
    assert_eq!(second[0].attempt, 2);
    assert_eq!(second[0].event_id, first[0].event_id);
    // the first holder is late: the delivery is not its own any more
    fail(connection, &first[0], None);
    succeed(connection, &first[0]);
    let left = DeliveryCounts {
        waiting: 1,
        given_up: 0,
    };
    assert_eq!(operate::count(connection).unwrap(), left);
    succeed(connection, &second[0]);
    assert_eq!(
        list(connection, &Filter::default(), None, 10),
        (vec![], None)
    );
}

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
fn an_event_that_was_given_up_holds_up_no_later_one() {
    let connection = &mut database();
    let id = end_jobs(connection, &["sns"])[0];
    end_again(connection, id);
    let first = take_all(connection);
    fail(connection, &first[0], None);
    let second = take_all(connection);
    assert!(second.len() == 1 && second[0].id > first[0].id);
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
