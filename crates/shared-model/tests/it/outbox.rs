//! The outbox: every message is sent, and two relays never send the same one at the same time.

use std::collections::BTreeSet;

use diesel::PgConnection;
use diesel::connection::SimpleConnection;
use shared_model::job::{JobId, JobStatus};
use shared_model::job_store::failed::{self, Redriver};
use shared_model::job_store::outbox::{self, SendKey};
use shared_model::job_store::requests::{self, Sender};
use shared_model::message::OutboundMessage;

use crate::support::{
    accept, accept_many, claim, connect, database, find, new_job, pass, store_waiting, url_of,
};

fn take(connection: &mut PgConnection, limit: i64) -> Vec<OutboundMessage> {
    outbox::take(connection, limit).unwrap()
}

fn ids(messages: &[OutboundMessage]) -> Vec<JobId> {
    messages.iter().map(|one| one.message.job_id).collect()
}

fn keys(messages: &[OutboundMessage]) -> Vec<SendKey> {
    messages.iter().map(SendKey::from).collect()
}

fn backlog(connection: &mut PgConnection) -> i64 {
    outbox::backlog(connection).unwrap().jobs
}

#[test]
fn a_message_that_was_sent_is_not_taken_again_and_a_released_message_is() {
    let connection = &mut database();
    let accepted = accept_many(connection, 3);
    pass(connection, "1 s");
    let later = accept_many(connection, 2);
    let taken = take(connection, 3);
    assert_eq!(ids(&taken), accepted, "those that have waited longest");
    assert_eq!(
        ids(&take(connection, 10)),
        later,
        "another relay has taken the others"
    );

    let keys = keys(&taken);
    outbox::mark_sent(connection, &keys[..2]).unwrap();
    outbox::release(connection, &keys[2..]).unwrap();
    let again = take(connection, 10);
    assert_eq!(ids(&again), accepted[2..]);
    assert_eq!(again[0].sends, 2);
    assert_eq!(backlog(connection), 3);
}

#[test]
fn a_message_that_is_sent_again_passes_the_deduplication_of_the_queue() {
    let connection = &mut database();
    accept(connection);
    let first = take(connection, 1);
    outbox::release(connection, &keys(&first)).unwrap();
    let second = take(connection, 1);
    assert_eq!(first[0].message.generation, second[0].message.generation);
    assert_ne!(first[0].deduplication_id(), second[0].deduplication_id());
}

#[test]
fn a_relay_that_dies_after_taking_a_message_delays_the_job_only_by_its_lease() {
    let connection = &mut database();
    let id = accept(connection);
    take(connection, 1);
    assert_eq!(take(connection, 1), []);
    pass(connection, "30 s");
    assert_eq!(ids(&take(connection, 1)), [id]);
}

#[test]
fn a_relay_whose_lease_has_ended_can_neither_mark_nor_release_the_message() {
    let connection = &mut database();
    accept(connection);
    let late = keys(&take(connection, 1));
    pass(connection, "30 s");
    let in_time = keys(&take(connection, 1));
    outbox::mark_sent(connection, &late).unwrap();
    assert_eq!(backlog(connection), 1, "the second relay still has it");
    outbox::release(connection, &late).unwrap();
    assert_eq!(take(connection, 1), []);
    outbox::mark_sent(connection, &in_time).unwrap();
    assert_eq!(backlog(connection), 0);
}

#[test]
fn a_message_cannot_be_released_after_its_job_was_claimed() {
    let connection = &mut database();
    let id = accept(connection);
    let taken = keys(&take(connection, 1));
    claim(connection, id);
    outbox::release(connection, &taken).unwrap();
    outbox::mark_sent(connection, &taken).unwrap();
    assert_eq!(backlog(connection), 0);
    assert_eq!(find(connection, id).status, JobStatus::Started);
}

