//! Claims: by token, in batches, from the table and on delivery.

use std::collections::BTreeSet;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{PgConnection, RunQueryDsl};
use shared_model::job::{ErrorCode, JobError, JobId, JobStatus};
use shared_model::job_store::claims::{self, Claim, ClaimKey, ClaimOptions, Claimed, Written};
use shared_model::job_store::{outbox, requests};

use crate::support::{
    FIRST, LEASE, MAX_ATTEMPTS, OPTIONS, accept, accept_many, an_error, begun, claim,
    claim_delivered, complete, connect, connect_to_same, database, delivered, end_lease,
    end_unclaimable, find, new_token, pass, try_claim, url_of,
};

fn claim_pending(connection: &mut PgConnection, after: JobId, limit: i64) -> Vec<Claim> {
    claims::claim_pending(connection, OPTIONS, new_token(), after, limit).unwrap()
}

fn claim_due(connection: &mut PgConnection, limit: i64) -> Vec<Claim> {
    claims::claim_due(connection, OPTIONS, new_token(), limit).unwrap()
}

fn ids(claims: &[Claim]) -> BTreeSet<JobId> {
    claims.iter().map(|claim| claim.key.id).collect()
}

fn set_of(ids: &[JobId]) -> BTreeSet<JobId> {
    ids.iter().copied().collect()
}

fn retry_in(connection: &mut PgConnection, key: ClaimKey, delay: Duration) {
    let status = claims::retry(connection, key, &an_error(), delay).unwrap();
    assert_eq!(status, Some(JobStatus::Retry));
}

#[test]
fn a_repeated_claim_returns_the_same_claim_and_counts_the_attempt_once() {
    let connection = &mut database();
    let message = delivered(accept(connection));
    let first = begun(claim_delivered(connection, message));
    let again = begun(claim_delivered(connection, message));
    assert_eq!(again, first);
    assert_eq!(again.attempt, 1);
    assert_eq!(complete(connection, again.key), Written::Done);
    assert!(matches!(
        claim_delivered(connection, message),
        Claimed::Stale(_)
    ));
}

#[test]
fn a_repeated_claim_of_a_suspect_returns_a_suspect() {
    let connection = &mut database();
    let id = accept(connection);
    for _ in 0..2 {
        claim(connection, id);
        end_lease(connection, id);
    }
    let message = delivered(id);
    assert!(begun(claim_delivered(connection, message)).is_suspect);
    assert!(begun(claim_delivered(connection, message)).is_suspect);
}

#[test]
fn two_copies_of_a_message_in_one_batch_make_one_claim() {
    let connection = &mut database();
    let (id, other) = (accept(connection), accept(connection));
    let batch = [delivered(id), delivered(other), delivered(id)];
    let claimed = claims::claim_delivered(connection, OPTIONS, &batch).unwrap();
    assert!(matches!(&claimed[1], Claimed::Begin(claim) if claim.key == batch[1].key));
    let copies = [(&claimed[0], batch[0]), (&claimed[2], batch[2])];
    let (won, lost): (Vec<_>, Vec<_>) = copies
        .into_iter()
        .partition(|(claimed, _)| matches!(claimed, Claimed::Begin(_)));
    assert_eq!((won.len(), lost.len()), (1, 1));
    assert_eq!(lost[0].0, &Claimed::NotYet(LEASE));
    assert_eq!(complete(connection, lost[0].1.key), Written::Lost);
    assert_eq!(complete(connection, won[0].1.key), Written::Done);
    assert_eq!(find(connection, id).attempt, 1);
}

#[test]
fn a_batch_of_deliveries_is_answered_in_its_order() {
    let connection = &mut database();
    let free = accept_many(connection, 2);
    let (running, ended) = (accept(connection), accept(connection));
    claim(connection, running);
    requests::cancel(connection, ended).unwrap();
    let batch = [free[1], running, JobId::new(), ended, free[0]].map(delivered);
    let claimed = claims::claim_delivered(connection, OPTIONS, &batch).unwrap();
    assert!(matches!(&claimed[0], Claimed::Begin(claim) if claim.key == batch[0].key));
    assert!(matches!(claimed[1], Claimed::NotYet(_)));
    assert!(matches!(claimed[2], Claimed::Stale(_)));
    assert!(matches!(claimed[3], Claimed::Stale(_)));
    assert!(matches!(&claimed[4], Claimed::Begin(claim) if claim.key == batch[4].key));
}

