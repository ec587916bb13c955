//! A message is lost only on evidence. Time alone never makes it so.

use std::time::Duration;

use diesel::PgConnection;
use diesel::connection::SimpleConnection;
use shared_model::job::{JobId, JobStatus};
use shared_model::job_store::claims;
use shared_model::job_store::evidence::{self, Observation};
use shared_model::job_store::outbox::{self, SendKey};
use shared_model::job_store::requests::{self, Sender};

use crate::support::{
    FIRST, OPTIONS, accept, accept_many, an_error, begun, claim, claim_delivered, complete,
    database, delivered, end_lease, find, new_job, new_token, pass, republish_lost, try_claim,
};

const QUEUE: &str = "https://sqs.example/1/jobs";
const AFTER: Duration = Duration::from_mins(15);

/// Longer than a queue that delivers one message at a time can hide it.
const SILENCE: Duration = Duration::from_mins(2);

/// Sends everything that is to be sent, and returns how many messages that were.
fn send_all(connection: &mut PgConnection) -> usize {
    let taken = outbox::take(connection, 100).unwrap();
    let keys: Vec<_> = taken.iter().map(SendKey::from).collect();
    outbox::mark_sent(connection, &keys).unwrap();
    keys.len()
}

fn republish(connection: &mut PgConnection) -> usize {
    republish_lost(connection, QUEUE, AFTER)
}

fn record(connection: &mut PgConnection, observation: Observation) {
    evidence::record(connection, QUEUE, observation).unwrap();
}

/// The queue has just been empty.
fn record_empty(connection: &mut PgConnection) {
    let observation = Observation {
        empty_since: Some(Duration::ZERO),
        ..Observation::default()
    };
    record(connection, observation);
}

/// A queue that delivers one message at a time has been silent.
fn record_silence(connection: &mut PgConnection) {
    let observation = Observation {
        empty_since: Some(SILENCE),
        is_serial: true,
        ..Observation::default()
    };
    record(connection, observation);
}

/// A message has arrived that was handed to the queue just now.
fn record_delivery(connection: &mut PgConnection) {
    let now = requests::insert(connection, &[]).unwrap();
    let observation = Observation {
        newest_delivered: Some(now),
        ..Observation::default()
    };
    record(connection, observation);
}

/// A job whose message was sent an hour ago.
fn sent_an_hour_ago(connection: &mut PgConnection) -> JobId {
    let id = accept(connection);
    send_all(connection);
    pass(connection, "1 hour");
    id
}

#[test]
fn a_backlog_of_any_age_is_no_evidence_of_a_loss() {
    let connection = &mut database();
    let waiting = accept_many(connection, 50);
    send_all(connection);
    pass(connection, "300 days");
    assert_eq!(republish(connection), 0, "no worker has reported anything");

    // workers receive the oldest messages, one after the other
    let observation = Observation {
        newest_delivered: Some(find(connection, waiting[0]).created_at),
        ..Observation::default()
    };
    record(connection, observation);
    assert_eq!(republish(connection), 0);
}

#[test]
fn evidence_about_another_queue_counts_for_nothing() {
    let connection = &mut database();
    sent_an_hour_ago(connection);
    let observation = Observation {
        empty_since: Some(Duration::ZERO),
        ..Observation::default()
    };
    evidence::record(connection, "https://sqs.example/1/other", observation).unwrap();
    assert_eq!(republish(connection), 0);
    record_empty(connection);
    assert_eq!(republish(connection), 1);
}

#[test]
fn a_message_that_later_ones_have_overtaken_is_lost() {
    let connection = &mut database();
    let id = accept(connection);
    send_all(connection);
    pass(connection, "14 min");
    record_delivery(connection);
    assert_eq!(
        republish(connection),
        0,
        "queues do not keep the order exactly"
    );
    pass(connection, "2 min");
    assert_eq!(republish(connection), 1);
    assert_eq!(outbox::take(connection, 10).unwrap()[0].message.job_id, id);
}

