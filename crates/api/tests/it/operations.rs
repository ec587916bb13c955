//! What operators see, with a real database.

use std::time::{Duration, Instant};

use api::authentication::scope::Scope;
use job_queue::{QueueDepth, QueueError};
use local_services::testing::{TIMEOUT, eventually};
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};

use crate::support::jobs::accept_many;
use crate::support::tokens::with_token;
use crate::support::{Service, execute, send, time};

const OPERATIONS: &str = "/api/v1/operations";
const LIVE: &str = "/api/v1/operations/live";

async fn snapshot(service: &Service) -> Value {
    let response = service.get(OPERATIONS).await;
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(response.header("content-type"), Some("application/json"));
    response.json()
}

/// Whether a snapshot shows an action.
type Shows<'a> = &'a dyn Fn(&Value) -> bool;

/// A stream of snapshots, as a client reads it.
struct Stream {
    response: Response,
    text: String,
}

impl Stream {
    async fn open(service: &Service) -> Self {
        Self::begin(service.request("GET", LIVE)).await
    }

    async fn begin(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            response,
            text: String::new(),
        }
    }

    /// Returns the next snapshot, or `None` if the stream has ended.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let data = event.strip_prefix("event: snapshot\ndata: ");
                let snapshot = data.map(|data| serde_json::from_str(data).unwrap());
                self.text = rest.to_owned();
                match snapshot {
                    None => continue,
                    snapshot => return snapshot,
                }
            }
            let chunk = tokio::time::timeout(TIMEOUT, self.response.chunk());
            let chunk = chunk.await.expect("nothing comes").unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// Returns the first snapshot that `is_wanted`.
    async fn until(&mut self, is_wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let snapshot = self.next().await.expect("the stream goes on");
            if is_wanted(&snapshot) {
                return snapshot;
            }
        }
    }
}

