//! Every end of a job stores its events, whoever ends it, and nothing else does.

use std::time::Duration;

use diesel::{PgConnection, RunQueryDsl};
use serde_json::Value;
use shared_model::event_deliveries::EndOfJob;
use shared_model::job::{ErrorCode, JobId, JobStatus};
use shared_model::job_store::claims;
use shared_model::job_store::failed::Redriver;
use shared_model::job_store::requests;
use shared_model::job_store::{dead_letters, failed};

use crate::event_deliveries::{subscribe, take_all};
use crate::support::{
    MAX_ATTEMPTS, accept, accept_many, an_error, claim, complete, database, end_lease,
    fail_overdue, find, pass, try_claim,
};

/// Accepts a job that tells a topic and a webhook when it ends.
fn accept_observed(connection: &mut PgConnection) -> JobId {
    let id = accept(connection);
    subscribe(connection, id, &["sns", "https://a.example/"]);
    id
}

fn count(connection: &mut PgConnection) -> i64 {
    use diesel::QueryDsl;
    shared_model::schema::event_deliveries::table
        .count()
        .get_result(connection)
        .unwrap()
}

/// The events in the order in which they were stored, as (event id, destination, event).
fn events(connection: &mut PgConnection) -> Vec<(String, String, Value)> {
    use diesel::prelude::*;
    use shared_model::schema::event_deliveries::dsl;
    dsl::event_deliveries
        .select((dsl::event_id, dsl::destination, dsl::event))
        .order(dsl::id)
        .load(connection)
        .unwrap()
}

/// Checks that the job has ended in `status`, and has one event, for each of its destinations.
#[track_caller]
fn assert_one_end(connection: &mut PgConnection, id: JobId, status: JobStatus) -> EndOfJob {
    let job = find(connection, id);
    assert_eq!(job.status, status);
    let stored = events(connection);
    let destinations: Vec<_> = stored.iter().map(|(_, to, _)| to.as_str()).collect();
    assert_eq!(destinations, ["sns", "https://a.example/"]);
    assert_eq!(stored[0].0, format!("{id}_{}", job.version));
    assert_eq!(
        stored[0].0, stored[1].0,
        "one event, however many receive it"
    );
    let end: EndOfJob = serde_json::from_value(stored[0].2.clone()).unwrap();
    assert_eq!(
        (end.task_id, end.task_status, end.attempt),
        (id, status, job.attempt)
    );
    let error = job.error.map(|error| serde_json::to_value(error).unwrap());
    assert_eq!(end.error, error);
    assert_eq!(
        (
            end.created_at,
            end.started_at,
            Some(end.finished_at),
            end.expires_at
        ),
        (
            job.created_at,
            job.started_at,
            job.finished_at,
            job.expires_at
        )
    );
    end
}

#[test]
fn a_completed_job_tells_each_destination_once() {
    let connection = &mut database();
    let id = accept_observed(connection);
    let key = claim(connection, id).key;
    assert_eq!(count(connection), 0, "a claim is no end");
    complete(connection, key);
    complete(connection, key);
    assert_one_end(connection, id, JobStatus::Success);
}

#[test]
fn a_failed_job_tells_why() {
    let connection = &mut database();
    let id = accept_observed(connection);
    let key = claim(connection, id).key;
    claims::fail(connection, key, &an_error()).unwrap();
    let end = assert_one_end(connection, id, JobStatus::Failure);
    assert_eq!(end.error.unwrap()["code"], "database");
}

#[test]
fn jobs_that_clients_cancel_tell_it_when_they_have_ended() {
    let connection = &mut database();
    let id = accept_observed(connection);
    requests::cancel(connection, id).unwrap();
    assert_one_end(connection, id, JobStatus::Revoked);

    let connection = &mut database();
    let id = accept_observed(connection);
    let key = claim(connection, id).key;
    requests::cancel(connection, id).unwrap();
    assert_eq!(count(connection), 0, "its worker has not stopped yet");
    claims::revoke(connection, key).unwrap();
    assert_one_end(connection, id, JobStatus::Revoked);

    let connection = &mut database();
    let id = accept_observed(connection);
    let key = claim(connection, id).key;
    requests::cancel(connection, id).unwrap();
    claims::unclaim(connection, &[key], Duration::ZERO).unwrap();
    assert_one_end(connection, id, JobStatus::Revoked);

    let connection = &mut database();
    let id = accept_observed(connection);
    let key = claim(connection, id).key;
    requests::cancel(connection, id).unwrap();
    claims::retry(connection, key, &an_error(), Duration::ZERO).unwrap();
    assert_one_end(connection, id, JobStatus::Revoked);
}

