//! The life of a job: each allowed step, and each forbidden one.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{PgConnection, RunQueryDsl};
use shared_model::job::{ErrorCode, JobError, JobStatus};
use shared_model::job_store::claims::{self, ClaimKey, ClaimRenewal, Claimed, Isolation};
use shared_model::job_store::requests::{self, Cancelled};
use shared_model::results;

use crate::support::{
    LEASE, MAX_ATTEMPTS, a_result, accept, claim, connect, database, end_lease, find, try_claim,
    url_of,
};

fn an_error() -> JobError {
    JobError::new(ErrorCode::Database, "the todos could not be read")
}

fn retry(connection: &mut PgConnection, key: ClaimKey) -> Option<JobStatus> {
    claims::retry(connection, key, &an_error(), Duration::ZERO).unwrap()
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
    let job = find(connection, id);
    assert_eq!(
        (job.status, job.attempt, job.version),
        (JobStatus::Started, 1, 2)
    );
    assert!(job.started_at.is_some() && job.finished_at.is_none());

    assert!(claims::complete(connection, claim.key, &a_result()).unwrap());
    let job = find(connection, id);
    assert_eq!((job.status, job.version), (JobStatus::Success, 3));
    assert_eq!((job.progress_done, job.progress_total), (4, Some(4)));
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
        matches!(try_claim(connection, id), Claimed::Leased(rest) if rest > LEASE / 2 && rest <= LEASE)
    );
    claims::complete(connection, claim.key, &a_result()).unwrap();
    assert!(matches!(try_claim(connection, id), Claimed::Stale(_)));
    assert_eq!(find(connection, id).attempt, 1);
}

#[test]
fn a_message_of_another_generation_is_stale() {
    let connection = &mut database();
    let id = accept(connection);
    for generation in [0, 2] {
        let claimed = claims::claim(
            connection,
            id,
            generation,
            LEASE,
            MAX_ATTEMPTS,
            Isolation::Shared,
        )
        .unwrap();
        assert!(matches!(claimed, Claimed::Stale(_)));
    }
    assert_eq!(find(connection, id).status, JobStatus::Pending);
    assert!(matches!(
        try_claim(connection, shared_model::job::JobId::new()),
        Claimed::Stale(_)
    ));
}

#[test]
fn a_worker_that_lost_its_claim_can_no_longer_write() {
    let connection = &mut database();
    let id = accept(connection);
    let zombie = claim(connection, id).key;
    end_lease(connection, id);
    let heir = claim(connection, id).key;
    assert_eq!(heir.attempt, 2);

    assert!(!claims::complete(connection, zombie, &a_result()).unwrap());
    assert!(!claims::fail(connection, zombie, &an_error()).unwrap());
    assert!(!claims::revoke(connection, zombie).unwrap());
    assert_eq!(retry(connection, zombie), None);
    let beat = ClaimRenewal {
        key: zombie,
        done: 9,
        total: Some(9),
    };
    assert!(
        claims::renew(connection, &[beat], LEASE)
            .unwrap()
            .is_empty()
    );

    let job = find(connection, id);
    assert_eq!((job.status, job.progress_done), (JobStatus::Started, 0));
    assert!(results::summary(connection, id).unwrap().is_none());
    assert!(claims::complete(connection, heir, &a_result()).unwrap());
    assert!(!claims::complete(connection, zombie, &a_result()).unwrap());
    assert!(
        !claims::complete(connection, heir, &a_result()).unwrap(),
        "completing twice has one effect"
    );
}

#[test]
fn a_retried_job_fails_after_its_last_attempt_with_the_last_error() {
    let connection = &mut database();
    let id = accept(connection);
    for attempt in 1..=MAX_ATTEMPTS {
        let key = claim(connection, id).key;
        assert_eq!(key.attempt, attempt);
        assert_eq!(retry(connection, key), Some(JobStatus::Retry));
        assert_eq!(find(connection, id).error, Some(an_error()));
    }
    assert_eq!(try_claim(connection, id), Claimed::Exhausted);
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
}

