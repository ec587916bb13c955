//! Batch answers that list some entries as failed, or do not mention them.

use std::collections::{HashMap, HashSet};

use faults::queue::QueueKind;
use faults::sqs_proxy::{Call, Entries, EntryError, Fault, Rule, SqsProxy, Stage, action};
use local_services::testing::eventually;
use shared_model::job::JobId;
use shared_model::message::JobMessage;

use crate::support::{NO_RELAY, RENDER_DELAY_4S, VISIBILITY_12S, assert_succeeded, finish, system};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f07_only_messages_that_sqs_did_not_confirm_are_sent_again() {
    for fault in [failed(false), failed(true), omitted(false), omitted(true)] {
        let system = system(QueueKind::Sqs).await;
        let (accepting, client) = system.start_api(&[NO_RELAY]).await.unwrap();
        client.submit_many(10).await.unwrap();
        let (api, other_client) = system.start_api(&[]).await.unwrap();
        let sqs = api.sqs().unwrap();
        // While one call is held, the relay waits for a full batch. It finds all messages at the same time.
        sqs.add(Rule::on(action::SEND, Fault::Hold).times(1));
        other_client.submit().await.unwrap();
        sqs.wait_until_injected(action::SEND, Stage::Arrived, 1)
            .await
            .unwrap();
        sqs.add(Rule::on(action::SEND, fault).times(1));
        let hand_over = "UPDATE calendar_jobs SET send_after = now() WHERE send_after IS NULL";
        system.database.execute(hand_over).await.unwrap();
        sqs.wait_until_injected(action::SEND, Stage::Over, 1)
            .await
            .unwrap();
        sqs.heal();
        // The relay does not send a job again once it is claimed, so no worker runs yet.
        let sent = "SELECT count(sent_at) FROM calendar_jobs";
        eventually("every job is sent", async || {
            system.database.number(sent).await.unwrap() == 11
        })
        .await;
        let worker = system.start_worker(&[]).await.unwrap();
        system.drain().await.unwrap();

        let calls = sqs.calls_of(action::SEND);
        let faulted = calls.iter().find(|call| call.fault == Some(fault)).unwrap();
        assert!(faulted.entries.len() > 1, "{faulted:?}");
        let times = count_sends(&calls);
        for (index, body) in faulted.entries.iter().enumerate() {
            let expected = if index.is_multiple_of(2) { 2 } else { 1 };
            assert_eq!(times[&job(body)], expected, "{fault:?}, entry {index}");
        }
        finish(&system, [accepting, api, worker]).await;
    }
}

fn failed(applied: bool) -> Fault {
    Fault::FailEntries {
        entries: Entries::EveryOther,
        applied,
        error: EntryError::Internal,
    }
}

fn omitted(applied: bool) -> Fault {
    Fault::OmitEntries {
        entries: Entries::EveryOther,
        applied,
    }
}

fn job(body: &str) -> JobId {
    JobMessage::decode(body).unwrap().job_id
}

fn count_sends(calls: &[Call]) -> HashMap<JobId, usize> {
    let mut times = HashMap::new();
    for body in calls.iter().flat_map(|call| &call.entries) {
        *times.entry(job(body)).or_default() += 1;
    }
    times
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f07_only_deletes_that_sqs_did_not_confirm_are_repeated() {
    for fault in [failed(false), failed(true), omitted(false), omitted(true)] {
        let system = system(QueueKind::Sqs).await;
        let (api, client) = system.start_api(&[]).await.unwrap();
        let worker = system
            .start_worker(&[VISIBILITY_12S, RENDER_DELAY_4S])
            .await
            .unwrap();
        let sqs = worker.sqs().unwrap();
        sqs.add(Rule::on(action::DELETE, fault).times(1));
        sqs.add(Rule::on(action::CHANGE_VISIBILITY, fault).times(1));
        for id in client.submit_many(4).await.unwrap() {
            assert_succeeded(&system.database.wait_until_ended(id).await.unwrap(), 1);
        }
        sqs.wait_until("the repeated deletes", |calls| {
            let (faulted, later) = deletes(calls);
            let mut failed = faulted.iter().step_by(2);
            !faulted.is_empty() && failed.all(|handle| later.contains(handle))
        })
        .await
        .unwrap();
        system.drain().await.unwrap();
        let calls = sqs.calls();
        let (faulted, later) = deletes(&calls);
        let mut confirmed = faulted.iter().skip(1).step_by(2);
        assert!(!confirmed.any(|handle| later.contains(handle)), "{fault:?}");
        assert!(!received_twice(sqs), "a message was delivered twice");
        finish(&system, [api, worker]).await;
    }
}

/// Returns the entries of the delete call with the fault, and those of all later delete calls.
fn deletes(calls: &[Call]) -> (&[String], HashSet<&String>) {
    let deletes = || calls.iter().filter(|call| call.action == action::DELETE);
    let faulted = deletes().find(|call| call.fault.is_some());
    let later = deletes().skip_while(|call| call.fault.is_none()).skip(1);
    let later = later.flat_map(|call| &call.entries).collect();
    (faulted.map_or(&[], |call| &call.entries), later)
}

fn received_twice(sqs: &SqsProxy) -> bool {
    let calls = sqs.calls_of(action::RECEIVE);
    calls
        .iter()
        .flat_map(|call| &call.received)
        .any(|(_, count)| *count > 1)
}
