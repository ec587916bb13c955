//! What operators see of a job's past.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{PgConnection, QueryDsl, RunQueryDsl};
use shared_model::job::{JobId, JobStatus};
use shared_model::job_store::claims::{self, ClaimOptions};
use shared_model::job_store::evidence::{self, Observation};
use shared_model::job_store::failed::{Filter, Pass, Redriver};
use shared_model::job_store::history::{self, AttemptEnd, Event, JobHistory};
use shared_model::job_store::outbox::{self, SendKey};
use shared_model::job_store::record::Worker;
use shared_model::job_store::{dead_letters, failed, requests};
use shared_model::schema::calendar_jobs;

use crate::support::{
    LEASE, OPTIONS, accept, an_error, claim, complete, database, delivered, end_lease,
    fail_overdue, find, new_token, pass, republish_lost,
};

const QUEUE: &str = "queue";

fn history_of(connection: &mut PgConnection, id: JobId) -> JobHistory {
    let history = history::history(connection, id).unwrap().unwrap();
    assert!(history.steps.is_sorted_by_key(|step| step.at));
    history
}

/// The steps in few words.
fn words(connection: &mut PgConnection, id: JobId) -> Vec<String> {
    let word = |event: &Event| match event {
        Event::Accepted => "accepted".to_owned(),
        Event::Published => "published".to_owned(),
        Event::Attempt(attempt) => {
            let end = attempt.end.map_or("running", AttemptEnd::name);
            format!("{} {end}", attempt.number)
        }
        Event::Republished => "republished".to_owned(),
        Event::Redriven { by } => match by {
            Some(Redriver::Api { token_name }) => {
                format!(
                    "redriven with {}",
                    token_name.as_deref().unwrap_or("no token")
                )
            }
            Some(Redriver::Command) => "redriven by the command".to_owned(),
            None => "redriven".to_owned(),
        },
        Event::Ended { status, .. } => status.name().to_owned(),
    };
    let steps = history_of(connection, id).steps;
    steps.iter().map(|step| word(&step.event)).collect()
}

fn retry(connection: &mut PgConnection, id: JobId) {
    let key = claim(connection, id).key;
    claims::retry(connection, key, &an_error(), Duration::ZERO).unwrap();
}

/// The relay sends the messages that have to be sent.
fn publish(connection: &mut PgConnection) {
    let taken = outbox::take(connection, 10).unwrap();
    let keys: Vec<_> = taken.iter().map(SendKey::from).collect();
    outbox::mark_sent(connection, &keys).unwrap();
}

#[test]
fn a_job_that_succeeds_at_once_stores_no_history_and_has_one_all_the_same() {
    let connection = &mut database();
    let id = accept(connection);
    publish(connection);
    assert_eq!(words(connection, id), ["accepted", "published"]);
    let key = claim(connection, id).key;
    assert_eq!(
        words(connection, id),
        ["accepted", "published", "1 running"]
    );
    complete(connection, key);
    let expected = ["accepted", "published", "1 success", "SUCCESS"];
    assert_eq!(words(connection, id), expected);
    let stored = calendar_jobs::table
        .find(id.0)
        .select(calendar_jobs::history)
        .first::<Option<serde_json::Value>>(connection)
        .unwrap();
    assert_eq!(stored, None);
    assert_eq!(history::history(connection, JobId::new()).unwrap(), None);
}

