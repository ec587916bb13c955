//! Todos: create, read, update, delete.

use serde_json::{Value, json};

use crate::support::{Service, send};

const TODOS: &str = "/api/v1/todos";

async fn create(service: &Service, todo: Value) -> Value {
    let response = service.post(TODOS, &todo).await;
    assert_eq!(response.status, 201, "{}", response.text());
    response.json()
}

#[tokio::test]
async fn the_response_to_a_new_todo_has_all_members_and_its_url() {
    let service = Service::start().await;
    let response = service
        .post(
            TODOS,
            &json!({"title": " Pay the rent ", "deadline_at": "2023-02-27T12:00:00.5+10:00"}),
        )
        .await;
    assert_eq!(response.status, 201);
    assert_eq!(response.header("content-type"), Some("application/json"));
    let todo = response.json();
    assert_eq!(
        response.header("location"),
        Some(format!("{}{TODOS}/{}", service.url, todo["id"]).as_str())
    );
    assert_eq!(todo["title"], "Pay the rent");
    assert_eq!(todo["description"], Value::Null);
    assert_eq!(todo["completed"], false);
    assert_eq!(todo["deadline_at"], "2023-02-27T02:00:00.500000");
    assert_eq!(todo["created_at"], todo["updated_at"]);
    let mut members: Vec<&String> = todo.as_object().unwrap().keys().collect();
    members.sort();
    assert_eq!(
        members,
        [
            "completed",
            "created_at",
            "deadline_at",
            "description",
            "id",
            "title",
            "updated_at"
        ]
    );

    let found = service.get(&format!("{TODOS}/{}", todo["id"])).await;
    assert_eq!(found.status, 200);
    assert_eq!(found.json(), todo);
}

#[tokio::test]
async fn every_member_of_a_new_todo_is_stored() {
    let service = Service::start().await;
    let given = json!({
        "title": "日本語 \u{1f468}\u{200d}\u{1f469}", "description": "a\tb\nc; \\ \"d\", 'e'", "completed": true,
        "deadline_at": "2023-02-27",
    });
    let todo = create(&service, given.clone()).await;
    for member in ["title", "description", "completed"] {
        assert_eq!(todo[member], given[member]);
    }
    assert_eq!(todo["deadline_at"], "2023-02-27T00:00:00");
}

#[tokio::test]
async fn absent_members_of_an_update_stay_unchanged() {
    let service = Service::start().await;
    let before = create(
        &service,
        json!({"title": "a", "description": "b", "completed": true, "deadline_at": "2023-02-27"}),
    )
    .await;
    let path = format!("{TODOS}/{}", before["id"]);
    for method in ["PUT", "PATCH"] {
        for (member, value) in [
            ("title", json!("c")),
            ("description", json!(null)),
            ("completed", json!(false)),
            ("deadline_at", json!(null)),
            ("deadline_at", json!("2024-01-01T00:00:00")),
            ("description", json!("d")),
        ] {
            let mut expected = service.get(&path).await.json();
            let response = send(
                service
                    .request(method, &path)
                    .json(&json!({ member: value })),
            )
            .await;
            assert_eq!(response.status, 200, "{}", response.text());
            let after = response.json();
            assert!(after["updated_at"].as_str() > expected["updated_at"].as_str());
            expected[member] = value;
            expected["updated_at"] = after["updated_at"].clone();
            assert_eq!(after, expected);
            assert_eq!(service.get(&path).await.json(), expected);
        }
    }
}

#[tokio::test]
async fn an_empty_update_changes_nothing() {
    let service = Service::start().await;
    let todo = create(&service, json!({"title": "a"})).await;
    let response = service
        .put(&format!("{TODOS}/{}", todo["id"]), &json!({}))
        .await;
    assert_eq!(response.status, 200);
    assert_eq!(response.json(), todo);
}

#[tokio::test]
async fn an_unknown_todo_is_404() {
    let service = Service::start().await;
    for id in [
        "1",
        "0",
        "007",
        "2147483648",
        "99999999999999999999",
        "abc",
        "-1",
        "1.0",
        "%31%20",
        "1e3",
    ] {
        let path = format!("{TODOS}/{id}");
        service
            .get(&path)
            .await
            .assert_problem(404, "Todo not found");
        service
            .put(&path, &json!({"title": "a"}))
            .await
            .assert_problem(404, "Todo not found");
        service
            .put(&path, &json!({}))
            .await
            .assert_problem(404, "Todo not found");
    }
    let unknown_member = service.put("/api/v1/todos/1", &json!({"id": 1})).await;
    unknown_member.assert_problem(400, "extra fields");
}

#[tokio::test]
async fn deleting_returns_the_todo_once_and_then_an_empty_object() {
    let service = Service::start().await;
    let todo = create(&service, json!({"title": "a"})).await;
    let path = format!("{TODOS}/{}", todo["id"]);
    let deleted = service.delete(&path).await;
    assert_eq!(deleted.status, 200);
    assert_eq!(deleted.json(), todo);
    for path in [path.as_str(), "/api/v1/todos/2147483648"] {
        let again = service.delete(path).await;
        assert_eq!(again.status, 200);
        assert_eq!(again.text(), "{}");
    }
    service
        .delete("/api/v1/todos/abc")
        .await
        .assert_problem(404, "Todo not found");
    service
        .get(&path)
        .await
        .assert_problem(404, "Todo not found");
}

#[tokio::test]
async fn the_url_of_a_new_todo_begins_with_the_address_that_the_client_used() {
    let service = Service::start_with(&["--public-url", "https://example.org/todo/"]).await;
    let response = service.post(TODOS, &json!({"title": "a"})).await;
    assert_eq!(
        response.header("location"),
        Some("https://example.org/todo/api/v1/todos/1")
    );

    let flags = ["--trust-proxy", "--allowed-hosts=todo.example.org"];
    let service = Service::start_with(&flags).await;
    let request = service
        .request("POST", TODOS)
        .header("X-Forwarded-Proto", "https")
        .header("X-Forwarded-Host", "todo.example.org")
        .json(&json!({"title": "a"}));
    assert_eq!(
        send(request).await.header("location"),
        Some("https://todo.example.org/api/v1/todos/1")
    );
}

#[tokio::test]
async fn every_json_content_type_is_accepted() {
    let service = Service::start().await;
    for content_type in [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/merge-patch+json",
    ] {
        let request = service
            .request("POST", TODOS)
            .header("Content-Type", content_type)
            .body(r#"{"title": "a"}"#);
        let response = send(request).await;
        assert_eq!(response.status, 201, "{content_type}: {}", response.text());
    }
}
