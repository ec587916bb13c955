//! Hostile text and malformed requests.

use calendar::lint::lint;
use faults::queue::QueueKind;
use reqwest::Method;
use serde_json::{Value, json};
use shared_model::job::JobStatus;

use crate::support::{finish, system};

/// Titles and descriptions that break a careless calendar writer.
const HOSTILE: [&str; 16] = [
    "END:VEVENT\nEND:VCALENDAR",
    "a\r\nBEGIN:VALARM\r\nACTION:AUDIO",
    "semi;colon, comma \\ backslash \\n",
    "\"quoted\" : colon ;TZID=Europe/Berlin:x",
    "\u{202e}right to left\u{202c}",
    "👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦",
    "e\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}",
    "\u{feff}byte order mark",
    "\u{2028}line\u{2029}paragraph",
    "nul \u{0} inside",
    "bell \u{7} escape \u{1b}[31m",
    "\u{7f}\u{80}\u{9f}",
    "\u{fffe}\u{ffff}\u{10ffff}",
    "   ",
    "'; DROP TABLE todos; --",
    "<script>alert(1)</script> %s %n ${jndi:ldap://x}",
];

#[tokio::test(flavor = "multi_thread")]
async fn f23_hostile_text_is_refused_or_becomes_a_valid_calendar() {
    let system = system(QueueKind::Postgres).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    let post = async |body: &Value| {
        let request = client.request(Method::POST, "/todos").json(body);
        client.send(request).await.unwrap().status
    };
    let mut accepted = 0;
    let long = [
        "x".repeat(80),
        "😀".repeat(80),
        "\u{301}".repeat(80),
        "x".repeat(81),
        "😀".repeat(4000),
    ];
    for text in HOSTILE.map(str::to_owned).iter().chain(&long) {
        for body in [
            json!({ "title": text, "description": text, "deadline_at": "2026-03-01T12:00:00" }),
            json!({ "title": text, "deadline_at": "9999-12-31T23:59:59.999999Z" }),
            json!({ "title": "t", "description": text, "deadline_at": "0001-01-01" }),
            json!({ "title": "t", "deadline_at": text }),
        ] {
            let status = post(&body).await;
            assert!((200..500).contains(&status), "{status} for {body}");
            accepted += usize::from(status == 201);
        }
    }
    assert!(accepted > 20, "only {accepted} todos were accepted");
    let worker = system.start_worker(&[]).await.unwrap();
    for name in ["n", "END:VCALENDAR", "a;b,c\\d\"e", "👩‍👩‍👧‍👦", "\r\nX:1"] {
        for component in ["event", "todo", "both"] {
            let wanted = json!({ "name": name, "component": component, "alarm": "-PT15M" });
            let answer = client.try_submit(&wanted).await.unwrap();
            if answer.status != 202 {
                assert!(
                    (400..500).contains(&answer.status),
                    "{wanted}: {}",
                    answer.json()
                );
                continue;
            }
            let id = faults::client::accepted_job(&answer).unwrap();
            client.wait_for(id, JobStatus::Success).await.unwrap();
            let calendar = client.result(id).await.unwrap().body;
            assert_eq!(lint(&calendar), [], "{wanted}");
        }
    }
    finish(&system, [api, worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f23_malformed_and_oversized_requests_get_a_4xx_and_do_no_harm() {
    let system = system(QueueKind::Postgres).await;
    let (api, client) = system.start_api(&[]).await.unwrap();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let bodies: [(&str, Vec<u8>); 12] = [
        ("application/json", vec![b'x'; 5 * 1024 * 1024]),
        ("application/json", deep.into_bytes()),
        ("application/json", br#"{"title":"\ud800"}"#.to_vec()),
        ("application/json", b"\xff\xfe{}".to_vec()),
        (
            "application/json",
            br#"{"title":"a","title":"b","id":1}"#.to_vec(),
        ),
        ("application/json", br#"{"window":1e999}"#.to_vec()),
        (
            "application/json",
            br#"{"window":-99999999999999999999}"#.to_vec(),
        ),
        (
            "application/json",
            br#"{"alarm":"-PT999999999999H"}"#.to_vec(),
        ),
        ("application/json", b"null, null".to_vec()),
        ("text/plain", br#"{"title":"a"}"#.to_vec()),
        ("application/xml", b"<todo/>".to_vec()),
        ("multipart/form-data; boundary=x", b"--x--".to_vec()),
    ];
    for (content_type, body) in bodies {
        for path in ["/todos", "/todos/ical"] {
            let request = client.request(Method::POST, path);
            let request = request
                .header("Content-Type", content_type)
                .body(body.clone());
            // The connection may be closed while an oversized request is sent.
            if let Ok(answer) = client.send(request).await {
                assert!(
                    (400..500).contains(&answer.status),
                    "{path} {}: {}",
                    answer.status,
                    answer.json()
                );
            }
        }
    }
    for path in [
        "/todos?window=x",
        "/todos?limit=0",
        "/todos?cursor=%00",
        "/todos/99999999999999999999",
        "/todos/%2e%2e%2f",
        "/todos/ical/x/status",
        "/todos/ical?status=DONE",
        "/nothing",
    ] {
        let answer = client
            .send(client.request(Method::GET, path))
            .await
            .unwrap();
        assert!(
            (400..500).contains(&answer.status),
            "{path}: {}",
            answer.status
        );
    }
    let worker = system.start_worker(&[]).await.unwrap();
    let id = client.submit().await.unwrap();
    client.wait_for(id, JobStatus::Success).await.unwrap();
    finish(&system, [api, worker]).await;
}
