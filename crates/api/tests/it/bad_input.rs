//! Invalid queries and bodies.

use reqwest::{Body, RequestBuilder};
use serde_json::json;

use crate::support::{Service, send};

const TODOS: &str = "/api/v1/todos";
const ICAL: &str = "/api/v1/todos/ical";

/// Returns a request with a body that claims to be JSON.
fn claimed_json(service: &Service, path: &str, body: impl Into<Body>) -> RequestBuilder {
    service
        .request("POST", path)
        .header("Content-Type", "application/json")
        .body(body)
}

async fn assert_nothing_stored(service: &Service) {
    assert_eq!(service.count("todos").await, 0);
    assert_eq!(service.count("calendar_jobs").await, 0);
}

#[tokio::test]
async fn an_invalid_todo_is_refused_with_the_reason_and_not_stored() {
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
        (json!({"title": null}), "title must be a string"),
        (json!({"title": 7}), "title must be a string"),
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
            "description must be a string",
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
            "deadline_at must be a string",
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
async fn an_invalid_update_changes_nothing() {
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
async fn an_invalid_job_is_refused_with_the_reason_and_not_stored() {
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
        (json!({"alarm": 15}), "alarm must be a string"),
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
        let response = send(service.request("POST", &format!("{ICAL}?{query}"))).await;
        response.assert_problem(400, error);
    }
    assert_nothing_stored(&service).await;
}

#[tokio::test]
async fn invalid_list_parameters_are_refused_with_the_reason() {
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
        ("/api/v1/todos?cursor=x", "the cursor is malformed"),
        (
            "/api/v1/todos?cursor=-9223372036854775808.1",
            "the cursor is malformed",
        ),
        (
            "/api/v1/todos?limit=1&cursor=1.2%00",
            "the cursor is malformed",
        ),
        (
            "/api/v1/todos/ical?limit=1001",
            "limit must be from 1 to 1000",
        ),
        ("/api/v1/todos/ical?cursor=1.2", "the cursor is malformed"),
        (
            "/api/v1/todos/ical?status=DONE",
            "status must be PENDING, STARTED, RETRY, SUCCESS, FAILURE or REVOKED",
        ),
    ] {
        service.get(path).await.assert_problem(400, error);
    }
}

#[tokio::test]
async fn invalid_json_is_refused_with_the_position_of_the_error() {
    let service = Service::start().await;
    for path in [TODOS, ICAL] {
        for (body, error) in [
            (
                "{",
                "the body is not valid JSON: EOF while parsing an object at line 1 column 1",
            ),
            (
                "title=a",
                "the body is not valid JSON: expected ident at line 1 column 2",
            ),
            (
                "{\"title\": \"a\"} x",
                "the body is not valid JSON: trailing characters at line 1 column 16",
            ),
            (
                "{\"title\": NaN}",
                "the body is not valid JSON: expected value at line 1 column 11",
            ),
            (
                "{\"title\": \"\\ud800\"}",
                "the body is not valid JSON: unexpected end of hex escape at line 1 column 18",
            ),
        ] {
            let request = claimed_json(&service, path, body);
            send(request).await.assert_problem(400, error);
        }
        let request = claimed_json(&service, path, &b"{\"title\": \"\xff\"}"[..]);
        assert_eq!(send(request).await.status, 400);
        let deep = claimed_json(&service, path, "[".repeat(60_000));
        let response = send(deep).await;
        response.assert_problem(
            400,
            "the body is not valid JSON: recursion limit exceeded at line 1 column 128",
        );
    }
    let empty = send(service.request("POST", TODOS)).await;
    empty.assert_problem(400, "the body is empty; it must be a JSON object");
    assert_nothing_stored(&service).await;
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused() {
    let service = Service::start().await;
    let limit = 64 * 1024;
    let todo = json!({"title": "a"}).to_string();
    let fitting = todo.clone() + &" ".repeat(limit - todo.len());
    let response = send(claimed_json(&service, TODOS, fitting)).await;
    assert_eq!(response.status, 201);
    send(service.request("DELETE", "/api/v1/todos/1")).await;
    for size in [limit + 1, 10 * 1024 * 1024] {
        for path in [TODOS, ICAL] {
            let response = send(claimed_json(&service, path, " ".repeat(size))).await;
            response.assert_problem(413, "the body is longer than 65536 bytes");
        }
    }
    assert_nothing_stored(&service).await;
}

#[tokio::test]
async fn a_body_with_another_content_type_or_none_is_refused() {
    let service = Service::start().await;
    let error = "the body must be uncompressed JSON with Content-Type: application/json";
    let body = r#"{"title": "a"}"#;
    for path in [TODOS, ICAL, "/api/v1/calendar/feeds"] {
        for content_type in [
            "text/plain",
            "text/plain; x=application/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/jsonx",
            "application/xml",
            "",
        ] {
            let request = service.request("POST", path).body(body);
            let request = request.header("Content-Type", content_type);
            send(request).await.assert_problem(415, error);
        }
        let request = service.request("POST", path).body(body);
        send(request).await.assert_problem(415, error);
        let request = claimed_json(&service, path, body).header("Content-Encoding", "gzip");
        send(request).await.assert_problem(415, error);
    }
    assert_nothing_stored(&service).await;
}