#[tokio::test]
async fn a_snapshot_counts_jobs_messages_events_and_processes() {
    let service = Service::start_with(&["--queue-url=postgres:"]).await;
    let ids = accept_many(&service.pool, 5).await;
    service.claim(ids[0]).await;
    service.fail(ids[1], true).await;
    service.fail(ids[2], false).await;
    execute(
        &service.pool,
        // accepted two hours ago, and redriven an hour ago
        "UPDATE calendar_jobs SET created_at = now() - interval '2 h', expires_at = now() + expiry - interval '1 h'
         WHERE status = 'PENDING';
         INSERT INTO processes (role, host, pid, version, slots, in_flight, heartbeat_at, drain_requested_at, stopped_at)
         VALUES ('worker', 'alpha', 7, '0.1.0', 100, 3, now(), NULL, NULL),
                ('worker', 'beta', 8, '0.1.0', 100, 0, now(), now(), NULL),
                ('worker', 'gamma', 9, '0.1.0', 100, 0, now(), now(), now()),
                ('worker', 'delta', 10, '0.1.0', 100, 0, now() - interval '31 s', NULL, NULL),
                ('worker', 'epsilon', 11, '0.1.0', 100, 0, now() - interval '2 h', NULL, NULL);
         INSERT INTO event_deliveries (job_id, event_id, destination, event, due_at)
         SELECT gen_random_uuid(), 'a', 'sns', '{}', due_at FROM (VALUES (now()), (now()), (NULL)) AS due (due_at)",
    )
    .await;
    let snapshot = snapshot(&service).await;
    assert_eq!(snapshot["queue"], "postgres:");
    assert_eq!(snapshot["error"], Value::Null);
    let jobs = &snapshot["jobs"];
    let counts = ["pending", "started", "retry", "failed", "count_limit"].map(|name| &jobs[name]);
    assert_eq!(counts, [2, 1, 1, 1, 100_000]);
    let oldest = jobs["oldest_waiting_seconds"].as_f64().unwrap();
    assert!((3600.0..3700.0).contains(&oldest), "{oldest}");
    assert_eq!(
        snapshot["queue_depth"],
        json!({"visible": 2, "in_flight": 1, "delayed": 1, "dead_letters": null, "error": null})
    );
    assert_eq!(snapshot["deliveries"], json!({"waiting": 2, "given_up": 1}));
    let states: Vec<_> = snapshot["processes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|process| process["role"] == "worker")
        .map(|process| {
            (
                process["host"].as_str().unwrap(),
                process["state"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        states,
        [
            ("alpha", "running"),
            ("beta", "draining"),
            ("gamma", "stopped"),
            ("delta", "gone")
        ]
    );
}

#[tokio::test]
async fn a_job_that_is_redriven_does_not_hide_how_long_others_wait() {
    let service = Service::start_with(&["--queue-url=postgres:"]).await;
    let ids = accept_many(&service.pool, 2).await;
    assert!(ids[0] < ids[1]);
    service.fail(ids[0], true).await;
    execute(
        &service.pool,
        "UPDATE calendar_jobs SET created_at = now() - interval '1 h', expires_at = now() + expiry - interval '1 h'
         WHERE status = 'PENDING'",
    )
    .await;
    let retry = format!("/api/v1/operations/jobs/{}/retry", ids[0]);
    assert_eq!(service.post(&retry, &json!({})).await.status, 202);
    let jobs = snapshot(&service).await["jobs"].clone();
    assert_eq!(jobs["pending"], 2);
    let oldest = jobs["oldest_waiting_seconds"].as_f64().unwrap();
    assert!((3600.0..3700.0).contains(&oldest), "{oldest}");
}

#[tokio::test]
async fn a_snapshot_counts_at_most_as_many_jobs_as_its_limit() {
    let service = Service::start_with(&["--queue-url=postgres:"]).await;
    // Several statements, because a busy machine may need longer for all of it than a statement may take.
    for _ in 0..11 {
        execute(
            &service.pool,
            "INSERT INTO calendar_jobs (id, status, request, expiry, expires_at, finished_at, send_after)
             SELECT gen_random_uuid(), status, '{}', '1 h', now() + interval '1 h',
                    CASE status WHEN 'FAILURE' THEN now() END, CASE status WHEN 'PENDING' THEN now() END
             FROM generate_series(1, 10000), unnest(ARRAY['PENDING', 'FAILURE']) AS status",
        )
        .await;
    }
    // Until the database has answered, a snapshot has an error, and counts nothing.
    let mut last = Value::Null;
    eventually("a snapshot has no error", async || {
        last = snapshot(&service).await;
        last["error"] == Value::Null
    })
    .await;
    assert_eq!(last["jobs"]["pending"], 100_000);
    assert_eq!(last["jobs"]["failed"], 100_000);
    assert_eq!(last["outbox"]["jobs"], last["outbox"]["count_limit"]);
}

#[tokio::test]
async fn the_depth_of_a_queue_is_what_it_says_or_why_it_does_not() {
    let service = Service::start().await;
    service.publisher.set_depth(Ok(QueueDepth {
        visible: 10,
        in_flight: Some(3),
        delayed: 1,
        dead_letters: Ok(Some(2)),
    }));
    let depth = snapshot(&service).await["queue_depth"].clone();
    assert_eq!(
        depth,
        json!({"visible": 10, "in_flight": 3, "delayed": 1, "dead_letters": 2, "error": null})
    );
    let why = "the credentials do not allow this call on sqs://test";
    let refused = QueueError::Refused(why.to_owned());
    service.publisher.set_depth(Err(refused));
    eventually("the queue is asked again", async || {
        snapshot(&service).await["queue_depth"]
            == json!({"visible": null, "in_flight": null, "delayed": null, "dead_letters": null, "error": why})
    })
    .await;
}

#[tokio::test]
async fn a_stream_begins_with_a_snapshot_shows_changes_and_ends_with_the_process() {
    let service = Service::start_with(&["--queue-url=postgres:"]).await;
    let mut stream = Stream::open(&service).await;
    let first = stream.next().await.unwrap();
    assert_eq!(first["jobs"]["pending"], 0);
    assert_eq!(first["since_last"]["accepted"], 0);
    let ids = accept_many(&service.pool, 2).await;
    stream.until(|shown| shown["jobs"]["pending"] == 2).await;
    service.complete(ids[0], b"calendar").await;
    stream.until(|shown| shown["jobs"]["pending"] == 1).await;
    service.stop();
    while stream.next().await.is_some() {}
    eventually("the process has ended", async || service.has_ended()).await;
}

#[tokio::test]
async fn every_snapshot_that_is_later_than_an_action_shows_it() {
    let service = Service::start_with(&["--queue-url=postgres:"]).await;
    execute(
        &service.pool,
        "INSERT INTO processes (id, role, host, pid, version) OVERRIDING SYSTEM VALUE
         VALUES (1001, 'worker', 'a', 1, '0');
         INSERT INTO event_deliveries (job_id, event_id, destination, event, due_at)
         VALUES (gen_random_uuid(), 'a', 'sns', '{}', NULL)",
    )
    .await;
    let id = accept_many(&service.pool, 1).await[0];
    service.fail(id, true).await;
    let retry = format!("jobs/{id}/retry");
    let worker = |snapshot: &Value| -> Value {
        let processes = snapshot["processes"].as_array().unwrap();
        let worker = processes.iter().find(|process| process["id"] == 1001);
        worker.unwrap()["state"].clone()
    };
    let actions: [(&str, Shows); 5] = [
        ("pause", &|snapshot| {
            snapshot["processing"]["paused"] == true
        }),
        ("processes/1001/drain", &|snapshot| {
            worker(snapshot) == "draining"
        }),
        (&retry, &|snapshot| snapshot["jobs"]["failed"] == 0),
        ("deliveries/retry", &|snapshot| {
            snapshot["deliveries"]["given_up"] == 0
        }),
        ("resume", &|snapshot| {
            snapshot["processing"]["paused"] == false
        }),
    ];
    let mut stream = Stream::open(&service).await;
    stream.next().await;
    for (action, is_shown) in actions {
        let done = service.request("POST", &format!("{OPERATIONS}/{action}"));
        // only the retry of all events reads the body
        let done = send(done.json(&json!({"all": true}))).await.json();
        let is_later = |snapshot: &Value| time(&snapshot["at"]) > time(&done["at"]);
        let snapshot = stream.until(is_later).await;
        assert!(is_shown(&snapshot), "{action}: {done}, {snapshot}");
    }
}

#[tokio::test]
async fn a_watcher_gets_at_most_two_snapshots_a_second_however_many_jobs_change() {
    let service = Service::start_with(&["--queue-url=postgres:"]).await;
    let changes = async {
        loop {
            execute(
                &service.pool,
                "UPDATE calendar_jobs SET status = 'FAILURE', finished_at = now(), error = '{}', send_after = NULL
                 WHERE status = 'PENDING'",
            )
            .await;
            accept_many(&service.pool, 200).await;
        }
    };
    let watch = async || {
        let begun = Instant::now();
        let mut stream = Stream::open(&service).await;
        let failed_at_first = stream.next().await.unwrap()["jobs"]["failed"].clone();
        for later in 1.. {
            let snapshot = stream.next().await.expect("the stream goes on");
            // from before the first one was sent until after this one was
            let elapsed = begun.elapsed();
            assert!(elapsed >= later * Duration::from_millis(500), "{elapsed:?}");
            if later >= 7 && snapshot["jobs"]["failed"] != failed_at_first {
                break;
            }
        }
    };
    tokio::select! {
        () = changes => {}
        _ = async { tokio::join!(watch(), watch()) } => {}
    }
}

#[tokio::test]
async fn activity_of_the_processes_appears_in_the_next_snapshot() {
    let service = Service::start_with(&["--queue-url=postgres:"]).await;
    let mut stream = Stream::open(&service).await;
    stream.next().await.unwrap();
    let report = |process: i32| {
        format!(
            "INSERT INTO activity (period, process_id, accepted, succeeded, wait_seconds, run_seconds)
             VALUES (date_bin('10 s', now(), 'epoch'), {process}, 40, 30, '{{}}', '{{}}')"
        )
    };
    execute(&service.pool, report(1001)).await;
    let shown = stream
        .until(|shown| shown["last_minute"]["accepted"] == 40)
        .await;
    assert_eq!(shown["since_last"]["accepted"], 40);
    execute(&service.pool, report(1002)).await;
    let shown = stream
        .until(|shown| shown["last_minute"]["accepted"] == 80)
        .await;
    assert_eq!(shown["since_last"]["accepted"], 40);
    assert_eq!(shown["since_last"]["succeeded"], 30);
    assert_eq!(shown["last_minute"]["succeeded"], 60);
}

#[tokio::test]
async fn a_stream_is_one_of_the_streams_that_are_limited() {
    let service = Service::start_with(&["--max-streams=1"]).await;
    let mut stream = Stream::open(&service).await;
    stream.next().await.unwrap();
    let refused = service.get(LIVE).await;
    assert_eq!(refused.status, 503);
    assert!(refused.text().contains("streams"), "{}", refused.text());
    drop(stream);
    eventually("another stream can be opened", async || {
        let response = service.request("GET", LIVE).send().await.unwrap();
        response.status() == 200
    })
    .await;
}

#[tokio::test]
async fn a_stream_ends_when_its_token_is_revoked() {
    let service = Service::start_with_tokens().await;
    let token = service.token(Scope::Operator).await;
    let mut stream = Stream::begin(with_token(service.request("GET", LIVE), &token)).await;
    stream.next().await.unwrap();
    service.revoke(Scope::Operator.name()).await;
    while stream.next().await.is_some() {}
}

#[tokio::test]
async fn a_head_request_for_the_stream_ends() {
    let service = Service::start_with(&["--max-streams=1"]).await;
    let head = service.raw(format!(
        "HEAD {LIVE} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    ));
    let head = head.await;
    assert_eq!(head.status(), 200);
    eventually("its place is free", async || {
        let response = service.request("GET", LIVE).send().await.unwrap();
        response.status() == 200
    })
    .await;
}

#[tokio::test]
async fn operators_only_may_see_and_do_this() {
    let service = Service::start_with_tokens().await;
    for (scope, status) in [
        (Scope::ReadOnly, 403),
        (Scope::Full, 403),
        (Scope::Operator, 200),
    ] {
        let token = service.token(scope).await;
        let response = send(with_token(service.request("GET", OPERATIONS), &token)).await;
        assert_eq!(response.status, status, "{scope}");
    }
    service.get(OPERATIONS).await.assert_problem(
        401,
        "this needs a token: send the header Authorization: Bearer TOKEN. The operators of the service create tokens with `taskoverflow-api tokens create`",
    );
}
