//! What the operations API returns from a busy service, for pictures and for states that are rare.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

/// Returns a snapshot of a busy service.
pub(crate) fn snapshot(now: DateTime<Utc>) -> Value {
    let before = |seconds| now - TimeDelta::seconds(seconds);
    let worker = |id: i64, host: &str, in_flight: i64, state: &str| {
        json!({
            "id": id, "role": "worker", "host": host, "pid": 7, "version": "0.1.0", "started_at": before(7_200 * id),
            "heartbeat_at": before(id), "state": state, "slots": 100, "in_flight": in_flight,
        })
    };
    json!({
        "at": now, "error": null, "version": "0.1.0", "queue": "sqs://ical",
        "processing": { "paused": false, "paused_at": null, "paused_by": null },
        "jobs": { "pending": 212, "started": 87, "retry": 3, "failed": 2, "count_limit": 100_000, "oldest_waiting_seconds": 1.4 },
        "outbox": { "jobs": 5, "oldest_age_seconds": 0.08, "count_limit": 10_000 },
        "queue_depth": { "visible": 207, "in_flight": 87, "delayed": 3, "dead_letters": 1, "error": null },
        "last_minute": {
            "accepted": 5_216, "published": 5_210, "started": 5_190, "succeeded": 5_107, "failed": 1, "retried": 41, "revoked": 2,
        },
        "since_last": {
            "accepted": 43, "published": 43, "started": 44, "succeeded": 42, "failed": 1, "retried": 2, "revoked": 0, "dead_letters": 1,
        },
        "processes": [
            { "id": 1, "role": "api", "host": "api-7d9f4", "pid": 7, "version": "0.1.0", "started_at": before(90_000),
              "heartbeat_at": before(1), "state": "running", "slots": null, "in_flight": null },
            worker(2, "worker-x2x8k", 61, "running"),
            worker(3, "worker-q7d5m", 26, "draining"),
        ],
        "deliveries": { "waiting": 0, "given_up": 0 },
    })
}

/// Returns the activity of an hour with a peak.
pub(crate) fn activity(now: DateTime<Utc>) -> Value {
    let begin = now.timestamp() / 10 * 10 - 3_600;
    // also some that are still to come, while the test runs
    let points = (0..366).map(|index| {
        let hour = f64::from(index) / 360.0;
        // two waves, and some variation that is the same each time
        let load = 60.0 + 24.0 * (hour * 9.0).sin() + 5.0 * (hour * 61.0).sin();
        let wait = 0.04 + 0.5 * (hour * 9.0).sin().max(0.0).powi(4);
        let swing = 1.0 + 0.25 * (hour * 83.0).sin();
        let at = DateTime::from_timestamp(begin + 10 * i64::from(index), 0).unwrap();
        json!({
            "at": at, "seconds": 10, "accepted": (load * 10.0).round(), "published": (load * 10.0).round(),
            "started": (load * 10.0).round(), "succeeded": (load * 9.3).round(), "failed": 0, "revoked": 0,
            "retried": (load * 0.6 * swing).round(),
            "wait_seconds": { "p50": wait, "p95": wait * 3.0 * swing, "p99": wait * 7.0 * swing },
            "run_seconds": { "p50": 0.012, "p95": 0.04 * swing, "p99": 0.16 * swing },
        })
    });
    json!({ "points": points.collect::<Vec<_>>() })
}

/// Returns a script that makes `fetch` return the snapshot twice a second, and the activity.
pub(crate) fn replay(snapshot: &Value, activity: &Value) -> String {
    format!(
        "const real = window.fetch; const text = (value) => Promise.resolve(new Response(JSON.stringify(value))); \
         const event = (n) => new TextEncoder().encode('data: ' + JSON.stringify({{ ...{snapshot}, at: new Date(Date.parse('{at}') + 500 * n) }}) + '\\n\\n'); \
         const stream = () => new ReadableStream({{ start(c) {{ let n = 0; c.enqueue(event(n)); setInterval(() => c.enqueue(event(++n)), 500); }} }}); \
         window.fetch = (url, options) => /operations\\/live$/.test(url) ? Promise.resolve(new Response(stream())) : \
         /operations\\/activity$/.test(url) ? text({activity}) : /operations\\/(jobs|deliveries)/.test(url) ? text([]) : real(url, options);",
        at = snapshot["at"].as_str().unwrap(),
    )
}

/// A script that replaces the stream of snapshots by one to which `window.send(snapshot)` adds a snapshot.
pub(crate) const STREAM_OF_THE_TEST: &str = "{ const real = window.fetch; const coder = new TextEncoder(); \
    window.fetch = (url, options) => !/operations\\/live$/.test(url) ? real(url, options) : Promise.resolve(new Response(new ReadableStream({ \
    start(c) { window.send = (snapshot) => c.enqueue(coder.encode(`data: ${JSON.stringify(snapshot)}\\n\\n`)); } }))); }";