#[test]
fn a_job_that_runs_out_of_attempts_tells_it_once() {
    let connection = &mut database();
    let id = accept_observed(connection);
    for _ in 0..MAX_ATTEMPTS {
        let key = claim(connection, id).key;
        claims::retry(connection, key, &an_error(), Duration::ZERO).unwrap();
        assert_eq!(count(connection), 0, "another attempt is no end");
    }
    claims::end_unclaimable(connection, MAX_ATTEMPTS, None).unwrap();
    claims::end_unclaimable(connection, MAX_ATTEMPTS, None).unwrap();
    let end = assert_one_end(connection, id, JobStatus::Failure);
    assert_eq!(end.attempt, MAX_ATTEMPTS);
}

#[test]
fn jobs_that_sweeps_and_dead_letters_end_tell_it() {
    let connection = &mut database();
    let id = accept_observed(connection);
    pass(connection, "2 hours");
    fail_overdue(connection);
    let end = assert_one_end(connection, id, JobStatus::Failure);
    let code = serde_json::to_value(ErrorCode::ExpiredInQueue).unwrap();
    assert_eq!(end.error.unwrap()["code"], code);

    let connection = &mut database();
    let id = accept_observed(connection);
    dead_letters::give_up(connection, id, 1).unwrap();
    dead_letters::give_up(connection, id, 1).unwrap();
    assert_one_end(connection, id, JobStatus::Failure);
}

#[test]
fn a_redriven_job_that_ends_again_has_a_second_event_that_waits_for_the_first() {
    let connection = &mut database();
    let id = accept_observed(connection);
    dead_letters::give_up(connection, id, 1).unwrap();
    failed::redrive(connection, &[id], &Redriver::Command).unwrap();
    requests::cancel(connection, id).unwrap();
    let stored = events(connection);
    let statuses: Vec<_> = stored
        .iter()
        .map(|(_, to, event)| (to.as_str(), event["task_status"].as_str().unwrap()))
        .collect();
    assert_eq!(
        statuses,
        [
            ("sns", "FAILURE"),
            ("https://a.example/", "FAILURE"),
            ("sns", "REVOKED"),
            ("https://a.example/", "REVOKED")
        ]
    );
    assert_ne!(stored[0].0, stored[2].0, "two events");
    let first = take_all(connection);
    assert!(
        first.len() == 2
            && first
                .iter()
                .all(|one| one.event["task_status"] == "FAILURE")
    );
}

#[test]
fn a_write_that_comes_too_late_tells_nothing() {
    let connection = &mut database();
    let id = accept_observed(connection);
    let lost = claim(connection, id).key;
    end_lease(connection, id);
    let heir = claim(connection, id).key;
    claims::fail(connection, lost, &an_error()).unwrap();
    complete(connection, lost);
    assert_eq!(count(connection), 0);
    complete(connection, heir);
    assert_one_end(connection, id, JobStatus::Success);
}

/// How often the function of the trigger has run in this database.
fn calls_of_the_trigger(connection: &mut PgConnection) -> i64 {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        calls: i64,
    }
    diesel::sql_query("SELECT pg_stat_force_next_flush()")
        .execute(connection)
        .unwrap();
    let row: Row = diesel::sql_query(
        "SELECT coalesce(sum(calls), 0)::bigint AS calls FROM pg_stat_user_functions
         WHERE funcname = 'record_end_of_job'",
    )
    .get_result(connection)
    .unwrap();
    row.calls
}

#[test]
fn a_job_that_nobody_observes_stores_no_event_and_calls_no_trigger() {
    let connection = &mut database();
    diesel::sql_query("SET track_functions = 'pl'")
        .execute(connection)
        .unwrap();
    let ids = accept_many(connection, 3);
    let key = claim(connection, ids[0]).key;
    complete(connection, key);
    requests::cancel(connection, ids[1]).unwrap();
    dead_letters::give_up(connection, ids[2], 1).unwrap();
    assert!(matches!(
        try_claim(connection, ids[2]),
        claims::Claimed::Stale(_)
    ));
    assert_eq!(
        (count(connection), calls_of_the_trigger(connection)),
        (0, 0)
    );
    let observed = accept_observed(connection);
    requests::cancel(connection, observed).unwrap();
    assert_eq!(calls_of_the_trigger(connection), 1, "it is counted");
}