#[test]
fn the_history_names_every_attempt_and_its_worker() {
    let connection = &mut database();
    connection
        .batch_execute(
            "INSERT INTO processes (id, role, host, pid, version) OVERRIDING SYSTEM VALUE
             VALUES (7, 'worker', 'here', 1, '0.1.0'), (8, 'worker', 'there', 2, '0.1.0')",
        )
        .unwrap();
    let id = accept(connection);
    retry(connection, id);
    claim(connection, id);
    end_lease(connection, id);
    let options = ClaimOptions {
        worker_id: Some(8),
        ..OPTIONS
    };
    let due = claims::claim_due(connection, options, new_token(), 1).unwrap();
    claims::fail(connection, due[0].key, &an_error()).unwrap();

    let JobHistory { job, steps, .. } = history_of(connection, id);
    let (here, there) = (Some(worker(7, "here")), Some(worker(8, "there")));
    assert_eq!((job.status, &job.worker), (JobStatus::Failure, &there));
    let attempts: Vec<_> = steps
        .iter()
        .filter_map(|step| match &step.event {
            Event::Attempt(attempt) => Some((attempt, step.at)),
            _ => None,
        })
        .collect();
    let ends: Vec<_> = attempts
        .iter()
        .map(|(one, _)| (one.number, one.end.unwrap(), &one.worker, &one.error))
        .collect();
    let expected = [
        (1, AttemptEnd::Retry, &here, &Some(an_error())),
        (2, AttemptEnd::Lost, &here, &None),
        (3, AttemptEnd::Failure, &there, &None),
    ];
    assert_eq!(ends, expected);
    assert_eq!(attempts[2].0.ended_at, job.finished_at);
    assert!(
        attempts
            .iter()
            .all(|(one, began_at)| one.ended_at.is_some() && *began_at >= job.created_at)
    );
    let ended = &steps.last().unwrap().event;
    let error = Some(an_error());
    let status = JobStatus::Failure;
    assert_eq!(*ended, Event::Ended { status, error });
}

fn worker(id: i32, host: &str) -> Worker {
    let host = Some(host.to_owned());
    Worker { id, host }
}

#[test]
fn a_delivery_that_finds_the_lease_of_a_dead_worker_records_its_attempt_as_lost() {
    let connection = &mut database();
    let id = accept(connection);
    claim(connection, id);
    end_lease(connection, id);
    let again = delivered(id);
    for _ in 0..2 {
        // the second call repeats the first, whose answer was lost
        claims::claim_delivered(connection, OPTIONS, &[again]).unwrap();
        assert_eq!(words(connection, id), ["accepted", "1 lost", "2 running"]);
    }
}

#[test]
fn the_last_attempt_of_a_dead_worker_is_lost_and_ended_with_its_lease() {
    type End = fn(&mut PgConnection, JobId);
    let ends: [(&str, End); 3] = [
        ("FAILURE", |connection, _| {
            claims::end_unclaimable(connection, 1, None).unwrap();
        }),
        ("REVOKED", |connection, id| {
            requests::cancel(connection, id).unwrap();
            claims::end_unclaimable(connection, 100, None).unwrap();
        }),
        ("FAILURE", |connection, id| {
            assert_eq!(fail_overdue(connection), [id]);
        }),
    ];
    let connection = &mut database();
    for (status, end) in ends {
        let id = accept(connection);
        claim(connection, id);
        pass(connection, "1 day");
        end(connection, id);
        let expected = ["accepted", "1 lost", status];
        assert_eq!(words(connection, id), expected);
        let JobHistory { job, steps, .. } = history_of(connection, id);
        let Event::Attempt(attempt) = &steps[1].event else {
            panic!("{steps:?}");
        };
        assert_eq!(attempt.worker, job.worker);
        let took = attempt.ended_at.unwrap() - steps[1].at;
        assert_eq!(took.to_std().unwrap(), LEASE);

        if status == "FAILURE" {
            failed::redrive(connection, &[id], &Redriver::Command).unwrap();
            let expected = ["accepted", "1 lost", status, "redriven by the command"];
            assert_eq!(words(connection, id), expected);
        }
        requests::cancel(connection, id).unwrap();
    }
}

#[test]
fn an_attempt_that_never_began_is_not_in_the_history() {
    let connection = &mut database();
    let id = accept(connection);
    let key = claim(connection, id).key;
    claims::unclaim(connection, &[key], Duration::ZERO).unwrap();
    assert_eq!(words(connection, id), ["accepted"]);
    requests::cancel(connection, id).unwrap();
    assert_eq!(words(connection, id), ["accepted", "REVOKED"]);
}

