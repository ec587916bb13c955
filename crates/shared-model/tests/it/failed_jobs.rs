//! Listing and redriving failed jobs.

use diesel::PgConnection;
use diesel::connection::SimpleConnection;
use shared_model::job::{ErrorCode, JobError, JobId, JobStatus};
use shared_model::job_store::claims::{self, ClaimOptions};
use shared_model::job_store::failed::{self, BATCH, Filter, PART, Pass, Redriver};

use crate::support::{OPTIONS, accept, an_error, claim, database, delivered, find, lock_row, pass};

/// A job that worker 8 has failed.
fn failed_job(connection: &mut PgConnection, error: &JobError) -> JobId {
    let id = accept(connection);
    let delivered = delivered(id);
    let options = ClaimOptions {
        worker_id: Some(8),
        ..OPTIONS
    };
    claims::claim_delivered(connection, options, &[delivered]).unwrap();
    assert!(claims::fail(connection, delivered.key, error).unwrap());
    id
}

/// Stores failed jobs whose ids are less than all others: the first have code `timeout`, the others `panic`.
fn store_failed(connection: &mut PgConnection, timeouts: i64, panics: i64) {
    let sql = format!(
        "INSERT INTO calendar_jobs (id, status, request, error, finished_at, expiry, expires_at)
         SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'FAILURE', '{{}}',
                jsonb_build_object('code', CASE WHEN n <= {timeouts} THEN 'timeout' ELSE 'panic' END, 'detail', 'x'),
                now(), interval '1 hour', now() + interval '1 hour'
         FROM generate_series(1, {timeouts} + {panics}) AS n"
    );
    connection.batch_execute(&sql).unwrap();
}

/// The ids on all pages, and the sizes of the pages.
fn list_all(
    connection: &mut PgConnection,
    filter: &Filter,
    limit: usize,
) -> (Vec<JobId>, Vec<usize>) {
    let (mut ids, mut sizes) = (Vec::new(), Vec::new());
    let mut before = None;
    loop {
        let page = failed::list(connection, filter, before, limit).unwrap();
        ids.extend(page.jobs.iter().map(|job| job.id));
        sizes.push(page.jobs.len());
        before = page.next;
        if before.is_none() {
            return (ids, sizes);
        }
    }
}

/// The number of jobs that each call redrives.
fn redrive_all(connection: &mut PgConnection, filter: &Filter) -> Vec<usize> {
    let mut sizes = Vec::new();
    let mut rest = Some(Pass::new());
    while let Some(pass) = rest {
        let redriven =
            failed::redrive_matching(connection, filter, pass, &Redriver::Command).unwrap();
        sizes.push(redriven.jobs.len());
        rest = redriven.rest;
    }
    sizes
}

#[test]
fn failed_jobs_are_listed_newest_first_page_by_page() {
    let connection = &mut database();
    let mut ids: Vec<_> = (0..5)
        .map(|_| failed_job(connection, &an_error()))
        .collect();
    ids.reverse();
    accept(connection);
    let all = Filter::default();
    for (limit, sizes) in [(2, vec![2, 2, 1]), (5, vec![5]), (9, vec![5])] {
        let (listed, pages) = list_all(connection, &all, limit);
        assert_eq!((listed, pages), (ids.clone(), sizes));
    }
    let first = failed::list(connection, &all, None, 1).unwrap().jobs;
    assert_eq!(first[0].status, JobStatus::Failure);
    assert_eq!(first[0].error, Some(an_error()));
    assert_eq!(first[0].worker.as_ref().map(|worker| worker.id), Some(8));
    pass(connection, "2 hours");
    assert_eq!(list_all(connection, &all, 9), (vec![], vec![0]), "expired");
}

