//! The deliveries of events: what is taken, in which order, and what becomes of it.
//!
//! # Layout
//! - `shares`: which receivers get deliveries, and how many
//! - `order`: the events of a job wait for each other
//! - `given_up`: what is given up, retried, listed and deleted
//! - `overdue`: which events count as overdue

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{PgConnection, RunQueryDsl};
use shared_model::event_deliveries::operate::{self, DeliveryCounts, Filter, OpenDelivery};
use shared_model::event_deliveries::settle::{self, DeliveredAttempt, FailedAttempt};
use shared_model::event_deliveries::take::{Receivers, Wanted, take};
use shared_model::event_deliveries::{Delivery, TOPIC};
use shared_model::job::JobId;
use shared_model::job_store::failed::{self, Redriver};
use shared_model::job_store::requests;

use crate::support::{accept, connect_to_same, database};

mod given_up;
mod order;
mod overdue;
mod shares;

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
