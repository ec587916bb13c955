use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::support::{Service, send};

const TODOS: &str = "/api/v1/todos";
const ICAL: &str = "/api/v1/todos/ical";

async fn assert_nothing_stored(service: &Service) {
    assert_eq!(service.count("todos").await, 0);
    assert_eq!(service.count("calendar_jobs").await, 0);
}

#[tokio::test]
async fn a_todo_that_is_wrong_is_refused_by_name_and_not_stored() {
    let service = Service::start().await;
    let deadline = "deadline_at must be a time such as 2023-02-27T09:30:00, 2023-02-27T09:30:00Z or 2023-02-27, or null";
    for (body, error) in [
        (json!({"title": "a", "colour": "red"}), "extra fields"),
        (json!({"title": "a", "id": 7}), "extra fields"),
        (
            json!({"title": "a", "created_at": "2023-02-27"}),
            "extra fields",
        ),
        (json!({"colour": "red"}), "extra fields"),
        (json!({}), "missing title"),
        (json!({"description": "a"}), "missing title"),
        (json!({"title": null}), "title must be text"),
        (json!({"title": 7}), "title must be text"),
        (json!({"title": ""}), "title must have 1 to 80 characters"),
        (
            json!({"title": " \t\n "}),
            "title must have 1 to 80 characters",
        ),
        (
            json!({"title": "x".repeat(81)}),
            "title must have 1 to 80 characters",
        ),
        (
            json!({"title": "a\u{0}b"}),
            "title must not contain the control character U+0000",
        ),
        (
            json!({"title": "a", "description": "\u{0}"}),
            "description must not contain the control character U+0000",
        ),
        (
            json!({"title": "a", "description": "x".repeat(121)}),
            "description must have at most 120 characters",
        ),
        (
            json!({"title": "a", "description": 1}),
            "description must be text",
        ),
        (
            json!({"title": "a", "completed": null}),
            "completed must be true or false",
        ),
        (
            json!({"title": "a", "completed": "yes"}),
            "completed must be true or false",
        ),
        (json!({"title": "a", "deadline_at": "tomorrow"}), deadline),
        (json!({"title": "a", "deadline_at": ""}), deadline),
        (
            json!({"title": "a", "deadline_at": "10000-01-01"}),
            deadline,
        ),
        (
            json!({"title": "a", "deadline_at": 1}),
            "deadline_at must be text",
        ),
        (json!([]), "the body must be a JSON object"),
        (json!("title"), "the body must be a JSON object"),
        (json!(null), "the body must be a JSON object"),
    ] {
        service.post(TODOS, &body).await.assert_problem(400, error);
    }
    assert_nothing_stored(&service).await;
}

#[tokio::test]
async fn an_update_that_is_wrong_changes_nothing() {
    let service = Service::start().await;
    let before = service.post(TODOS, &json!({"title": "a"})).await.json();
    let path = format!("{TODOS}/{}", before["id"]);
    for (body, error) in [
        (json!({"title": "b", "id": 7}), "extra fields"),
        (
            json!({"completed": true, "title": ""}),
            "title must have 1 to 80 characters",
        ),
        (
            json!({"completed": true, "deadline_at": "x"}),
            "deadline_at must be a time such as 2023-02-27T09:30:00, 2023-02-27T09:30:00Z or 2023-02-27, or null",
        ),
    ] {
        service.put(&path, &body).await.assert_problem(400, error);
        send(service.request("PATCH", &path).json(&body))
            .await
            .assert_problem(400, error);
    }
    assert_eq!(service.get(&path).await.json(), before);
}

#[tokio::test]
async fn a_job_that_is_wrong_is_refused_by_name_and_not_stored() {
    let service = Service::start().await;
    for (body, error) in [
        (json!({"windw": 5}), "extra fields"),
        (
            json!({"window": "abc"}),
            "window must be a whole number of days",
        ),
        (
            json!({"window": 1.5}),
            "window must be a whole number of days",
        ),
        (
            json!({"window": 36_526}),
            "window must be from -36525 to 36525 days",
        ),
        (
            json!({"window": u64::MAX}),
            "window must be a whole number of days",
        ),
        (
            json!({"completed": "true"}),
            "completed must be true or false",
        ),
        (
            json!({"component": "journal"}),
            "component must be event, todo or both",
        ),
        (
            json!({"alarm": "soon"}),
            "alarm must be a duration such as -PT15M, -PT1H30M, -P1D or -P1W",
        ),
        (json!({"alarm": 15}), "alarm must be text"),
        (
            json!({"name": "a\u{0}b"}),
            "name must not contain control characters",
        ),
        (json!({"name": " "}), "name must not be empty"),
        (json!([]), "the body must be a JSON object"),
        (json!(null), "the body must be a JSON object"),
    ] {
        service.post(ICAL, &body).await.assert_problem(400, error);
    }
    for (query, error) in [
        ("window=abc", "window must be a whole number of days"),
        ("completed=maybe", "completed must be true or false"),
        ("name=a%00b", "name must not contain control characters"),
    ] {
        let answer = send(service.request("POST", &format!("{ICAL}?{query}"))).await;
        answer.assert_problem(400, error);
    }
    assert_nothing_stored(&service).await;
}

