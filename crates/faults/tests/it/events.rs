//! Event streams that break.

use faults::client::Client;
use faults::poison::Poison;
use faults::queue::QueueKind;
use local_services::testing::TIMEOUT;
use reqwest::{Method, Response};
use serde_json::Value;
use shared_model::job::{JobId, JobStatus};

use crate::support::{VISIBILITY_60S, finish, system};

/// An event of a stream.
#[derive(Debug)]
struct Event {
    version: i64,
    status: JobStatus,
}

/// The event stream of a job.
struct Events {
    response: Response,
    unread: String,
}

impl Events {
    /// Connects. `seen` is the version that the client has seen last.
    async fn connect(client: &Client, id: JobId, seen: Option<i64>) -> Self {
        let mut request = client.request(Method::GET, &format!("/todos/ical/{id}/events"));
        if let Some(seen) = seen {
            request = request.header("Last-Event-ID", seen.to_string());
        }
        // Not recorded in the history, because a stream is not a single response.
        let response = request.send().await.unwrap();
        let unread = String::new();
        Self { response, unread }
    }

    /// Returns the next event, or `None` if the stream ends first.
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
    /// Returns `None` for a comment.
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
#[ignore = "needs python3 with venv"]
async fn f26_a_client_whose_stream_breaks_at_every_event_sees_the_final_state() {
    let system = system(QueueKind::Sqs).await;
    system.database.add_todos(20).await.unwrap();
    system.database.poison(Poison::Wait, 1).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let (other_api, other_client) = system.start_api(&[]).await.unwrap();
    let id = client.submit().await.unwrap();
    let mut stream = Events::connect(&client, id, None).await;
    let first = stream.next().await.unwrap();
    assert_eq!(first.status, JobStatus::Pending);
    drop(stream);

    let worker = system.start_worker(&[VISIBILITY_60S]).await.unwrap();
    system
        .database
        .wait_for_status(id, JobStatus::Started)
        .await
        .unwrap();
    // Another API, as behind a load balancer.
    let mut stream = Events::connect(&other_client, id, Some(first.version)).await;
    let second = stream.next().await.unwrap();
    assert_eq!(second.status, JobStatus::Started);
    assert!(second.version > first.version);

    // The API that streams is killed; the job continues.
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
        "the stream ends with the final state"
    );
    let after = Events::connect(&client, id, Some(last.version)).await;
    assert_eq!(after.response.status(), 204);
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn f26_a_stream_survives_the_loss_of_its_notifications() {
    let system = system(QueueKind::Sqs).await;
    system.database.add_todos(20).await.unwrap();
    system.database.poison(Poison::Wait, 1).await.unwrap();
    let (api, client) = system.start_api(&[]).await.unwrap();
    let worker = system.start_worker(&[VISIBILITY_60S]).await.unwrap();
    let id = client.submit().await.unwrap();
    let mut stream = Events::connect(&client, id, None).await;
    let mut event = stream.next().await.unwrap();
    while event.status != JobStatus::Started {
        event = stream.next().await.unwrap();
    }
    // Closes every connection of the API, including the one that listens. The job ends before the API listens again.
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
