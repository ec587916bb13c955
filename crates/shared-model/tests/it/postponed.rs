//! Postponed messages: each is sent again when its time has come, unless its job needs no message any more.

use std::time::Duration;

use diesel::PgConnection;
use diesel::connection::SimpleConnection;
use shared_model::job::{JobId, JobStatus};
use shared_model::job_store::claims::{self, Claimed};
use shared_model::job_store::evidence::{self, Observation};
use shared_model::job_store::failed::{self, Redriver};
use shared_model::job_store::outbox::{self, Postponed, PostponedAs, SendKey};
use shared_model::job_store::requests;
use shared_model::message::OutboundMessage;

use crate::support::{
    accept, accept_many, an_error, claim, complete, database, find, lock_row, pass, republish_lost,
    try_claim,
};

const MINUTE: Duration = Duration::from_mins(1);

/// The first message of a job, to be sent again a minute later.
fn in_a_minute(id: JobId) -> Postponed {
    Postponed {
        id,
        generation: 1,
        delay: MINUTE,
    }
}

fn postpone(connection: &mut PgConnection, message: Postponed) -> PostponedAs {
    let answers = outbox::postpone(connection, &[message]).unwrap();
    assert_eq!(answers.len(), 1);
    answers[0]
}

fn take(connection: &mut PgConnection) -> Vec<OutboundMessage> {
    outbox::take(connection, 10).unwrap()
}

fn take_ids(connection: &mut PgConnection) -> Vec<JobId> {
    let taken = take(connection);
    taken.iter().map(|one| one.message.job_id).collect()
}

/// A relay sends the message of the only job that has one, and records that.
fn send(connection: &mut PgConnection) -> SendKey {
    let taken = take(connection);
    assert_eq!(taken.len(), 1);
    let key = SendKey::from(&taken[0]);
    outbox::mark_sent(connection, &[key]).unwrap();
    key
}

fn backlog(connection: &mut PgConnection) -> (i64, f64) {
    let backlog = outbox::backlog(connection).unwrap();
    (backlog.jobs, backlog.oldest_age_seconds)
}

/// An attempt fails, and the next one is to begin a minute later.
fn fail_attempt(connection: &mut PgConnection, id: JobId) {
    let key = claim(connection, id).key;
    let status = claims::retry(connection, key, &an_error(), MINUTE).unwrap();
    assert_eq!(status, Some(JobStatus::Retry));
}

#[test]
fn a_postponed_message_is_sent_again_when_its_delay_is_over_and_not_before() {
    let connection = &mut database();
    let id = accept(connection);
    send(connection);
    fail_attempt(connection, id);
    assert_eq!(postpone(connection, in_a_minute(id)), PostponedAs::Written);
    pass(connection, "59 s");
    assert_eq!(take_ids(connection), []);
    pass(connection, "1 s");
    let again = take(connection);
    assert_eq!(again.len(), 1);
    assert_eq!(
        (again[0].message.job_id, again[0].message.generation),
        (id, 1)
    );
    assert_eq!(again[0].sends, 3, "sent, postponed, sent");
    claim(connection, id);
}

#[test]
fn a_message_without_a_delay_is_sent_again_at_once() {
    let connection = &mut database();
    let id = accept(connection);
    send(connection);
    let at_once = Postponed {
        delay: Duration::ZERO,
        ..in_a_minute(id)
    };
    assert_eq!(postpone(connection, at_once), PostponedAs::Written);
    assert_eq!(take_ids(connection), [id]);
}

#[test]
fn a_relay_that_records_late_what_it_has_sent_does_not_hide_that_the_message_was_postponed() {
    let connection = &mut database();
    let id = accept(connection);
    let sent = SendKey::from(&take(connection)[0]);
    fail_attempt(connection, id);
    postpone(connection, in_a_minute(id));
    outbox::mark_sent(connection, &[sent]).unwrap();
    pass(connection, "1 min");
    assert_eq!(take_ids(connection), [id]);
}

#[test]
fn a_relay_that_fails_late_does_not_send_a_postponed_message_early() {
    let connection = &mut database();
    let id = accept(connection);
    let taken = SendKey::from(&take(connection)[0]);
    fail_attempt(connection, id);
    postpone(connection, in_a_minute(id));
    outbox::release(connection, &[taken]).unwrap();
    assert_eq!(take_ids(connection), []);
}

#[test]
fn copies_of_a_message_are_sent_again_once_and_at_the_earliest_of_their_times() {
    let connection = &mut database();
    let id = accept(connection);
    send(connection);
    fail_attempt(connection, id);
    let later = Postponed {
        delay: 2 * MINUTE,
        ..in_a_minute(id)
    };
    let answers = outbox::postpone(connection, &[later, in_a_minute(id), later]).unwrap();
    assert_eq!(answers, [PostponedAs::Written; 3]);
    // another worker has one more
    assert_eq!(postpone(connection, later), PostponedAs::Written);
    pass(connection, "1 min");
    assert_eq!(take_ids(connection), [id]);
    pass(connection, "29 s");
    assert_eq!(take_ids(connection), [], "a relay has it");
}