#[test]
fn a_new_job_is_sent_by_whom_its_sender_says() {
    let connection = &mut database();
    let jobs = [Sender::Nobody, Sender::ThisProcess, Sender::AnyRelay].map(new_job);
    requests::insert(connection, &jobs).unwrap();
    assert_eq!(ids(&take(connection, 10)), [jobs[2].id]);
    assert_eq!(backlog(connection), 2, "nobody sends the first");
    // the process that accepted the second job has died
    pass(connection, "30 s");
    let taken = take(connection, 10);
    assert_eq!(ids(&taken), [jobs[1].id, jobs[2].id]);
    assert_eq!(taken[0].sends, 2, "it may have been sent before");
}

#[test]
fn the_process_that_accepted_a_job_records_that_it_was_sent() {
    let connection = &mut database();
    let job = new_job(Sender::ThisProcess);
    requests::insert(connection, std::slice::from_ref(&job)).unwrap();
    let key = SendKey {
        id: job.id,
        sends: 1,
    };
    outbox::mark_sent(connection, &[key]).unwrap();
    assert_eq!(backlog(connection), 0);
}

#[test]
fn a_job_that_is_cancelled_before_its_message_is_sent_needs_no_message() {
    let connection = &mut database();
    let id = accept(connection);
    requests::cancel(connection, id).unwrap();
    assert_eq!(take(connection, 1), []);
    assert_eq!(backlog(connection), 0);
}

#[test]
fn the_backlog_counts_the_messages_and_the_seconds() {
    let connection = &mut database();
    let empty = outbox::backlog(connection).unwrap();
    assert_eq!((empty.jobs, empty.oldest_age_seconds), (0, 0.0));
    accept(connection);
    pass(connection, "1 hour");
    accept(connection);
    let backlog = outbox::backlog(connection).unwrap();
    assert_eq!(backlog.jobs, 2);
    assert!((3600.0..3700.0).contains(&backlog.oldest_age_seconds));
}

#[test]
fn a_redriven_job_waits_since_its_redrive() {
    let connection = &mut database();
    let id = accept(connection);
    pass(connection, "1 hour");
    let fail = format!(
        "UPDATE calendar_jobs SET status = 'FAILURE', finished_at = now(), expires_at = now() + expiry WHERE id = '{id}'"
    );
    connection.batch_execute(&fail).unwrap();
    assert_eq!(
        failed::redrive(connection, &[id], &Redriver::Command).unwrap(),
        [id]
    );
    let backlog = outbox::backlog(connection).unwrap();
    assert_eq!(backlog.jobs, 1);
    assert!(backlog.oldest_age_seconds < 60.0, "{backlog:?}");
}

#[test]
fn the_backlog_is_counted_only_as_far_as_its_limit() {
    let connection = &mut database();
    // half of them have to be sent
    store_waiting(connection, 2 * outbox::COUNTED + 10);
    assert_eq!(backlog(connection), outbox::COUNTED);
}

#[test]
fn relays_that_run_at_the_same_time_share_the_work_and_none_exceeds_its_limit() {
    let connection = &mut database();
    let accepted = accept_many(connection, 200);
    let url = url_of(connection);
    let taken: Vec<Vec<JobId>> = std::thread::scope(|scope| {
        let relay = || {
            let connection = &mut connect(&url);
            let mut taken = Vec::new();
            loop {
                let batch = take(connection, 10);
                if batch.is_empty() {
                    return taken;
                }
                taken.push(ids(&batch));
            }
        };
        let relays: Vec<_> = (0..4).map(|_| scope.spawn(relay)).collect();
        relays
            .into_iter()
            .flat_map(|relay| relay.join().unwrap())
            .collect()
    });
    assert!(taken.iter().all(|batch| batch.len() <= 10));
    assert_eq!(taken.iter().map(Vec::len).sum::<usize>(), 200);
    let different: BTreeSet<JobId> = taken.into_iter().flatten().collect();
    assert_eq!(different, accepted.into_iter().collect());
}
