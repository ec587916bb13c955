//! Streams of a job's changes that are cut.

use faults::client::Client;
use faults::poison::Poison;
use faults::queue::QueueKind;
use local_services::testing::TIMEOUT;
use reqwest::{Method, Response};
use serde_json::Value;
use shared_model::job::{JobId, JobStatus};

use crate::support::{UNHURRIED, finish, system};

/// One event of a stream.
#[derive(Debug)]
struct Event {
    version: i64,
    status: JobStatus,
}

/// A job's changes as an API streams them.
struct Events {
    response: Response,
    unread: String,
}

impl Events {
    /// Connects; the client has seen version `seen`.
    async fn connect(client: &Client, id: JobId, seen: Option<i64>) -> Self {
        let mut request = client.request(Method::GET, &format!("/todos/ical/{id}/events"));
        if let Some(seen) = seen {
            request = request.header("Last-Event-ID", seen.to_string());
        }
        // not through the history: a stream has no end to be told of
        let response = request.send().await.unwrap();
        let unread = String::new();
        Self { response, unread }
    }

    /// The next event; `None` when the stream ends before.
    async fn next(&mut self) -> Option<Event> {
        loop {
            let Some((block, rest)) = self.unread.split_once("\n\n") else {
                let chunk = self.response.chunk().await.ok()??;
                self.unread.push_str(std::str::from_utf8(&chunk).unwrap());
                continue;
            };
            let event = Event::of(block);
            self.unread = rest.to_owned();
            if event.is_some() {
                return event;
            }
        }
    }
}

impl Event {
    /// `None`: a comment.
    fn of(block: &str) -> Option<Self> {
        let line = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
        let data: Value = serde_json::from_str(line("data: ")?).unwrap();
        Some(Self {
            version: line("id: ").unwrap().parse().unwrap(),
            status: data["task_status"].as_str().unwrap().parse().unwrap(),
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f26_a_client_whose_stream_is_cut_at_every_event_sees_the_end() {
    let system = system(QueueKind::Sqs).await;
    system.database.add_todos(20).await.unwrap();
    system.database.poison(Poison::Wait, 1).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let (other_api, other_client) = system.start_api(&[]).await.unwrap();
    let id = client.ask().await.unwrap();
    let mut stream = Events::connect(&client, id, None).await;
    let first = stream.next().await.unwrap();
    assert_eq!(first.status, JobStatus::Pending);
    drop(stream);

    let worker = system.start_worker(&[UNHURRIED]).await.unwrap();
    system
        .database
        .wait_for_status(id, JobStatus::Started)
        .await
        .unwrap();
    // another API, as behind a load balancer
    let mut stream = Events::connect(&other_client, id, Some(first.version)).await;
    let second = stream.next().await.unwrap();
    assert_eq!(second.status, JobStatus::Started);
    assert!(second.version > first.version);

    // the process that streams dies; the job goes on
    other_api.kill().await.unwrap();
    assert!(stream.next().await.is_none());
    system.database.cure(Poison::Wait).await.unwrap();
    system
        .database
        .wait_for_status(id, JobStatus::Success)
        .await
        .unwrap();
    let mut stream = Events::connect(&client, id, Some(second.version)).await;
    let mut last = second;
    while let Some(event) = stream.next().await {
        assert!(event.version > last.version, "{event:?} after {last:?}");
        last = event;
    }
    assert_eq!(
        last.status,
        JobStatus::Success,
        "the stream ends after the end"
    );
    let after = Events::connect(&client, id, Some(last.version)).await;
    assert_eq!(after.response.status(), 204);
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f26_a_stream_survives_the_loss_of_its_notifications() {
    let system = system(QueueKind::Sqs).await;
    system.database.add_todos(20).await.unwrap();
    system.database.poison(Poison::Wait, 1).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let worker = system.start_worker(&[UNHURRIED]).await.unwrap();
    let id = client.ask().await.unwrap();
    let mut stream = Events::connect(&client, id, None).await;
    let mut event = stream.next().await.unwrap();
    while event.status != JobStatus::Started {
        event = stream.next().await.unwrap();
    }
    // the API's listening connection with all others; the job ends before it listens again
    api.database.cut();
    system.database.cure(Poison::Wait).await.unwrap();
    system
        .database
        .wait_for_status(id, JobStatus::Success)
        .await
        .unwrap();
    api.heal();
    let last = async {
        let mut last = event;
        while let Some(event) = stream.next().await {
            last = event;
        }
        last
    };
    let last = tokio::time::timeout(TIMEOUT, last).await.unwrap();
    assert_eq!(last.status, JobStatus::Success);
    finish(&system, [api, worker]).await;
}
