//! Overdue jobs, expired rows, redriven jobs and dead letters.

use std::time::Duration;

use diesel::RunQueryDsl;
use diesel::connection::SimpleConnection;
use shared_model::job::{ErrorCode, JobError, JobId, JobStatus};
use shared_model::job_store::claims::{self, Claimed};
use shared_model::job_store::dead_letters::{self, GivenUp};
use shared_model::job_store::failed::{self, Filter, Redriver};
use shared_model::job_store::outbox::{self, SendKey};
use shared_model::job_store::sweeps::{self, PART, Part};
use shared_model::job_store::{evidence, requests};
use shared_model::results;

use crate::support::{
    FIRST, LEASE, accept, accept_many, an_error, begun, claim, claim_delivered, complete,
    connect_to_same, database, delivered, end_lease, fail_overdue, find, pass, redrive_all,
    store_waiting, try_claim,
};

#[test]
fn jobs_that_no_worker_completes_fail_when_they_expire_and_are_named() {
    let connection = &mut database();
    let (waiting, retried, running) = (accept(connection), accept(connection), accept(connection));
    pass(connection, "2 hours");
    claim(connection, running);
    let key = claim(connection, retried).key;
    claims::retry(connection, key, &an_error(), Duration::ZERO).unwrap();
    let later = accept(connection);
    let failed = fail_overdue(connection);
    assert_eq!(failed, [waiting, retried]);
    for id in failed {
        let job = find(connection, id);
        assert_eq!(
            (job.status, job.error.unwrap().code),
            (JobStatus::Failure, ErrorCode::ExpiredInQueue)
        );
        assert!(!job.expired, "a failed job is kept for another JOB_EXPIRY");
    }
    assert_eq!(find(connection, running).status, JobStatus::Started);
    assert_eq!(find(connection, later).status, JobStatus::Pending);
    end_lease(connection, running);
    assert_eq!(fail_overdue(connection), [running]);
    assert_eq!(fail_overdue(connection), []);
}

#[test]
fn a_worker_that_completes_an_overdue_job_too_late_changes_nothing() {
    let connection = &mut database();
    let id = accept(connection);
    let key = claim(connection, id).key;
    pass(connection, "2 hours");
    assert_eq!(fail_overdue(connection), [id]);
    assert_eq!(complete(connection, key), claims::Written::Lost);
    assert_eq!(results::summary(connection, id).unwrap(), None);
}