#[tokio::test]
async fn a_list_that_is_asked_for_wrongly_is_refused_by_name() {
    let service = Service::start().await;
    for (path, error) in [
        (
            "/api/v1/todos?completed=True",
            "completed must be true or false",
        ),
        (
            "/api/v1/todos?window=abc",
            "window must be a whole number of days",
        ),
        (
            "/api/v1/todos?window=99999999",
            "window must be from -36525 to 36525 days",
        ),
        ("/api/v1/todos?limit=0", "limit must be from 1 to 1000"),
        ("/api/v1/todos?limit=x", "limit must be a whole number"),
        (
            "/api/v1/todos?cursor=x",
            "cursor must be one that a Link header gave",
        ),
        (
            "/api/v1/todos?cursor=-9223372036854775808.1",
            "cursor must be one that a Link header gave",
        ),
        (
            "/api/v1/todos?limit=1&cursor=1.2%00",
            "cursor must be one that a Link header gave",
        ),
        (
            "/api/v1/todos/ical?limit=1001",
            "limit must be from 1 to 1000",
        ),
        (
            "/api/v1/todos/ical?cursor=1.2",
            "cursor must be one that a Link header gave",
        ),
        (
            "/api/v1/todos/ical?status=DONE",
            "status must be one of PENDING, STARTED, RETRY, SUCCESS, FAILURE and REVOKED",
        ),
    ] {
        service.get(path).await.assert_problem(400, error);
    }
}