#[test]
fn a_duplicate_cannot_skip_the_backoff_of_a_retry() {
    let connection = &mut database();
    let id = accept(connection);
    let key = claim(connection, id).key;
    retry_in(connection, key, Duration::from_mins(5));
    assert!(
        matches!(try_claim(connection, id), Claimed::NotYet(rest) if rest > Duration::from_mins(4))
    );
    assert_eq!(claim_due(connection, 10), []);
    pass(connection, "5 min");
    assert_eq!(claim(connection, id).attempt, 2);
}

#[test]
fn a_claim_proves_that_the_message_arrived() {
    let connection = &mut database();
    let delivered = accept(connection);
    claim(connection, delivered);
    let pending = accept(connection);
    assert_eq!(ids(&claim_pending(connection, FIRST, 10)), [pending].into());
    assert_eq!(outbox::backlog(connection).unwrap().jobs, 0);
    pass(connection, "1 min");
    assert_eq!(outbox::take(connection, 10).unwrap(), []);
}

#[test]
fn pending_jobs_are_claimed_oldest_first_above_a_floor_and_up_to_a_limit() {
    let connection = &mut database();
    let accepted = accept_many(connection, 5);
    let claimed = claim_pending(connection, accepted[0], 2);
    assert_eq!(ids(&claimed), set_of(&accepted[1..3]));
    for claim in claimed {
        assert_eq!((claim.attempt, claim.is_suspect), (1, false));
        assert_eq!(complete(connection, claim.key), Written::Done);
    }
    let rest = [accepted[0], accepted[3], accepted[4]];
    assert_eq!(ids(&claim_pending(connection, FIRST, 10)), set_of(&rest));
    assert_eq!(claim_pending(connection, FIRST, 10), []);
}

#[test]
fn a_claim_of_pending_jobs_whose_answer_was_lost_is_found_by_its_token() {
    let connection = &mut database();
    accept_many(connection, 3);
    let token = new_token();
    let mut lost = claims::claim_pending(connection, OPTIONS, token, FIRST, 2).unwrap();
    let mut found = claims::find_claimed(connection, token).unwrap();
    lost.sort_by_key(|claim| claim.key.id);
    found.sort_by_key(|claim| claim.key.id);
    assert_eq!(found, lost);
    complete(connection, found[0].key);
    assert_eq!(claims::find_claimed(connection, token).unwrap(), found[1..]);
    let other = new_token();
    assert_eq!(claims::find_claimed(connection, other).unwrap(), []);
}

#[test]
fn a_suspect_whose_claim_is_found_by_its_token_is_still_one() {
    let connection = &mut database();
    let id = accept(connection);
    for is_suspect in [false, false, true] {
        let token = new_token();
        let claimed = match find(connection, id).status {
            JobStatus::Pending => {
                claims::claim_pending(connection, OPTIONS, token, FIRST, 1).unwrap()
            }
            _ => claims::claim_due(connection, OPTIONS, token, 1).unwrap(),
        };
        assert_eq!(claimed[0].is_suspect, is_suspect);
        assert_eq!(claims::find_claimed(connection, token).unwrap(), claimed);
        end_lease(connection, id);
    }
}