#[test]
fn each_message_gets_an_answer_in_its_order() {
    let connection = &mut database();
    let [waiting, revoked, redriven, deleted] = accept_many(connection, 4).try_into().unwrap();
    requests::cancel(connection, revoked).unwrap();
    let key = claim(connection, redriven).key;
    claims::fail(connection, key, &an_error()).unwrap();
    failed::redrive(connection, &[redriven], &Redriver::Command).unwrap();
    let delete = format!("DELETE FROM calendar_jobs WHERE id = '{deleted}'");
    connection.batch_execute(&delete).unwrap();
    let messages = [deleted, redriven, waiting, revoked].map(in_a_minute);
    assert_eq!(
        outbox::postpone(connection, &messages).unwrap(),
        [
            PostponedAs::Stale,
            PostponedAs::Stale,
            PostponedAs::Written,
            PostponedAs::Stale
        ]
    );
    assert_eq!(outbox::postpone(connection, &[]).unwrap(), []);
}

#[test]
fn a_copy_from_before_a_redrive_is_stale_beside_the_new_message() {
    let connection = &mut database();
    let id = accept(connection);
    let key = claim(connection, id).key;
    claims::fail(connection, key, &an_error()).unwrap();
    failed::redrive(connection, &[id], &Redriver::Command).unwrap();
    send(connection);
    let old = in_a_minute(id);
    let new = Postponed {
        generation: 2,
        ..old
    };
    assert_eq!(
        outbox::postpone(connection, &[old, new]).unwrap(),
        [PostponedAs::Stale, PostponedAs::Written]
    );
    pass(connection, "1 min");
    assert_eq!(take(connection)[0].message.generation, 2);
}

#[test]
fn a_locked_job_is_busy_and_its_neighbours_are_postponed() {
    let connection = &mut database();
    connection.batch_execute("SET lock_timeout = 1").unwrap();
    let ids: [JobId; 3] = accept_many(connection, 3).try_into().unwrap();
    let _lock = lock_row(connection, ids[1]);
    assert_eq!(
        outbox::postpone(connection, &ids.map(in_a_minute)).unwrap(),
        [
            PostponedAs::Written,
            PostponedAs::Busy,
            PostponedAs::Written
        ]
    );
}

#[test]
fn a_copy_that_was_postponed_while_another_worker_runs_the_job_is_not_sent_if_that_worker_succeeds()
{
    let connection = &mut database();
    let id = accept(connection);
    send(connection);
    let key = claim(connection, id).key;
    let Claimed::NotYet(delay) = try_claim(connection, id) else {
        panic!("the other worker's lease is valid");
    };
    let copy = Postponed {
        delay,
        ..in_a_minute(id)
    };
    assert_eq!(postpone(connection, copy), PostponedAs::Written);
    complete(connection, key);
    pass(connection, "10 min");
    assert_eq!(take_ids(connection), []);
    assert_eq!(find(connection, id).status, JobStatus::Success);
}

#[test]
fn a_claim_or_a_cancellation_makes_a_postponed_message_needless() {
    let connection = &mut database();
    let ids = accept_many(connection, 2);
    for id in &ids {
        postpone(connection, in_a_minute(*id));
    }
    claim(connection, ids[0]);
    requests::cancel(connection, ids[1]).unwrap();
    pass(connection, "10 min");
    assert_eq!(take_ids(connection), []);
}

#[test]
fn a_message_that_waits_for_its_backoff_or_for_the_lease_of_another_worker_is_no_backlog() {
    let connection = &mut database();
    let ids = accept_many(connection, 2);
    pass(connection, "1 hour");
    fail_attempt(connection, ids[0]);
    claim(connection, ids[1]);
    for id in &ids {
        postpone(connection, in_a_minute(*id));
    }
    assert_eq!(backlog(connection), (0, 0.0));

    pass(connection, "1 min");
    let (jobs, age) = backlog(connection);
    assert_eq!(jobs, 2, "nobody has sent them again");
    assert!(
        age < 60.0,
        "since then, not since the job was accepted: {age}"
    );
}

#[test]
fn a_postponed_message_does_not_count_as_lost() {
    let connection = &mut database();
    let id = accept(connection);
    send(connection);
    let tomorrow = Postponed {
        delay: Duration::from_hours(24),
        ..in_a_minute(id)
    };
    postpone(connection, tomorrow);
    let empty = Observation {
        empty_since: Some(Duration::ZERO),
        ..Observation::default()
    };
    for (is_sent_again, lost) in [(false, 0), (true, 1)] {
        if is_sent_again {
            pass(connection, "1 day");
            send(connection);
        }
        pass(connection, "2 hours");
        evidence::record(connection, "queue", empty).unwrap();
        assert_eq!(republish_lost(connection, "queue", MINUTE), lost);
    }
}
