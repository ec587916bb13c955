//! Answers to batches that name some entries as failed, or not at all.

use std::collections::{HashMap, HashSet};

use faults::queue::QueueKind;
use faults::sqs_proxy::{Call, Entries, EntryError, Fault, Rule, SqsProxy, Stage, action};
use local_services::testing::eventually;
use shared_model::job::JobId;
use shared_model::message::JobMessage;

use crate::support::{EXTENDED, PATIENT, assert_done, finish, system};

#[tokio::test(flavor = "multi_thread")]
async fn f07_only_the_messages_that_were_not_taken_are_sent_again() {
    for fault in [failed(false), failed(true), unnamed(false), unnamed(true)] {
        let system = system(QueueKind::Sqs).await;
        let (api, client) = system.start_api(&[]).await.unwrap();
        let sqs = api.sqs().unwrap();
        // while the relay waits for its first send, the others gather to a batch
        sqs.add(Rule::on(action::SEND, Fault::Hold).times(1));
        client.ask().await.unwrap();
        sqs.wait_until_struck(action::SEND, Stage::Arrived, 1)
            .await
            .unwrap();
        client.ask_many(10).await.unwrap();
        sqs.heal();
        sqs.add(Rule::on(action::SEND, fault).times(1));
        // what is done is not sent again, whatever the queue said; so nobody does it yet
        let published = "SELECT count(published_at) FROM calendar_jobs";
        eventually("every job is sent", async || {
            system.database.number(published).await.unwrap() == 11
        })
        .await;
        let worker = system.start_worker(&[]).await.unwrap();
        system.drain().await.unwrap();

        let calls = sqs.calls_of(action::SEND);
        let spoiled = calls.iter().find(|call| call.fault == Some(fault)).unwrap();
        assert_eq!(spoiled.entries.len(), 10);
        let times = times_sent(&calls);
        for (index, body) in spoiled.entries.iter().enumerate() {
            let expected = if index.is_multiple_of(2) { 2 } else { 1 };
            assert_eq!(times[&job(body)], expected, "{fault:?}, entry {index}");
        }
        finish(&system, [api, worker]).await;
    }
}

fn failed(applied: bool) -> Fault {
    Fault::FailEntries {
        entries: Entries::EveryOther,
        applied,
        error: EntryError::Internal,
    }
}

fn unnamed(applied: bool) -> Fault {
    Fault::OmitEntries {
        entries: Entries::EveryOther,
        applied,
    }
}

fn job(body: &str) -> JobId {
    JobMessage::decode(body).unwrap().job_id
}

fn times_sent(calls: &[Call]) -> HashMap<JobId, usize> {
    let mut times = HashMap::new();
    for body in calls.iter().flat_map(|call| &call.entries) {
        *times.entry(job(body)).or_default() += 1;
    }
    times
}

#[tokio::test(flavor = "multi_thread")]
async fn f07_only_the_deletes_that_failed_are_tried_again() {
    for fault in [failed(false), failed(true), unnamed(false), unnamed(true)] {
        let system = system(QueueKind::Sqs).await;
        let (api, client) = system.start_api(&[]).await.unwrap();
        let worker = system.start_worker(&[PATIENT, EXTENDED]).await.unwrap();
        let sqs = worker.sqs().unwrap();
        sqs.add(Rule::on(action::DELETE, fault).times(1));
        sqs.add(Rule::on(action::HIDE, fault).times(1));
        for id in client.ask_many(4).await.unwrap() {
            assert_done(&system.database.wait_until_ended(id).await.unwrap(), 1);
        }
        sqs.wait_until("the failed deletes again", |calls| {
            let (spoiled, again) = deletes(calls);
            let mut failed = spoiled.iter().step_by(2);
            !spoiled.is_empty() && failed.all(|handle| again.contains(handle))
        })
        .await
        .unwrap();
        system.drain().await.unwrap();
        let calls = sqs.calls();
        let (spoiled, again) = deletes(&calls);
        let mut done = spoiled.iter().skip(1).step_by(2);
        assert!(!done.any(|handle| again.contains(handle)), "{fault:?}");
        assert!(!received_again(sqs), "each message was delivered once");
        finish(&system, [api, worker]).await;
    }
}

/// The entries of the delete that was struck, and those of all later ones.
fn deletes(calls: &[Call]) -> (&[String], HashSet<&String>) {
    let deletes = || calls.iter().filter(|call| call.action == action::DELETE);
    let spoiled = deletes().find(|call| call.fault.is_some());
    let later = deletes().skip_while(|call| call.fault.is_none()).skip(1);
    let again = later.flat_map(|call| &call.entries).collect();
    (spoiled.map_or(&[], |call| &call.entries), again)
}

fn received_again(sqs: &SqsProxy) -> bool {
    let calls = sqs.calls_of(action::RECEIVE);
    calls
        .iter()
        .flat_map(|call| &call.received)
        .any(|(_, count)| *count > 1)
}
