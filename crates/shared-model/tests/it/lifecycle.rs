//! The life of a job: each allowed step, and each forbidden one.

use std::time::Duration;

use diesel::PgConnection;
use shared_model::job::{ErrorCode, JobId, JobStatus};
use shared_model::job_store::claims::{self, ClaimKey, ClaimRenewal, Claimed, Renewal, Written};
use shared_model::job_store::requests::{self, Cancelled};
use shared_model::results;

use crate::support::{
    self, LEASE, MAX_ATTEMPTS, accept, an_error, claim, claim_delivered, complete, completion,
    database, delivered, end_lease, find, try_claim,
};

fn retry(connection: &mut PgConnection, key: ClaimKey) -> Option<JobStatus> {
    claims::retry(connection, key, &an_error(), Duration::ZERO).unwrap()
}

fn renew(connection: &mut PgConnection, key: ClaimKey, done: i32, total: Option<i32>) -> Renewal {
    let renewal = ClaimRenewal { key, done, total };
    let renewed = claims::renew(connection, &[renewal], LEASE).unwrap();
    assert!(renewed.len() == 1 && renewed[0].0 == key);
    renewed[0].1
}

fn end_unclaimable(connection: &mut PgConnection, id: JobId) -> Vec<(JobId, JobStatus)> {
    support::end_unclaimable(connection, Some(&[id]))
}

#[test]
fn a_job_goes_from_pending_through_started_to_success() {
    let connection = &mut database();
    let id = accept(connection);
    let job = find(connection, id);
    assert_eq!(
        (job.status, job.attempt, job.version, job.started_at),
        (JobStatus::Pending, 0, 1, None)
    );

    let claim = claim(connection, id);
    assert_eq!((claim.attempt, claim.generation), (1, 1));
    assert_eq!(
        (&claim.request, claim.created_at),
        (&job.request, job.created_at)
    );
    let job = find(connection, id);
    assert_eq!(
        (job.status, job.attempt, job.version),
        (JobStatus::Started, 1, 2)
    );
    assert!(job.started_at.is_some() && job.finished_at.is_none());

    assert_eq!(complete(connection, claim.key), Written::Done);
    let job = find(connection, id);
    assert_eq!((job.status, job.version), (JobStatus::Success, 3));
    assert_eq!((job.progress_done, job.progress_total), (4, Some(4)));
    assert_eq!(job.skipped_count, Some(1));
    assert!(job.finished_at.is_some() && !job.expired);
    assert_eq!(
        results::part(connection, id, 0, i32::MAX).unwrap().unwrap(),
        b"gzipped"
    );
    assert_eq!(
        results::summary(connection, id)
            .unwrap()
            .unwrap()
            .event_count,
        3
    );
}

#[test]
fn a_second_message_for_a_job_changes_nothing() {
    let connection = &mut database();
    let id = accept(connection);
    let claim = claim(connection, id);
    assert!(
        matches!(try_claim(connection, id), Claimed::NotYet(rest) if rest > LEASE / 2 && rest <= LEASE)
    );
    complete(connection, claim.key);
    assert!(matches!(try_claim(connection, id), Claimed::Stale(_)));
    assert_eq!(find(connection, id).attempt, 1);
}

#[test]
fn a_message_of_another_generation_is_stale() {
    let connection = &mut database();
    let id = accept(connection);
    for generation in [0, 2] {
        let mut message = delivered(id);
        message.generation = generation;
        assert!(matches!(
            claim_delivered(connection, message),
            Claimed::Stale(_)
        ));
    }
    assert_eq!(find(connection, id).status, JobStatus::Pending);
    assert!(matches!(
        try_claim(connection, JobId::new()),
        Claimed::Stale(_)
    ));
}

#[test]
fn a_worker_that_lost_its_claim_can_no_longer_write() {
    let connection = &mut database();
    let id = accept(connection);
    let zombie = claim(connection, id).key;
    end_lease(connection, id);
    let heir = claim(connection, id);
    assert_eq!(heir.attempt, 2);
    let before = find(connection, id);

    assert_eq!(complete(connection, zombie), Written::Lost);
    assert!(!claims::fail(connection, zombie, &an_error()).unwrap());
    assert!(!claims::revoke(connection, zombie).unwrap());
    assert_eq!(retry(connection, zombie), None);
    assert_eq!(renew(connection, zombie, 9, Some(9)), Renewal::Lost);
    claims::unclaim(connection, &[zombie], Duration::ZERO).unwrap();

    assert_eq!(find(connection, id), before);
    assert!(results::summary(connection, id).unwrap().is_none());
    assert_eq!(complete(connection, heir.key), Written::Done);
    assert_eq!(complete(connection, zombie), Written::Lost);
}

