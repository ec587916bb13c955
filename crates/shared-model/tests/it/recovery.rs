//! Lost messages, overdue jobs, expiry, redriven jobs and idempotency keys.

use std::time::Duration;

use diesel::{PgConnection, RunQueryDsl};
use shared_model::job::{CalendarRequest, ErrorCode, JobError, JobId, JobStatus};
use shared_model::job_store::claims::{self, Claimed, Isolation};
use shared_model::job_store::redrive::{self, GivenUp};
use shared_model::job_store::requests::{self, Accepted};
use shared_model::job_store::{outbox, sweeps};
use shared_model::results;
use shared_model::todo::TodoFilter;

use crate::support::{
    EXPIRY_SECONDS, LEASE, MAX_ATTEMPTS, a_result, accept, claim, database, end_lease, find,
    try_claim,
};

const AFTER: Duration = Duration::from_mins(15);

/// Moves the times of every job back, as if this interval had passed.
fn pass(connection: &mut PgConnection, interval: &str) {
    let sql = format!(
        "UPDATE calendar_jobs SET published_at = published_at - interval '{interval}',
             not_before = not_before - interval '{interval}', lease_until = lease_until - interval '{interval}',
             created_at = created_at - interval '{interval}', expires_at = expires_at - interval '{interval}'"
    );
    diesel::sql_query(sql).execute(connection).unwrap();
    let sql =
        format!("UPDATE calendar_results SET expires_at = expires_at - interval '{interval}'");
    diesel::sql_query(sql).execute(connection).unwrap();
}

fn publish_all(connection: &mut PgConnection) -> usize {
    let taken = outbox::lease_unpublished(connection, 100).unwrap();
    let ids: Vec<_> = taken.iter().map(|message| message.job_id).collect();
    outbox::mark_published(connection, &ids).unwrap();
    ids.len()
}

#[test]
fn a_job_whose_message_was_lost_is_published_again_in_a_new_generation() {
    let connection = &mut database();
    let id = accept(connection);
    assert_eq!(publish_all(connection), 1);
    assert_eq!(
        sweeps::republish_lost(connection, AFTER).unwrap(),
        0,
        "it may still be on its way"
    );
    pass(connection, "15 min");
    assert_eq!(sweeps::republish_lost(connection, AFTER).unwrap(), 1);
    let again = outbox::lease_unpublished(connection, 1).unwrap();
    assert_eq!((again[0].job_id, again[0].generation), (id, 2));
    assert!(
        matches!(try_claim(connection, id), Claimed::Stale(_)),
        "the first message is stale"
    );
    outbox::mark_published(connection, &[id]).unwrap();
    pass(connection, "15 min");
    assert_eq!(
        sweeps::republish_lost(connection, AFTER).unwrap(),
        0,
        "the second wait is twice as long"
    );
    pass(connection, "15 min");
    assert_eq!(sweeps::republish_lost(connection, AFTER).unwrap(), 1);
}

#[test]
fn a_claimed_waiting_or_unpublished_job_is_not_mistaken_for_lost() {
    let connection = &mut database();
    let held = accept(connection);
    publish_all(connection);
    pass(connection, "1 hour");
    claim(connection, held);
    let unsent = accept(connection);
    assert_eq!(sweeps::republish_lost(connection, AFTER).unwrap(), 0);
    assert_eq!(find(connection, unsent).status, JobStatus::Pending);
    pass(connection, "1 hour");
    assert_eq!(
        sweeps::republish_lost(connection, AFTER).unwrap(),
        1,
        "its worker is long gone"
    );
    assert_eq!(find(connection, held).status, JobStatus::Retry);
}

#[test]
fn a_job_that_no_worker_claims_fails_when_it_expires() {
    let connection = &mut database();
    let (waiting, running) = (accept(connection), accept(connection));
    pass(connection, "2 hours");
    claim(connection, running);
    assert_eq!(sweeps::fail_overdue(connection).unwrap(), 1);
    let job = find(connection, waiting);
    assert_eq!(
        (job.status, job.error.unwrap().code),
        (JobStatus::Failure, ErrorCode::ExpiredInQueue)
    );
    assert!(!job.expired, "a failed job is kept for another JOB_EXPIRY");
    assert_eq!(find(connection, running).status, JobStatus::Started);
    end_lease(connection, running);
    assert_eq!(sweeps::fail_overdue(connection).unwrap(), 1);
}

