//! The outbox: every message is sent, and two relays never send the same one at the same time.

use std::collections::BTreeSet;

use diesel::{Connection, PgConnection, RunQueryDsl};
use shared_model::job::JobId;
use shared_model::job_store::{outbox, requests};

use crate::support::{accept as accept_job, database, url_of};

#[test]
fn a_leased_message_is_sent_once_and_a_released_message_again() {
    let connection = &mut database();
    let ids: Vec<JobId> = (0..5).map(|_| accept_job(connection)).collect();
    let taken = outbox::lease_unpublished(connection, 3).unwrap();
    assert_eq!(
        taken
            .iter()
            .map(|message| message.job_id)
            .collect::<Vec<_>>(),
        ids[..3],
        "oldest first"
    );
    assert_eq!(
        outbox::lease_unpublished(connection, 10).unwrap().len(),
        2,
        "another relay has leased the others"
    );

    outbox::mark_published(connection, &ids[..2]).unwrap();
    outbox::release_unpublished(connection, &ids[2..]).unwrap();
    let again: BTreeSet<JobId> = outbox::lease_unpublished(connection, 10)
        .unwrap()
        .iter()
        .map(|message| message.job_id)
        .collect();
    assert_eq!(again, ids[2..].iter().copied().collect());
    assert_eq!(outbox::backlog(connection).unwrap().jobs, 3);
}

#[test]
fn a_relay_that_dies_after_leasing_delays_a_job_only_by_its_lease() {
    let connection = &mut database();
    let id = accept_job(connection);
    outbox::lease_unpublished(connection, 1).unwrap();
    assert!(outbox::lease_unpublished(connection, 1).unwrap().is_empty());
    diesel::sql_query(
        "UPDATE calendar_jobs SET publish_lease_until = publish_lease_until - interval '30 s'",
    )
    .execute(connection)
    .unwrap();
    assert_eq!(
        outbox::lease_unpublished(connection, 1).unwrap()[0].job_id,
        id
    );
}

#[test]
fn a_job_that_is_cancelled_before_it_is_published_is_never_published() {
    let connection = &mut database();
    let id = accept_job(connection);
    requests::cancel(connection, id).unwrap();
    assert!(outbox::lease_unpublished(connection, 1).unwrap().is_empty());
    assert_eq!(outbox::backlog(connection).unwrap().jobs, 0);
}

#[test]
fn relays_that_run_at_the_same_time_share_the_work() {
    let connection = &mut database();
    for _ in 0..200 {
        accept_job(connection);
    }
    let url = url_of(connection);
    let taken: Vec<JobId> = std::thread::scope(|scope| {
        let relay = || {
            let connection = &mut PgConnection::establish(&url).unwrap();
            let mut taken = Vec::new();
            loop {
                let batch = outbox::lease_unpublished(connection, 10).unwrap();
                if batch.is_empty() {
                    return taken;
                }
                taken.extend(batch.iter().map(|message| message.job_id));
            }
        };
        let relays: Vec<_> = (0..4).map(|_| scope.spawn(relay)).collect();
        relays
            .into_iter()
            .flat_map(|relay| relay.join().unwrap())
            .collect()
    });
    assert_eq!(taken.len(), 200);
    assert_eq!(taken.iter().collect::<BTreeSet<_>>().len(), 200);
}