#[test]
fn a_repeated_completion_is_done_and_has_no_further_effect() {
    let connection = &mut database();
    let id = accept(connection);
    let key = claim(connection, id).key;
    assert_eq!(complete(connection, key), Written::Done);
    let job = find(connection, id);
    assert_eq!(complete(connection, key), Written::Done);
    assert_eq!(find(connection, id), job);
}

#[test]
fn a_job_that_ended_takes_no_write_of_its_last_claim() {
    let connection = &mut database();
    let id = accept(connection);
    let key = claim(connection, id).key;
    complete(connection, key);
    let before = find(connection, id);
    assert!(!claims::fail(connection, key, &an_error()).unwrap());
    assert!(!claims::revoke(connection, key).unwrap());
    assert_eq!(retry(connection, key), None);
    assert_eq!(renew(connection, key, 9, Some(9)), Renewal::Lost);
    claims::unclaim(connection, &[key], Duration::ZERO).unwrap();
    assert_eq!(find(connection, id), before);
}

#[test]
fn a_retried_job_fails_after_its_last_attempt_with_the_last_error() {
    let connection = &mut database();
    let id = accept(connection);
    for attempt in 1..=MAX_ATTEMPTS {
        let claim = claim(connection, id);
        assert_eq!(claim.attempt, attempt);
        assert!(!claim.is_suspect, "its worker lives");
        assert_eq!(retry(connection, claim.key), Some(JobStatus::Retry));
        assert_eq!(find(connection, id).error, Some(an_error()));
    }
    assert_eq!(try_claim(connection, id), Claimed::Unclaimable);
    assert_eq!(end_unclaimable(connection, id), [(id, JobStatus::Failure)]);
    let job = find(connection, id);
    assert_eq!(
        (job.status, job.attempt),
        (JobStatus::Failure, MAX_ATTEMPTS)
    );
    let error = job.error.unwrap();
    assert_eq!(
        (error.code, error.cause),
        (ErrorCode::AttemptsExhausted, Some(ErrorCode::Database))
    );
    assert_eq!(end_unclaimable(connection, id), []);
}

#[test]
fn a_job_that_kills_its_worker_each_time_is_a_suspect_and_fails_at_the_last_attempt() {
    let connection = &mut database();
    let id = accept(connection);
    // if the worker crashed a third time, the jobs beside this one would suffer too
    for is_suspect in [false, false, true] {
        assert_eq!(claim(connection, id).is_suspect, is_suspect);
        assert_eq!(end_unclaimable(connection, id), [], "it is leased");
        end_lease(connection, id);
    }
    assert_eq!(try_claim(connection, id), Claimed::Unclaimable);
    assert_eq!(end_unclaimable(connection, id), [(id, JobStatus::Failure)]);
    let error = find(connection, id).error.unwrap();
    assert_eq!(
        (error.code, error.cause),
        (ErrorCode::AttemptsExhausted, Some(ErrorCode::WorkerStopped))
    );
}

#[test]
fn renewing_extends_the_claim_and_changes_the_version_only_with_progress() {
    let connection = &mut database();
    let id = accept(connection);
    let key = claim(connection, id).key;
    end_lease(connection, id);
    assert_eq!(
        renew(connection, key, 0, None),
        Renewal::Renewed {
            has_progress: false
        }
    );
    assert!(matches!(try_claim(connection, id), Claimed::NotYet(_)));
    let version = find(connection, id).version;
    assert_eq!(version, 2, "nothing that a client sees has changed");

    assert_eq!(
        renew(connection, key, 500, Some(1000)),
        Renewal::Renewed { has_progress: true }
    );
    let job = find(connection, id);
    assert_eq!(
        (job.progress_done, job.progress_total, job.version),
        (500, Some(1000), 3)
    );
}

