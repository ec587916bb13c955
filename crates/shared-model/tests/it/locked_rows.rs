//! One locked row holds up no other job, and no statement waits for it.

use diesel::PgConnection;
use diesel::connection::SimpleConnection;
use shared_model::job::{JobId, JobStatus};
use shared_model::job_store::claims::{self, ClaimKey, ClaimRenewal, Claimed, Renewal, Written};
use shared_model::job_store::outbox::SendKey;
use shared_model::job_store::{evidence, outbox};
use std::time::Duration;

use crate::support::{
    FIRST, LEASE, OPTIONS, accept_many, claim, complete, completion, connect, database, delivered,
    end_lease, end_unclaimable, fail_overdue, find, lock_row, new_token, pass, republish_lost,
    url_of,
};

/// Three jobs of which another session has locked the one in the middle. A statement that waited for it would fail.
fn three_jobs(connection: &mut PgConnection) -> [JobId; 3] {
    connection.batch_execute("SET lock_timeout = 1").unwrap();
    accept_many(connection, 3).try_into().unwrap()
}

fn claim_all(connection: &mut PgConnection, ids: [JobId; 3]) -> [ClaimKey; 3] {
    ids.map(|id| claim(connection, id).key)
}

#[test]
fn a_locked_job_is_busy_for_a_claim_and_its_neighbours_are_claimed() {
    let connection = &mut database();
    let ids = three_jobs(connection);
    let lock = lock_row(connection, ids[1]);
    let batch = ids.map(delivered);
    let claimed = claims::claim_delivered(connection, OPTIONS, &batch).unwrap();
    assert!(matches!(claimed[0], Claimed::Begin(_)));
    assert_eq!(claimed[1], Claimed::Busy);
    assert!(matches!(claimed[2], Claimed::Begin(_)));
    drop(lock);
    wait_for_unlock(connection, ids[1]);
    let again = claims::claim_delivered(connection, OPTIONS, &batch).unwrap();
    assert!(
        again
            .iter()
            .all(|claimed| matches!(claimed, Claimed::Begin(claim) if claim.attempt == 1))
    );
}

/// A closed session releases its locks a moment later.
fn wait_for_unlock(connection: &mut PgConnection, id: JobId) {
    let sql = format!(
        "SET lock_timeout = 0; SELECT FROM calendar_jobs WHERE id = '{id}' FOR UPDATE; SET lock_timeout = 1"
    );
    connection.batch_execute(&sql).unwrap();
}

#[test]
fn a_locked_job_is_skipped_by_claims_from_the_table() {
    let connection = &mut database();
    let ids = three_jobs(connection);
    let lock = lock_row(connection, ids[1]);
    let token = new_token();
    let claimed = claims::claim_pending(connection, OPTIONS, token, FIRST, 2).unwrap();
    let mut claimed: Vec<_> = claimed.iter().map(|claim| claim.key.id).collect();
    claimed.sort();
    assert_eq!(claimed, [ids[0], ids[2]], "the limit is still used up");
    drop(lock);
    wait_for_unlock(connection, ids[1]);
    claim(connection, ids[1]);
    for id in ids {
        end_lease(connection, id);
    }
    let _lock = lock_row(connection, ids[1]);
    let due = claims::claim_due(connection, OPTIONS, new_token(), 10).unwrap();
    assert_eq!(due.len(), 2);
    assert!(due.iter().all(|claim| claim.key.id != ids[1]));
}

#[test]
fn one_locked_row_does_not_let_the_other_leases_expire() {
    let connection = &mut database();
    let ids = three_jobs(connection);
    let keys = claim_all(connection, ids);
    pass(connection, "30 s");
    let lock = lock_row(connection, ids[1]);
    let renewals = keys.map(|key| ClaimRenewal {
        key,
        done: 0,
        total: None,
    });
    let renewed = claims::renew(connection, &renewals, LEASE).unwrap();
    assert_eq!(renewed.len(), 3);
    for (key, renewal) in renewed {
        let expected = if key == keys[1] {
            Renewal::Busy
        } else {
            Renewal::Renewed {
                has_progress: false,
            }
        };
        assert_eq!(renewal, expected);
    }
    drop(lock);
    wait_for_unlock(connection, ids[1]);
    pass(connection, "31 s");
    let due = claims::claim_due(connection, OPTIONS, new_token(), 10).unwrap();
    assert_eq!(due.len(), 1, "the locked claim alone has run out");
    assert_eq!(due[0].key.id, ids[1]);
}