#[test]
fn a_job_that_kills_its_worker_each_time_fails_at_the_last_attempt() {
    let connection = &mut database();
    let id = accept(connection);
    for _ in 0..2 {
        claim(connection, id);
        end_lease(connection, id);
    }
    // if the worker crashed a third time, the jobs beside this one would suffer too
    assert_eq!(try_claim(connection, id), Claimed::NeedsIsolation);
    assert_eq!(find(connection, id).attempt, 2);
    let alone = claims::claim(connection, id, 1, LEASE, MAX_ATTEMPTS, Isolation::Isolated).unwrap();
    assert!(matches!(alone, Claimed::Begin(claim) if claim.key.attempt == MAX_ATTEMPTS));
    end_lease(connection, id);
    assert_eq!(try_claim(connection, id), Claimed::Exhausted);
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
    let beat = ClaimRenewal {
        key,
        done: 0,
        total: None,
    };
    let renewed = claims::renew(connection, &[beat], LEASE).unwrap();
    assert_eq!(renewed.len(), 1);
    assert!(!renewed[0].cancel_requested);
    assert!(matches!(try_claim(connection, id), Claimed::Leased(_)));
    let version = find(connection, id).version;
    assert_eq!(version, 2, "nothing that a client sees has changed");

    let beat = ClaimRenewal {
        key,
        done: 500,
        total: Some(1000),
    };
    claims::renew(connection, &[beat, beat], LEASE).unwrap();
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
    let renewed = claims::renew(
        connection,
        &[ClaimRenewal {
            key,
            done: 0,
            total: None,
        }],
        LEASE,
    )
    .unwrap();
    assert!(renewed[0].cancel_requested);
    assert!(claims::revoke(connection, key).unwrap());
    assert_eq!(find(connection, running).status, JobStatus::Revoked);
    assert!(
        !claims::complete(connection, key, &a_result()).unwrap(),
        "REVOKED is for good"
    );
    assert_eq!(
        requests::cancel(connection, shared_model::job::JobId::new()).unwrap(),
        None
    );
}

#[test]
fn a_job_that_completes_before_its_worker_sees_the_cancellation_succeeds() {
    let connection = &mut database();
    let id = accept(connection);
    let key = claim(connection, id).key;
    requests::cancel(connection, id).unwrap();
    assert!(claims::complete(connection, key, &a_result()).unwrap());
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
    assert_eq!(try_claim(connection, died), Claimed::Revoked);

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
fn the_list_pages_through_jobs_newest_first_and_by_status() {
    let connection = &mut database();
    let mut ids: Vec<_> = (0..7).map(|_| accept(connection)).collect();
    ids.reverse();
    claim(connection, ids[2]);
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = requests::list(connection, None, after, 3).unwrap();
        let Some(last) = page.last() else { break };
        after = Some(requests::JobPosition {
            created_at: last.created_at,
            id: last.id,
        });
        seen.extend(page.iter().map(|job| job.id));
    }
    assert_eq!(seen, ids);
    let started = requests::list(connection, Some(JobStatus::Started), None, 10).unwrap();
    assert_eq!(
        started.iter().map(|job| job.id).collect::<Vec<_>>(),
        [ids[2]]
    );
}

/// Waits until a connection to this database waits for a row.
fn wait_until_blocked(connection: &mut PgConnection) {
    let blocked = "DO $$ BEGIN
        WHILE NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock') LOOP
            PERFORM pg_sleep(0.005), pg_stat_clear_snapshot();
        END LOOP;
    END $$";
    diesel::sql_query(blocked).execute(connection).unwrap();
}

#[test]
fn a_lease_that_ends_between_the_statements_of_a_claim_costs_no_attempt() {
    let connection = &mut database();
    let url = url_of(connection);
    let id = accept(connection);
    claim(connection, id);
    let holder = &mut connect(&url);
    holder.batch_execute("BEGIN").unwrap();
    let lock = format!("SELECT 1 FROM calendar_jobs WHERE id = '{id}' FOR UPDATE");
    holder.batch_execute(&lock).unwrap();
    // the job is leased when the first statement runs, and no longer when the second one runs
    let claiming = std::thread::spawn(move || try_claim(&mut connect(&url), id));
    wait_until_blocked(connection);
    end_lease(holder, id);
    holder.batch_execute("COMMIT").unwrap();
    assert_eq!(claiming.join().unwrap(), Claimed::Leased(Duration::ZERO));
    assert_eq!(find(connection, id).status, JobStatus::Started);
    assert_eq!(claim(connection, id).key.attempt, 2);
}