#[tokio::test]
async fn what_is_no_json_is_refused_with_the_place_where_it_breaks() {
    let service = Service::start().await;
    for path in [TODOS, ICAL] {
        for (body, error) in [
            (
                "{",
                "the body is not JSON: EOF while parsing an object at line 1 column 1",
            ),
            (
                "title=a",
                "the body is not JSON: expected ident at line 1 column 2",
            ),
            (
                "{\"title\": \"a\"} x",
                "the body is not JSON: trailing characters at line 1 column 16",
            ),
            (
                "{\"title\": NaN}",
                "the body is not JSON: expected value at line 1 column 11",
            ),
            (
                "{\"title\": \"\\ud800\"}",
                "the body is not JSON: unexpected end of hex escape at line 1 column 18",
            ),
        ] {
            let request = service
                .request("POST", path)
                .header("Content-Type", "application/json")
                .body(body);
            send(request).await.assert_problem(400, error);
        }
        let request = service
            .request("POST", path)
            .body(b"{\"title\": \"\xff\"}".to_vec());
        assert_eq!(send(request).await.status, 400);
        let deep = "[".repeat(60_000);
        let answer = send(service.request("POST", path).body(deep)).await;
        answer.assert_problem(
            400,
            "the body is not JSON: recursion limit exceeded at line 1 column 128",
        );
    }
    let empty = send(service.request("POST", TODOS)).await;
    empty.assert_problem(400, "the body must be a JSON object, and is empty");
    assert_nothing_stored(&service).await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_however_it_comes() {
    let service = Service::start().await;
    let limit = 64 * 1024;
    let todo = json!({"title": "a"}).to_string();
    let fitting = todo.clone() + &" ".repeat(limit - todo.len());
    assert_eq!(
        send(service.request("POST", TODOS).body(fitting))
            .await
            .status,
        201
    );
    send(service.request("DELETE", "/api/v1/todos/1")).await;
    for size in [limit + 1, 10 * 1024 * 1024] {
        for path in [TODOS, ICAL] {
            let answer = send(service.request("POST", path).body(" ".repeat(size))).await;
            answer.assert_problem(413, "the body is longer than 65536 bytes");
        }
    }
    assert_nothing_stored(&service).await;
}

#[tokio::test]
async fn a_body_of_another_type_is_refused() {
    let service = Service::start().await;
    let error = "the body must be JSON, uncompressed, with Content-Type: application/json";
    for path in [TODOS, ICAL] {
        for (name, value) in [
            ("Content-Type", "text/plain"),
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Content-Type", "application/jsonx"),
            ("Content-Type", "application/xml"),
            ("Content-Encoding", "gzip"),
        ] {
            let request = service
                .request("POST", path)
                .header(name, value)
                .body(r#"{"title": "a"}"#);
            send(request).await.assert_problem(415, error);
        }
    }
    assert_nothing_stored(&service).await;
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let service = Service::start().await;
    for path in [
        "/nowhere",
        "/api",
        "/api/v1",
        "/api/v1/",
        "/api/v2/todos",
        "/api/v1/todos/",
        "/api/v1/todos/1/2",
        "//",
        "/api/v1/todos/ical/",
        "/api/v1/todos/ical/1/2",
        "/API/v1/todos",
        "/../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/%00",
        "/%ff",
    ] {
        for method in ["GET", "POST", "BREW"] {
            let answer = send(service.request(method, path)).await;
            if answer.json()["error"] != "Todo not found" {
                answer.assert_problem(404, "there is nothing at this path");
            }
        }
    }
}

#[tokio::test]
async fn a_method_that_a_path_does_not_know_is_told_those_that_it_knows() {
    let service = Service::start().await;
    let job = "/api/v1/todos/ical/0192f0c1-2345-7abc-8def-0123456789ab";
    let (status, result) = (format!("{job}/status"), format!("{job}/result"));
    for (path, allowed, wrong) in [
        ("/", "GET, HEAD", "POST"),
        ("/livez", "GET, HEAD", "DELETE"),
        ("/readyz", "GET, HEAD", "PUT"),
        ("/metrics", "GET, HEAD", "POST"),
        ("/api/v1/health", "GET, HEAD", "POST"),
        (TODOS, "GET, HEAD, POST", "DELETE"),
        ("/api/v1/todos/1", "GET, HEAD, PUT, PATCH, DELETE", "POST"),
        (ICAL, "GET, HEAD, POST", "DELETE"),
        (job, "DELETE", "GET"),
        (&status, "GET, HEAD", "POST"),
        (&result, "GET, HEAD", "DELETE"),
    ] {
        for method in [wrong, "OPTIONS", "BREW", "get"] {
            let answer = send(service.request(method, path)).await;
            answer.assert_problem(405, &format!("the methods here are {allowed}"));
            assert_eq!(answer.header("allow"), Some(allowed));
        }
        for method in allowed.split(", ") {
            assert_ne!(
                send(service.request(method, path)).await.status,
                405,
                "{method} {path}"
            );
        }
    }
}

#[tokio::test]
async fn every_get_answers_a_head_with_the_same_headers() {
    let service = Service::start().await;
    let id = service.new_job().await;
    for path in [
        "/",
        "/livez",
        "/api/v1/health",
        TODOS,
        ICAL,
        &format!("{ICAL}/{id}/status"),
        "/api/v1/todos/1",
    ] {
        let get = service.get(path).await;
        let head = send(service.request("HEAD", path)).await;
        assert_eq!(head.status, get.status, "{path}");
        assert_eq!(head.bytes, b"");
        for name in ["content-type", "content-length", "etag", "retry-after"] {
            assert_eq!(head.header(name), get.header(name), "{name} of {path}");
        }
    }
}

/// Sends bytes as they are, and gives what comes back.
async fn raw(service: &Service, request: &'static [u8]) -> String {
    let address = service.url.strip_prefix("http://").unwrap().to_owned();
    let exchange = move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8(answer).unwrap()
    };
    tokio::task::spawn_blocking(exchange).await.unwrap()
}

#[tokio::test]
async fn what_is_no_http_gets_a_400_and_an_old_client_an_answer() {
    let service = Service::start().await;
    for request in [
        &b"GARBAGE\r\n\r\n"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let answer = raw(&service, request).await;
        assert!(
            answer.starts_with("HTTP/1.1 400 ") || answer.is_empty(),
            "{answer}"
        );
    }
    let old = raw(
        &service,
        b"POST /api/v1/todos/ical HTTP/1.0\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    let [head, body] = old.split("\r\n\r\n").collect::<Vec<_>>()[..] else {
        panic!("{old}")
    };
    assert!(head.starts_with("HTTP/1.0 202 "), "{head}");
    let body: Value = serde_json::from_str(body).unwrap();
    assert!(
        body["task_url"].as_str().unwrap().starts_with(&service.url),
        "{body}"
    );
}