#[test]
fn a_message_that_has_not_arrived_when_the_queue_is_empty_is_lost() {
    let connection = &mut database();
    let id = accept(connection);
    send_all(connection);
    record_empty(connection);
    assert_eq!(republish(connection), 0, "it may still be on its way");
    pass(connection, "16 min");
    record_empty(connection);
    assert_eq!(republish(connection), 1);
    assert_eq!(outbox::take(connection, 10).unwrap()[0].message.job_id, id);
    assert_eq!(republish(connection), 0, "a relay has it");
}

#[test]
fn sending_a_message_again_changes_nothing_that_anyone_can_see() {
    let connection = &mut database();
    let id = sent_an_hour_ago(connection);
    let before = find(connection, id);
    record_empty(connection);
    assert_eq!(republish(connection), 1);
    assert_eq!(find(connection, id), before);
    let again = outbox::take(connection, 1).unwrap();
    assert_eq!((again[0].message.generation, again[0].sends), (1, 2));
}

#[test]
fn both_copies_stay_valid_and_the_job_is_done_once() {
    let connection = &mut database();
    let id = sent_an_hour_ago(connection);
    record_empty(connection);
    republish(connection);
    let (first, second) = (delivered(id), delivered(id));
    let claim = begun(claim_delivered(connection, first));
    assert!(matches!(
        claim_delivered(connection, second),
        claims::Claimed::NotYet(_)
    ));
    assert_eq!(complete(connection, claim.key), claims::Written::Done);
    assert!(matches!(
        claim_delivered(connection, second),
        claims::Claimed::Stale(_)
    ));
    assert_eq!(outbox::backlog(connection).unwrap().jobs, 0);
}

#[test]
fn the_wait_doubles_with_each_send_and_stops_at_eight_times() {
    let connection = &mut database();
    accept(connection);
    for factor in [1, 2, 4, 8, 8, 8] {
        assert_eq!(send_all(connection), 1);
        let minutes = 15 * factor;
        pass(connection, &format!("{} min", minutes - 1));
        record_empty(connection);
        assert_eq!(republish(connection), 0, "before {minutes} minutes");
        pass(connection, "2 min");
        record_empty(connection);
        assert_eq!(republish(connection), 1, "after {minutes} minutes");
    }
}

#[test]
fn a_running_job_is_not_lost_and_its_message_is_when_its_worker_has_long_been_gone() {
    let connection = &mut database();
    let id = sent_an_hour_ago(connection);
    claim(connection, id);
    record_empty(connection);
    assert_eq!(republish(connection), 0);
    end_lease(connection, id);
    assert_eq!(republish(connection), 0, "its message comes back soon");
    pass(connection, "16 min");
    record_empty(connection);
    assert_eq!(republish(connection), 1);
    assert_eq!(find(connection, id).status, JobStatus::Started);
    assert_eq!(claim(connection, id).attempt, 2);
}

#[test]
fn a_retried_job_is_lost_only_when_its_backoff_has_long_ended() {
    let connection = &mut database();
    let id = sent_an_hour_ago(connection);
    let key = claim(connection, id).key;
    let backoff = Duration::from_hours(1);
    claims::retry(connection, key, &an_error(), backoff).unwrap();
    record_empty(connection);
    assert_eq!(republish(connection), 0);
    assert_eq!(send_all(connection), 0, "the claim proved that it arrived");
    pass(connection, "74 min");
    record_empty(connection);
    assert_eq!(republish(connection), 0);
    pass(connection, "2 min");
    record_empty(connection);
    assert_eq!(republish(connection), 1);
}

#[test]
fn a_message_that_was_never_sent_or_whose_job_has_ended_is_not_lost() {
    let connection = &mut database();
    let ended = accept(connection);
    send_all(connection);
    requests::cancel(connection, ended).unwrap();
    let unsent = accept(connection);
    pass(connection, "1 hour");
    record_empty(connection);
    assert_eq!(republish(connection), 0);
    let taken = outbox::take(connection, 10).unwrap();
    assert_eq!(taken.len(), 1);
    assert_eq!((taken[0].message.job_id, taken[0].sends), (unsent, 1));
}