#[test]
fn an_expired_job_loses_its_result_first_and_its_row_later() {
    let connection = &mut database();
    let id = accept(connection);
    let key = claim(connection, id).key;
    claims::complete(connection, key, &a_result()).unwrap();
    assert_eq!(sweeps::delete_expired_results(connection).unwrap(), 0);
    pass(connection, "61 min");
    assert!(find(connection, id).expired);
    assert_eq!(sweeps::delete_expired_results(connection).unwrap(), 1);
    assert_eq!(results::part(connection, id, 0, i32::MAX).unwrap(), None);
    assert_eq!(sweeps::delete_expired_jobs(connection).unwrap(), 0);
    pass(connection, "8 days");
    assert_eq!(sweeps::delete_expired_jobs(connection).unwrap(), 1);
    assert_eq!(requests::find(connection, id).unwrap(), None);
}

#[test]
fn a_sweep_is_skipped_while_another_process_runs_one() {
    let connection = &mut database();
    accept(connection);
    pass(connection, "2 hours");
    let other = &mut crate::support::connect_to_same(connection);
    diesel::sql_query("SELECT pg_advisory_lock(x'7461736b6f77'::bigint)")
        .execute(other)
        .unwrap();
    assert_eq!(sweeps::fail_overdue(connection).unwrap(), 0);
    diesel::sql_query("SELECT pg_advisory_unlock(x'7461736b6f77'::bigint)")
        .execute(other)
        .unwrap();
    assert_eq!(sweeps::fail_overdue(connection).unwrap(), 1);
}

#[test]
fn a_redriven_job_has_all_its_attempts_and_its_old_messages_are_stale() {
    let connection = &mut database();
    let (id, other) = (accept(connection), accept(connection));
    for id in [id, other] {
        let key = claim(connection, id).key;
        claims::fail(
            connection,
            key,
            &JobError::new(ErrorCode::ResultTooLarge, "too large"),
        )
        .unwrap();
    }
    assert_eq!(redrive::list_failed(connection).unwrap().len(), 2);
    assert_eq!(redrive::redrive(connection, Some(&[id])).unwrap(), [id]);
    let job = find(connection, id);
    assert_eq!(
        (job.status, job.attempt, job.error),
        (JobStatus::Pending, 0, None)
    );
    assert!(matches!(try_claim(connection, id), Claimed::Stale(_)));
    let again = claims::claim(connection, id, 2, LEASE, MAX_ATTEMPTS, Isolation::Shared).unwrap();
    assert!(matches!(again, Claimed::Begin(_)));
    assert_eq!(redrive::redrive(connection, None).unwrap(), [other]);
    assert_eq!(redrive::redrive(connection, None).unwrap(), []);
}

#[test]
fn a_dead_lettered_job_fails_unless_a_worker_runs_it() {
    let connection = &mut database();
    let (waiting, running, ended) = (accept(connection), accept(connection), accept(connection));
    claim(connection, running);
    requests::cancel(connection, ended).unwrap();
    assert_eq!(
        redrive::give_up(connection, waiting, 1).unwrap(),
        GivenUp::Failed
    );
    assert_eq!(
        redrive::give_up(connection, running, 1).unwrap(),
        GivenUp::Running
    );
    assert_eq!(
        redrive::give_up(connection, running, 7).unwrap(),
        GivenUp::Stale
    );
    assert_eq!(
        redrive::give_up(connection, ended, 1).unwrap(),
        GivenUp::Stale
    );
    assert_eq!(
        redrive::give_up(connection, JobId::new(), 1).unwrap(),
        GivenUp::Stale
    );
    let error = find(connection, waiting).error.unwrap();
    assert_eq!(error.code, ErrorCode::DeadLettered);
}

#[test]
fn one_idempotency_key_creates_one_job_however_many_requests_carry_it() {
    let connection = &mut database();
    let url = crate::support::url_of(connection);
    let made: Vec<Accepted> = std::thread::scope(|scope| {
        let ask = || {
            let connection = &mut crate::support::connect(&url);
            let request = CalendarRequest::default();
            requests::insert_once(connection, JobId::new(), "k", &request, EXPIRY_SECONDS).unwrap()
        };
        let asking: Vec<_> = (0..20).map(|_| scope.spawn(ask)).collect();
        asking
            .into_iter()
            .map(|asking| asking.join().unwrap())
            .collect()
    });
    let new: Vec<_> = made
        .iter()
        .filter(|made| matches!(made, Accepted::New(_)))
        .collect();
    assert_eq!(new.len(), 1);
    let Accepted::New(job) = new[0] else {
        unreachable!()
    };
    assert!(made.iter().all(|made| matches!(made, Accepted::New(other) | Accepted::Replayed(other) if other.id == job.id)));

    let filter = TodoFilter {
        completed: Some(true),
        window: None,
    };
    let other = CalendarRequest {
        filter,
        ..CalendarRequest::default()
    };
    let reused =
        requests::insert_once(connection, JobId::new(), "k", &other, EXPIRY_SECONDS).unwrap();
    assert_eq!(reused, Accepted::KeyReused);
}