#[test]
fn a_filter_selects_by_error_or_its_cause_by_worker_and_by_time() {
    let connection = &mut database();
    let timeout = JobError::new(ErrorCode::Timeout, "it took too long");
    let direct = failed_job(connection, &timeout);
    pass(connection, "10 min");
    let last = failed_job(connection, &timeout.after_last_attempt(3));
    let other = accept(connection);
    let key = claim(connection, other).key;
    claims::fail(connection, key, &an_error()).unwrap();
    let expected = |filter: Filter, ids: &[JobId], connection: &mut PgConnection| {
        assert_eq!(list_all(connection, &filter, 10).0, ids, "{filter:?}");
    };
    let code = |code| Filter {
        error_code: Some(code),
        ..Filter::default()
    };
    expected(code(ErrorCode::Timeout), &[last, direct], connection);
    expected(code(ErrorCode::AttemptsExhausted), &[last], connection);
    expected(code(ErrorCode::Panic), &[], connection);
    let mut filter = Filter {
        worker_id: Some(8),
        ..Filter::default()
    };
    expected(filter.clone(), &[last, direct], connection);
    filter.finished_after = find(connection, last).finished_at;
    expected(filter.clone(), &[last], connection);
    let redriven =
        failed::redrive_matching(connection, &filter, Pass::new(), &Redriver::Command).unwrap();
    assert_eq!((redriven.jobs, redriven.rest), (vec![last], None));
}

#[test]
fn of_the_named_jobs_those_that_failed_are_redriven() {
    let connection = &mut database();
    let failed = failed_job(connection, &an_error());
    let waiting = accept(connection);
    let named = [waiting, failed, JobId::new()];
    assert_eq!(
        failed::redrive(connection, &named, &Redriver::Command).unwrap(),
        [failed]
    );
    assert_eq!(
        failed::redrive(connection, &named, &Redriver::Command).unwrap(),
        []
    );
    let job = find(connection, failed);
    assert_eq!((job.status, job.attempt), (JobStatus::Pending, 0));
}

#[test]
fn many_failed_jobs_are_redriven_batch_by_batch() {
    let connection = &mut database();
    store_failed(connection, 600, 650);
    let panics = Filter {
        error_code: Some(ErrorCode::Panic),
        ..Filter::default()
    };
    let batch = usize::try_from(BATCH).unwrap();
    assert_eq!(redrive_all(connection, &panics), [batch, 150]);
    assert_eq!(redrive_all(connection, &panics), [0]);
    assert_eq!(redrive_all(connection, &Filter::default()), [batch, 100]);
}

#[test]
fn a_call_looks_at_a_part_of_the_failed_jobs_and_says_where_the_next_one_goes_on() {
    let connection = &mut database();
    store_failed(connection, 3, PART);
    let timeouts = Filter {
        error_code: Some(ErrorCode::Timeout),
        ..Filter::default()
    };
    let (ids, pages) = list_all(connection, &timeouts, 10);
    assert_eq!((ids.len(), pages), (3, vec![0, 3]));
    let panics = Filter {
        error_code: Some(ErrorCode::Panic),
        worker_id: Some(9),
        ..Filter::default()
    };
    assert_eq!(redrive_all(connection, &panics), [0, 0]);
    assert_eq!(redrive_all(connection, &timeouts), [3, 0]);
}

#[test]
fn a_pass_ends_although_its_jobs_fail_again_and_others_fail_meanwhile() {
    let connection = &mut database();
    let count = 2 * BATCH;
    store_failed(connection, 0, count);
    let mut redriven = 0;
    let mut rest = Some(Pass::new());
    while let Some(pass) = rest {
        let batch =
            failed::redrive_matching(connection, &Filter::default(), pass, &Redriver::Command)
                .unwrap();
        redriven += batch.jobs.len();
        rest = batch.rest;
        let fail = "UPDATE calendar_jobs SET status = 'FAILURE', finished_at = now() WHERE status = 'PENDING'";
        connection.batch_execute(fail).unwrap();
        failed_job(connection, &an_error());
    }
    assert_eq!(i64::try_from(redriven).unwrap(), count);
}

#[test]
fn a_batch_leaves_a_locked_job_for_later() {
    let connection = &mut database();
    let locked = failed_job(connection, &an_error());
    let other = failed_job(connection, &an_error());
    let lock = lock_row(connection, locked);
    let redrive = |connection: &mut PgConnection| {
        let all = Filter::default();
        failed::redrive_matching(connection, &all, Pass::new(), &Redriver::Command)
            .unwrap()
            .jobs
    };
    assert_eq!(redrive(connection), [other]);
    drop(lock);
    assert_eq!(redrive(connection), [locked]);
}