#[test]
fn a_job_that_workers_claim_from_the_table_has_no_message_to_lose() {
    let connection = &mut database();
    let job = new_job(Sender::Nobody);
    requests::insert(connection, std::slice::from_ref(&job)).unwrap();
    pass(connection, "300 days");
    assert_eq!(republish(connection), 0);
    assert_eq!(outbox::take(connection, 10).unwrap(), []);
    let claimed = claims::claim_pending(connection, OPTIONS, new_token(), FIRST, 10).unwrap();
    assert_eq!(claimed[0].key.id, job.id);
}

#[test]
fn an_empty_poll_of_a_serial_queue_is_no_evidence_while_a_job_runs_or_waits_for_a_retry() {
    let connection = &mut database();
    sent_an_hour_ago(connection);
    let other = accept(connection);
    let key = claim(connection, other).key;
    record_silence(connection);
    assert_eq!(republish(connection), 0, "the running job blocks the queue");
    claims::retry(connection, key, &an_error(), Duration::ZERO).unwrap();
    record_silence(connection);
    assert_eq!(republish(connection), 0, "the retried job blocks the queue");
    let key = claim(connection, other).key;
    complete(connection, key);
    record_silence(connection);
    assert_eq!(republish(connection), 1);
}

#[test]
fn a_job_that_should_have_run_again_long_ago_does_not_explain_why_a_serial_queue_is_empty() {
    let connection = &mut database();
    let retried = accept(connection);
    send_all(connection);
    let key = claim(connection, retried).key;
    claims::retry(connection, key, &an_error(), Duration::ZERO).unwrap();
    sent_an_hour_ago(connection);
    let crashed = accept(connection);
    send_all(connection);
    claim(connection, crashed);
    record_silence(connection);
    assert_eq!(republish(connection), 0, "a job is running");
    pass(connection, "1 hour");
    record_silence(connection);
    assert_eq!(republish(connection), 3);
}

#[test]
fn a_serial_queue_that_another_worker_receives_from_is_not_empty() {
    let connection = &mut database();
    sent_an_hour_ago(connection);
    let received = Observation {
        has_received: true,
        ..Observation::default()
    };
    record(connection, received);
    record_silence(connection);
    assert_eq!(republish(connection), 0);
    connection
        .batch_execute(
            "UPDATE queue_evidence SET last_received_at = last_received_at - interval '1 hour'",
        )
        .unwrap();
    record_silence(connection);
    assert_eq!(republish(connection), 1);
}

#[test]
fn evidence_never_moves_back() {
    let connection = &mut database();
    let id = accept(connection);
    send_all(connection);
    pass(connection, "1 hour");
    record_delivery(connection);
    let old = Observation {
        newest_delivered: Some(find(connection, id).created_at),
        empty_since: Some(Duration::from_hours(2)),
        ..Observation::default()
    };
    record(connection, old);
    record(connection, Observation::default());
    assert_eq!(republish(connection), 1);
    assert!(matches!(
        try_claim(connection, id),
        claims::Claimed::Begin(_)
    ));
}

#[test]
fn a_poll_that_began_long_ago_says_nothing_about_later_messages() {
    let connection = &mut database();
    accept(connection);
    send_all(connection);
    connection
        .batch_execute("UPDATE calendar_jobs SET created_at = now() - interval '1 hour', sent_at = now() - interval '20 min'")
        .unwrap();
    let observation = |seconds| Observation {
        empty_since: Some(Duration::from_secs(seconds)),
        ..Observation::default()
    };
    record(connection, observation(6 * 60));
    assert_eq!(republish(connection), 0);
    record(connection, observation(4 * 60));
    assert_eq!(republish(connection), 1);
}