#[test]
fn a_job_becomes_due_when_its_backoff_ends_or_its_worker_lets_the_claim_run_out() {
    let connection = &mut database();
    let all = accept_many(connection, 5);
    let [waiting, retried, running, abandoned, cancelled] = all[..] else {
        unreachable!()
    };
    for id in [waiting, retried] {
        let key = claim(connection, id).key;
        retry_in(connection, key, Duration::from_mins(1));
    }
    for id in [running, abandoned, cancelled] {
        claim(connection, id);
    }
    requests::cancel(connection, cancelled).unwrap();
    assert_eq!(claim_due(connection, 10), []);

    let retry_now = format!("UPDATE calendar_jobs SET retry_at = now() WHERE id = '{retried}'");
    connection.batch_execute(&retry_now).unwrap();
    end_lease(connection, abandoned);
    end_lease(connection, cancelled);
    let claimed = claim_due(connection, 10);
    assert_eq!(ids(&claimed), [retried, abandoned].into());
    assert!(
        claimed
            .iter()
            .all(|claim| claim.attempt == 2 && !claim.is_suspect)
    );
    assert_eq!(claim_due(connection, 10), []);
    assert_eq!(
        end_unclaimable(connection, None),
        [(cancelled, JobStatus::Revoked)]
    );
}

#[test]
fn due_jobs_are_claimed_up_to_the_limit() {
    let connection = &mut database();
    let all = accept_many(connection, 6);
    for &id in &all[..3] {
        let key = claim(connection, id).key;
        retry_in(connection, key, Duration::ZERO);
    }
    for &id in &all[3..] {
        claim(connection, id);
        end_lease(connection, id);
    }
    let (first, second) = (claim_due(connection, 4), claim_due(connection, 4));
    assert_eq!((first.len(), second.len()), (4, 2));
    let both: BTreeSet<JobId> = ids(&first).union(&ids(&second)).copied().collect();
    assert_eq!(both, set_of(&all));
}

#[test]
fn a_job_that_crashed_two_workers_is_a_suspect_and_one_that_failed_twice_is_not() {
    let connection = &mut database();
    let (crashed, failed) = (accept(connection), accept(connection));
    for _ in 0..2 {
        claim(connection, crashed);
        end_lease(connection, crashed);
        let key = claim(connection, failed).key;
        retry_in(connection, key, Duration::ZERO);
    }
    for claim in claim_due(connection, 10) {
        assert_eq!(claim.attempt, 3);
        assert_eq!(claim.is_suspect, claim.key.id == crashed);
        end_lease(connection, claim.key.id);
    }
    assert_eq!(claim_due(connection, 10), [], "three attempts");
    let ended = end_unclaimable(connection, None);
    assert_eq!(
        ended,
        [(crashed, JobStatus::Failure), (failed, JobStatus::Failure)]
    );
}

#[test]
fn a_suspect_stays_one_after_its_attempt_has_crashed_or_was_given_up() {
    let options = ClaimOptions {
        max_attempts: 5,
        ..OPTIONS
    };
    for ends_with_error in [true, false] {
        let connection = &mut database();
        let (id, other) = (accept(connection), accept(connection));
        for _ in 0..2 {
            for id in [id, other] {
                claim(connection, id);
                end_lease(connection, id);
            }
        }
        for claim in claims::claim_due(connection, options, new_token(), 10).unwrap() {
            assert!(claim.is_suspect);
            if ends_with_error {
                let crashed = JobError::new(ErrorCode::WorkerStopped, "crashed");
                claims::retry(connection, claim.key, &crashed, Duration::ZERO).unwrap();
            } else {
                claims::unclaim(connection, &[claim.key], Duration::ZERO).unwrap();
            }
        }
        let mut answers = claims::claim_delivered(connection, options, &[delivered(id)]).unwrap();
        assert!(begun(answers.remove(0)).is_suspect);
        let due = claims::claim_due(connection, options, new_token(), 10).unwrap();
        assert_eq!(ids(&due), set_of(&[other]));
        assert!(due[0].is_suspect);
    }
}

#[test]
fn a_cancelled_job_whose_claim_is_given_up_is_revoked() {
    let connection = &mut database();
    let (id, other) = (accept(connection), accept(connection));
    let keys = [claim(connection, id).key, claim(connection, other).key];
    requests::cancel(connection, id).unwrap();
    claims::unclaim(connection, &keys, Duration::ZERO).unwrap();
    assert_eq!(find(connection, id).status, JobStatus::Revoked);
    assert_eq!(ids(&claim_due(connection, 10)), [other].into());
}