#[test]
fn a_job_that_fails_without_another_attempt_names_its_last_one_once() {
    let connection = &mut database();
    let id = accept(connection);
    for _ in 0..OPTIONS.max_attempts {
        retry(connection, id);
    }
    claims::end_unclaimable(connection, OPTIONS.max_attempts, None).unwrap();
    let expected = ["accepted", "1 retry", "2 retry", "3 retry", "FAILURE"];
    assert_eq!(words(connection, id), expected);
}

#[test]
fn a_redrive_keeps_how_the_job_failed_before_and_says_who_redrove_it() {
    let connection = &mut database();
    let id = accept(connection);
    publish(connection);
    let key = claim(connection, id).key;
    claims::fail(connection, key, &an_error()).unwrap();
    let with = |token_name: Option<&str>| Redriver::Api {
        token_name: token_name.map(str::to_owned),
    };
    failed::redrive(connection, &[id], &with(Some("night shift"))).unwrap();
    let mut expected = vec!["accepted", "published", "1 failure", "FAILURE"];
    expected.push("redriven with night shift");
    assert_eq!(words(connection, id), expected);
    publish(connection);
    let redrivers = [Redriver::Command, with(None)];
    let redriven = ["redriven by the command", "redriven with no token"];
    for (generation, (by, redriven)) in (2..).zip(redrivers.iter().zip(redriven)) {
        dead_letters::give_up(connection, id, generation).unwrap();
        let all = failed::redrive_matching(connection, &Filter::default(), Pass::new(), by);
        assert_eq!(all.unwrap().jobs, [id]);
        if generation == 2 {
            expected.push("published");
        }
        expected.extend(["FAILURE", redriven]);
        assert_eq!(words(connection, id), expected);
    }
}

#[test]
fn a_lost_message_is_in_the_history() {
    let connection = &mut database();
    let id = accept(connection);
    publish(connection);
    pass(connection, "1 hour");
    let empty = Observation {
        empty_since: Some(Duration::ZERO),
        ..Observation::default()
    };
    evidence::record(connection, QUEUE, empty).unwrap();
    let lost = republish_lost(connection, QUEUE, Duration::from_secs(10));
    assert_eq!(lost, 1);
    let expected = ["accepted", "published", "republished"];
    assert_eq!(words(connection, id), expected);
    publish(connection);
    let expected = ["accepted", "published", "republished", "published"];
    assert_eq!(words(connection, id), expected);
}

#[test]
fn only_the_latest_hundred_entries_are_kept() {
    let connection = &mut database();
    let id = accept(connection);
    let options = ClaimOptions {
        max_attempts: 1000,
        ..OPTIONS
    };
    for attempt in 1..=105 {
        let claimed = claims::claim_delivered(connection, options, &[delivered(id)]).unwrap();
        assert_eq!(claimed.len(), 1);
        end_lease(connection, id);
        // the current attempt has no entry
        let is_truncated = history_of(connection, id).is_truncated;
        assert_eq!(is_truncated, attempt > 101, "{attempt}");
    }
    let words = words(connection, id);
    assert_eq!(words.len(), 102, "{words:?}");
    assert_eq!(words[1..=2], ["5 lost", "6 lost"]);
    assert_eq!(words[101], "105 running");
    assert_eq!(find(connection, id).status, JobStatus::Started);
}

#[test]
fn an_entry_that_another_release_wrote_is_left_out() {
    let connection = &mut database();
    let id = accept(connection);
    retry(connection, id);
    let entry = r#"{"kind": "teleported", "at": "2026-11-22T12:00:00Z"}"#;
    let sql = format!("UPDATE calendar_jobs SET history = history || '{entry}'::jsonb");
    connection.batch_execute(&sql).unwrap();
    assert_eq!(words(connection, id), ["accepted", "1 retry"]);
    let key = claim(connection, id).key;
    claims::fail(connection, key, &an_error()).unwrap();
    failed::redrive(connection, &[id], &Redriver::Command).unwrap();
    connection
        .batch_execute(r#"UPDATE calendar_jobs SET history = jsonb_set(history, '{-1,by}', '{"with": "carrier pigeon"}')"#)
        .unwrap();
    let words = words(connection, id);
    assert_eq!(words.last().map(String::as_str), Some("redriven"));
}