#[test]
fn a_locked_job_is_busy_for_a_completion_and_its_neighbours_are_completed() {
    let connection = &mut database();
    let ids = three_jobs(connection);
    let keys = claim_all(connection, ids);
    let lock = lock_row(connection, ids[1]);
    let batch = keys.map(completion);
    assert_eq!(
        claims::complete(connection, &batch).unwrap(),
        [Written::Done, Written::Busy, Written::Done]
    );
    assert_eq!(find(connection, ids[1]).status, JobStatus::Started);
    drop(lock);
    wait_for_unlock(connection, ids[1]);
    assert_eq!(
        claims::complete(connection, &batch).unwrap(),
        [Written::Done; 3]
    );
}

#[test]
fn a_locked_job_does_not_stop_its_neighbours_from_being_given_up() {
    let connection = &mut database();
    let ids = three_jobs(connection);
    let keys = claim_all(connection, ids);
    let _lock = lock_row(connection, ids[1]);
    claims::unclaim(connection, &keys, Duration::ZERO).unwrap();
    let statuses = ids.map(|id| find(connection, id).status);
    assert_eq!(
        statuses,
        [JobStatus::Retry, JobStatus::Started, JobStatus::Retry]
    );
}

#[test]
fn a_locked_job_does_not_stop_the_relay() {
    let connection = &mut database();
    let ids = three_jobs(connection);
    let lock = lock_row(connection, ids[1]);
    let taken = outbox::take(connection, 2).unwrap();
    let sent: Vec<JobId> = taken.iter().map(|one| one.message.job_id).collect();
    assert_eq!(sent, [ids[0], ids[2]]);
    drop(lock);
    wait_for_unlock(connection, ids[1]);
    let _lock = lock_row(connection, ids[0]);
    let keys: Vec<SendKey> = taken.iter().map(SendKey::from).collect();
    outbox::mark_sent(connection, &keys).unwrap();
    assert_eq!(outbox::backlog(connection).unwrap().jobs, 2);
}

#[test]
fn a_locked_job_does_not_stop_the_sweeps() {
    let connection = &mut database();
    let ids = three_jobs(connection);
    let queue = "queue";
    let keys: Vec<_> = outbox::take(connection, 10)
        .unwrap()
        .iter()
        .map(SendKey::from)
        .collect();
    outbox::mark_sent(connection, &keys).unwrap();
    pass(connection, "2 hours");
    let observation = evidence::Observation {
        empty_since: Some(Duration::ZERO),
        ..evidence::Observation::default()
    };
    evidence::record(connection, queue, observation).unwrap();
    let _lock = lock_row(connection, ids[1]);
    assert_eq!(republish_lost(connection, queue, LEASE), 2);
    assert_eq!(fail_overdue(connection), [ids[0], ids[2]]);
    assert_eq!(end_unclaimable(connection, None), []);
}

#[test]
fn workers_that_write_the_same_jobs_in_different_orders_never_deadlock() {
    let connection = &mut database();
    let ids = accept_many(connection, 20);
    let keys: Vec<_> = ids.iter().map(|&id| claim(connection, id).key).collect();
    let url = url_of(connection);
    std::thread::scope(|scope| {
        let renew = |reversed: bool| {
            let connection = &mut connect(&url);
            let mut renewals: Vec<_> = keys
                .iter()
                .map(|&key| ClaimRenewal {
                    key,
                    done: 0,
                    total: None,
                })
                .collect();
            if reversed {
                renewals.reverse();
            }
            for _ in 0..50 {
                claims::renew(connection, &renewals, LEASE).unwrap();
            }
        };
        for reversed in [false, true, false, true] {
            scope.spawn(move || renew(reversed));
        }
    });
    for key in keys {
        assert_eq!(complete(connection, key), Written::Done);
    }
}
