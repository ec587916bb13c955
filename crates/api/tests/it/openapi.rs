//! The OpenAPI document describes the real API.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Service, send, send_for_status};

fn members(object: &Value) -> BTreeSet<&str> {
    object
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

/// Returns the members of a schema.
fn documented<'a>(document: &'a Value, name: &str) -> BTreeSet<&'a str> {
    members(&document["components"]["schemas"][name]["properties"])
}

#[tokio::test]
async fn the_api_has_exactly_the_operations_that_are_described() {
    let service = Service::start().await;
    let document = service.get("/api/v1/openapi.json").await;
    assert_eq!(document.header("content-type"), Some("application/json"));
    for (path, operations) in document.json()["paths"].as_object().unwrap() {
        let id = "0197f3a2-0000-7000-8000-000000000000";
        let path = path.replace("{id}", id).replace("{token}", "none");
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let is_described = operations.get(method.to_lowercase()).is_some();
            let response = send_for_status(service.request(method, &path)).await;
            assert_eq!(response.status != 405, is_described, "{method} {path}");
            if is_described {
                let nothing_there = response.status == 404
                    && response.text().contains("no resource exists at this path");
                assert!(!nothing_there, "{method} {path}");
            }
        }
    }
}

#[tokio::test]
async fn responses_have_the_members_that_are_described() {
    let service = Service::start().await;
    let document = service.get("/api/v1/openapi.json").await.json();
    let todo = service
        .post("/api/v1/todos", &json!({ "title": "A" }))
        .await;
    let accepted = service.post("/api/v1/todos/ical", &json!({})).await;
    let jobs = service.get("/api/v1/todos/ical").await.json();
    let feed = service.post("/api/v1/calendar/feeds", &json!({})).await;
    let problem = service.get("/api/v1/todos/999999").await;
    for (name, response) in [
        ("Todo", &todo.json()),
        ("AcceptedJob", &accepted.json()),
        ("Job", &jobs[0]),
        ("Feed", &feed.json()),
    ] {
        assert_eq!(members(response), documented(&document, name), "{name}");
    }
    let problem = problem.json();
    let described = documented(&document, "ProblemDetails");
    assert!(members(&problem).is_subset(&described), "{problem}");
}

#[tokio::test]
async fn requests_accept_the_members_that_are_described() {
    let service = Service::start().await;
    let document = service.get("/api/v1/openapi.json").await.json();
    let values = json!({
        "title": "A", "description": "B", "completed": true, "deadline_at": "2031-01-01T00:00:00",
        "window": 7, "component": "both", "alarm": "-PT15M", "name": "C",
    });
    for (name, path) in [
        ("NewTodo", "/api/v1/todos"),
        ("CalendarOptions", "/api/v1/todos/ical"),
        ("CalendarOptions", "/api/v1/calendar/feeds"),
    ] {
        let all = documented(&document, name)
            .into_iter()
            .map(|member| (member.to_owned(), values[member].clone()))
            .collect();
        let response = service.post(path, &Value::Object(all)).await;
        assert!(response.status.is_success(), "{path}: {}", response.text());
    }
}

#[tokio::test]
async fn swagger_ui_is_complete_and_has_a_content_security_policy() {
    let service = Service::start().await;
    let page = service.get("/docs").await;
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("script-src 'self';"), "{policy}");
    for path in [
        "/docs/swagger-ui-bundle.js",
        "/docs/swagger-ui.css",
        "/docs/start.js",
    ] {
        assert!(page.text().contains(&path[1..]), "{path}");
        let file = send(
            service
                .request("GET", path)
                .header("Accept-Encoding", "gzip"),
        )
        .await;
        assert_eq!(file.status, 200, "{path}");
        assert_eq!(file.header("content-encoding"), Some("gzip"), "{path}");
    }
    for path in ["/docs/no-such.js", "/docs/index.html"] {
        let response = service.get(path).await;
        response.assert_problem(404, "no resource exists at this path");
    }
}

#[test]
fn the_command_prints_the_description_also_after_settings_of_the_api() {
    let settings = [
        "--database-url=postgres://db/a",
        "--queue-url=postgres:",
        "--bind-addr=127.0.0.1:0",
    ];
    for settings in [&[][..], &settings] {
        let output = Command::new(env!("CARGO_BIN_EXE_taskoverflow-api"))
            .env_clear()
            .args(settings)
            .arg("openapi")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(printed["openapi"], "3.1.0");
    }
}