#[test]
fn a_waiting_job_is_revoked_immediately_and_a_running_job_is_asked_to_stop() {
    let connection = &mut database();
    let waiting = accept(connection);
    assert!(matches!(
        requests::cancel(connection, waiting).unwrap(),
        Some(Cancelled::Revoked(_))
    ));
    assert!(matches!(
        requests::cancel(connection, waiting).unwrap(),
        Some(Cancelled::Already(_))
    ));
    assert!(matches!(try_claim(connection, waiting), Claimed::Stale(_)));

    let running = accept(connection);
    let key = claim(connection, running).key;
    assert!(matches!(
        requests::cancel(connection, running).unwrap(),
        Some(Cancelled::Requested(_))
    ));
    assert_eq!(renew(connection, key, 0, None), Renewal::CancelRequested);
    assert!(claims::revoke(connection, key).unwrap());
    assert_eq!(find(connection, running).status, JobStatus::Revoked);
    assert_eq!(
        complete(connection, key),
        Written::Lost,
        "REVOKED is for good"
    );
    assert_eq!(requests::cancel(connection, JobId::new()).unwrap(), None);
}

#[test]
fn a_job_that_completes_before_its_worker_sees_the_cancellation_succeeds() {
    let connection = &mut database();
    let id = accept(connection);
    let key = claim(connection, id).key;
    requests::cancel(connection, id).unwrap();
    assert_eq!(complete(connection, key), Written::Done);
    assert!(matches!(
        requests::cancel(connection, id).unwrap(),
        Some(Cancelled::TooLate(_))
    ));
    assert_eq!(find(connection, id).status, JobStatus::Success);
}

#[test]
fn a_cancelled_job_whose_worker_dies_or_fails_is_revoked_and_not_attempted_again() {
    let connection = &mut database();
    let died = accept(connection);
    claim(connection, died);
    requests::cancel(connection, died).unwrap();
    end_lease(connection, died);
    assert_eq!(try_claim(connection, died), Claimed::Unclaimable);
    assert_eq!(
        end_unclaimable(connection, died),
        [(died, JobStatus::Revoked)]
    );

    let failed = accept(connection);
    let key = claim(connection, failed).key;
    requests::cancel(connection, failed).unwrap();
    assert_eq!(retry(connection, key), Some(JobStatus::Revoked));
    for id in [died, failed] {
        let job = find(connection, id);
        assert!(job.status == JobStatus::Revoked && job.finished_at.is_some());
    }
}

#[test]
fn a_claim_that_is_given_up_before_its_attempt_begins_costs_no_attempt() {
    let connection = &mut database();
    let id = accept(connection);
    let given_up = claim(connection, id).key;
    claims::unclaim(connection, &[given_up], Duration::ZERO).unwrap();
    let job = find(connection, id);
    assert_eq!((job.status, job.attempt), (JobStatus::Retry, 0));
    assert_eq!(claim(connection, id).attempt, 1);
    assert_eq!(complete(connection, given_up), Written::Lost);
}

#[test]
fn of_two_claims_on_one_job_in_a_batch_only_the_valid_one_counts() {
    let connection = &mut database();
    let id = accept(connection);
    let zombie = claim(connection, id).key;
    end_lease(connection, id);
    let heir = claim(connection, id).key;
    let renewals = [zombie, heir].map(|key| ClaimRenewal {
        key,
        done: if key == heir { 7 } else { 99 },
        total: None,
    });
    let renewed = claims::renew(connection, &renewals, LEASE).unwrap();
    assert!(renewed.contains(&(zombie, Renewal::Lost)));
    assert!(renewed.contains(&(heir, Renewal::Renewed { has_progress: true })));
    assert_eq!(find(connection, id).progress_done, 7);
    let batch = [zombie, heir].map(completion);
    assert_eq!(
        claims::complete(connection, &batch).unwrap(),
        [Written::Lost, Written::Done]
    );
}

#[test]
fn a_completion_that_is_in_a_batch_twice_is_done_once() {
    let connection = &mut database();
    let id = accept(connection);
    let key = claim(connection, id).key;
    let batch = [key, key].map(completion);
    assert_eq!(
        claims::complete(connection, &batch).unwrap(),
        [Written::Done, Written::Done]
    );
    assert_eq!(find(connection, id).version, 3);
}