#[test]
fn an_expired_job_loses_its_result_first_and_its_row_later() {
    let connection = &mut database();
    let id = accept(connection);
    let key = claim(connection, id).key;
    complete(connection, key);
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
fn deleting_a_job_deletes_a_result_that_is_still_there() {
    let connection = &mut database();
    let id = accept(connection);
    let key = claim(connection, id).key;
    complete(connection, key);
    pass(connection, "9 days");
    assert_eq!(sweeps::delete_expired_jobs(connection).unwrap(), 1);
    assert_eq!(results::summary(connection, id).unwrap(), None);
}

#[test]
fn a_job_that_has_not_ended_is_never_deleted() {
    let connection = &mut database();
    let id = accept(connection);
    pass(connection, "300 days");
    assert_eq!(sweeps::delete_expired_jobs(connection).unwrap(), 0);
    assert_eq!(find(connection, id).status, JobStatus::Pending);
}

#[test]
fn a_sweep_is_skipped_while_another_process_runs_one() {
    let connection = &mut database();
    let id = accept(connection);
    pass(connection, "2 hours");
    let other = &mut connect_to_same(connection);
    diesel::sql_query("SELECT pg_advisory_lock(x'7461736b6f77'::bigint)")
        .execute(other)
        .unwrap();
    let skipped = sweeps::fail_overdue(connection, FIRST).unwrap();
    let still_to_do = Part {
        jobs: vec![],
        end: Some(FIRST),
    };
    assert_eq!(skipped, still_to_do);
    diesel::sql_query("SELECT pg_advisory_unlock(x'7461736b6f77'::bigint)")
        .execute(other)
        .unwrap();
    assert_eq!(fail_overdue(connection), [id]);
}

/// Follows the parts from the first to the last. Returns how many there are, and the jobs that were changed.
fn sweep_all(mut sweep: impl FnMut(JobId) -> Part) -> (usize, Vec<JobId>) {
    let (mut parts, mut changed) = (1, Vec::new());
    let mut part = sweep(FIRST);
    while let Some(end) = part.end {
        changed.append(&mut part.jobs);
        part = sweep(end);
        parts += 1;
    }
    changed.append(&mut part.jobs);
    (parts, changed)
}

#[test]
fn a_lost_or_overdue_job_is_found_however_many_wait_before_it() {
    const QUEUE: &str = "https://sqs.example/1/jobs";
    let connection = &mut database();
    let before = 2 * PART + 5;
    store_waiting(connection, before);
    let retried = accept(connection);
    let key = claim(connection, retried).key;
    claims::retry(connection, key, &an_error(), Duration::ZERO).unwrap();
    let last = accept(connection);
    connection
        .batch_execute(
            "UPDATE calendar_jobs SET send_after = NULL, created_at = now() - interval '2 hours',
                    sent_at = now() - interval '2 hours', retry_at = retry_at - interval '2 hours'
             WHERE id > '01000000-0000-0000-0000-000000000000'",
        )
        .unwrap();
    let observation = evidence::Observation {
        empty_since: Some(Duration::from_hours(1)),
        ..evidence::Observation::default()
    };
    evidence::record(connection, QUEUE, observation).unwrap();
    let republish = |begin| sweeps::republish_lost(connection, QUEUE, LEASE, begin).unwrap();
    let (parts, mut changed) = sweep_all(republish);
    changed.sort_unstable();
    assert_eq!((parts, changed), (3, vec![retried, last]));

    pass(connection, "59 min");
    assert_eq!(
        sweep_all(|begin| sweeps::fail_overdue(connection, begin).unwrap()),
        (3, vec![])
    );
    let sql = format!("UPDATE calendar_jobs SET expires_at = now() WHERE id = '{last}'");
    connection.batch_execute(&sql).unwrap();
    let overdue = sweep_all(|begin| sweeps::fail_overdue(connection, begin).unwrap());
    assert_eq!(overdue, (3, vec![last]));
}

#[test]
fn a_redriven_job_has_all_its_attempts_and_its_old_messages_are_stale() {
    let connection = &mut database();
    let (id, other) = (accept(connection), accept(connection));
    for id in [id, other] {
        let key = claim(connection, id).key;
        let error = JobError::new(ErrorCode::ResultTooLarge, "too large");
        assert!(claims::fail(connection, key, &error).unwrap());
    }
    assert_eq!(
        failed::list(connection, &Filter::default(), None, 10)
            .unwrap()
            .jobs
            .len(),
        2
    );
    assert_eq!(
        failed::redrive(connection, &[id], &Redriver::Command).unwrap(),
        [id]
    );
    let job = find(connection, id);
    assert_eq!(
        (job.status, job.attempt, job.error),
        (JobStatus::Pending, 0, None)
    );
    let sent = outbox::take(connection, 10).unwrap();
    assert_eq!(
        (sent[0].message.job_id, sent[0].message.generation),
        (id, 2)
    );
    assert!(matches!(try_claim(connection, id), Claimed::Stale(_)));
    let mut message = delivered(id);
    message.generation = 2;
    let again = begun(claim_delivered(connection, message));
    assert_eq!((again.attempt, again.generation), (1, 2));
    assert_eq!(redrive_all(connection), [other]);
    assert_eq!(redrive_all(connection), []);
}

#[test]
fn a_relay_that_is_late_cannot_mark_the_message_of_a_redriven_job_as_sent() {
    let connection = &mut database();
    let id = accept(connection);
    let late: Vec<SendKey> = outbox::take(connection, 1)
        .unwrap()
        .iter()
        .map(SendKey::from)
        .collect();
    let key = claim(connection, id).key;
    claims::fail(connection, key, &an_error()).unwrap();
    redrive_all(connection);
    outbox::mark_sent(connection, &late).unwrap();
    let taken = outbox::take(connection, 1).unwrap();
    assert_eq!(taken[0].message.generation, 2);
}

#[test]
fn a_dead_letter_fails_a_job_that_was_never_claimed() {
    let connection = &mut database();
    let id = accept(connection);
    let give_up = dead_letters::give_up(connection, id, 1).unwrap();
    assert_eq!(give_up, GivenUp::Failed);
    let error = find(connection, id).error.unwrap();
    assert_eq!(error.code, ErrorCode::DeadLettered);
    let again = dead_letters::give_up(connection, id, 1).unwrap();
    assert_eq!(again, GivenUp::Stale);
}

#[test]
fn a_dead_letter_never_fails_a_live_job() {
    let connection = &mut database();
    let (running, abandoned, retried) =
        (accept(connection), accept(connection), accept(connection));
    claim(connection, running);
    claim(connection, abandoned);
    end_lease(connection, abandoned);
    let key = claim(connection, retried).key;
    claims::retry(connection, key, &an_error(), Duration::ZERO).unwrap();
    for id in [running, abandoned, retried] {
        let before = find(connection, id);
        let given_up = dead_letters::give_up(connection, id, 1).unwrap();
        assert_eq!(given_up, GivenUp::Claimed);
        assert_eq!(find(connection, id), before);
    }
}

#[test]
fn a_dead_letter_of_a_job_that_ended_is_gone_or_was_redriven_is_stale() {
    let connection = &mut database();
    let jobs = accept_many(connection, 2);
    requests::cancel(connection, jobs[0]).unwrap();
    for (id, generation) in [(jobs[0], 1), (jobs[1], 7), (JobId::new(), 1)] {
        let given_up = dead_letters::give_up(connection, id, generation).unwrap();
        assert_eq!(given_up, GivenUp::Stale);
    }
    assert_eq!(find(connection, jobs[1]).status, JobStatus::Pending);
}