#[test]
fn workers_that_claim_at_the_same_time_share_the_jobs_and_none_exceeds_its_limit() {
    let connection = &mut database();
    let accepted = accept_many(connection, 300);
    let url = url_of(connection);
    let claimed: Vec<Vec<Claim>> = std::thread::scope(|scope| {
        let worker = || {
            let connection = &mut connect(&url);
            let mut batches = Vec::new();
            loop {
                let batch = claim_pending(connection, FIRST, 7);
                if batch.is_empty() {
                    return batches;
                }
                batches.push(batch);
            }
        };
        let workers: Vec<_> = (0..4).map(|_| scope.spawn(worker)).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap())
            .collect()
    });
    assert!(claimed.iter().all(|batch| batch.len() <= 7));
    let all: Vec<JobId> = claimed.iter().flatten().map(|claim| claim.key.id).collect();
    assert_eq!(all.len(), 300);
    assert_eq!(set_of(&all), set_of(&accepted));
}

/// Waits until a session of this database waits for a lock.
fn wait_until_blocked(connection: &mut PgConnection) {
    let blocked = "DO $$ BEGIN
        WHILE NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock') LOOP
            PERFORM pg_sleep(0.005), pg_stat_clear_snapshot();
        END LOOP;
    END $$";
    diesel::sql_query(blocked).execute(connection).unwrap();
}

#[test]
fn a_claim_that_is_lost_while_the_worker_waits_for_the_row_takes_no_write() {
    let connection = &mut database();
    let id = accept(connection);
    let zombie = claim(connection, id).key;
    end_lease(connection, id);
    let heir = &mut connect_to_same(connection);
    heir.batch_execute("BEGIN").unwrap();
    let heirs = claim(heir, id).key;
    let url = url_of(connection);
    let failing =
        std::thread::spawn(move || claims::fail(&mut connect(&url), zombie, &an_error()).unwrap());
    wait_until_blocked(connection);
    heir.batch_execute("COMMIT").unwrap();
    assert!(!failing.join().unwrap());
    assert_eq!(complete(connection, heirs), Written::Done);
}

/// Stores a value that this release can't read, as a later release might.
fn store_unreadable(connection: &mut PgConnection, column: &str, id: JobId) {
    let sql = format!(
        "UPDATE calendar_jobs SET {column} = '{{\"window\": \"soon\", \"code\": \"new\"}}' WHERE id = '{id}'"
    );
    connection.batch_execute(&sql).unwrap();
}

#[test]
fn a_request_that_this_release_can_not_read_leaves_the_other_claims_of_the_statement_alone() {
    let connection = &mut database();
    let jobs = accept_many(connection, 3);
    store_unreadable(connection, "request", jobs[1]);
    let readable = set_of(&[jobs[0], jobs[2]]);
    let token = new_token();
    let claimed = claims::claim_pending(connection, OPTIONS, token, FIRST, 3).unwrap();
    assert_eq!(ids(&claimed), readable);
    let found = claims::find_claimed(connection, token).unwrap();
    assert_eq!(ids(&found), readable);
    for id in jobs {
        end_lease(connection, id);
    }
    assert_eq!(ids(&claim_due(connection, 3)), readable);
}

#[test]
fn a_job_whose_error_this_release_can_not_read_ends_when_its_attempts_are_used_up() {
    let connection = &mut database();
    let id = accept(connection);
    for _ in 0..MAX_ATTEMPTS {
        let claim = claim(connection, id);
        retry_in(connection, claim.key, Duration::ZERO);
    }
    store_unreadable(connection, "error", id);
    let ended = end_unclaimable(connection, None);
    assert_eq!(ended, [(id, JobStatus::Failure)]);
    let error = find(connection, id).error.unwrap();
    assert_eq!(error.cause, Some(ErrorCode::WorkerStopped));
}
