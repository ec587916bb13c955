//! The list of todos: filters, pages, and the whole list as a stream.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::support::{ApiResponse, Service, execute, send};

const TODOS: &str = "/api/v1/todos";

fn titles(response: &ApiResponse) -> Vec<String> {
    assert_eq!(response.status, 200, "{}", response.text());
    let todos = response.json();
    let title = |todo: &Value| todo["title"].as_str().unwrap().to_owned();
    todos.as_array().unwrap().iter().map(title).collect()
}

/// Returns the path and query of the next page.
fn next(service: &Service, response: &ApiResponse) -> Option<String> {
    let link = response.header("link")?;
    let url = link
        .strip_prefix('<')
        .unwrap()
        .strip_suffix(r#">; rel="next""#)
        .unwrap();
    Some(url.strip_prefix(&service.url).unwrap().to_owned())
}

#[tokio::test]
async fn an_empty_list_is_an_empty_array() {
    let service = Service::start().await;
    for path in [
        TODOS,
        "/api/v1/todos?limit=5",
        "/api/v1/todos?completed=true&window=1",
    ] {
        let response = service.get(path).await;
        assert_eq!(response.text(), "[]");
        assert_eq!(response.header("content-type"), Some("application/json"));
        assert_eq!(response.header("link"), None);
    }
}

#[tokio::test]
async fn todos_are_listed_newest_first_and_by_id_within_an_instant() {
    let service = Service::start().await;
    execute(
        &service.pool,
        "INSERT INTO todos (title, created_at) VALUES ('old', '2023-01-01'), ('b1', '2023-01-02'), ('b2', '2023-01-02'), ('new', '2023-01-03')",
    )
    .await;
    assert_eq!(
        titles(&service.get(TODOS).await),
        ["new", "b2", "b1", "old"]
    );
}

#[tokio::test]
async fn a_filter_selects_by_completion_and_deadline() {
    let service = Service::start().await;
    execute(
        &service.pool,
        "INSERT INTO todos (title, completed, deadline_at) VALUES
         ('none', false, NULL), ('past', true, now() AT TIME ZONE 'utc' - interval '9 days'),
         ('soon', false, now() AT TIME ZONE 'utc' + interval '47 hours'),
         ('late', true, now() AT TIME ZONE 'utc' + interval '49 hours')",
    )
    .await;
    for (query, expected) in [
        ("", &["late", "soon", "past", "none"][..]),
        ("?completed=true", &["late", "past"]),
        ("?completed=false", &["soon", "none"]),
        ("?window=2", &["soon", "past"]),
        ("?window=3", &["late", "soon", "past"]),
        ("?window=0", &["past"]),
        ("?window=-10", &[]),
        ("?window=36525&completed=true", &["late", "past"]),
        (
            "?completed=&window=&limit=&cursor=&unknown=1",
            &["late", "soon", "past", "none"],
        ),
    ] {
        assert_eq!(
            titles(&service.get(&format!("{TODOS}{query}")).await),
            expected,
            "{query}"
        );
    }
}

#[tokio::test]
async fn pages_list_every_todo_once_while_others_are_added_and_deleted() {
    let service = Service::start().await;
    // four todos at each of five instants, so that pages end within an instant
    execute(
        &service.pool,
        "INSERT INTO todos (title, completed, created_at)
         SELECT 'todo ' || n, true, timestamp '2023-01-01' + n / 4 * interval '1 microsecond' FROM generate_series(0, 19) AS n",
    )
    .await;
    let mut path = Some(format!("{TODOS}?completed=true&window=&limit=3"));
    let mut seen = Vec::new();
    let mut pages = 0;
    while let Some(current) = path {
        let response = service.get(&current).await;
        let page = titles(&response);
        assert!(page.len() <= 3);
        seen.extend(page);
        pages += 1;
        // a newer todo belongs before the first page, and a todo that was listed already may be deleted
        service
            .post(TODOS, &json!({"title": "late", "completed": true}))
            .await;
        execute(&service.pool, "DELETE FROM todos WHERE title = 'todo 19'").await;
        path = next(&service, &response);
    }
    assert_eq!(pages, 7);
    let expected: Vec<String> = (0..20).rev().map(|n| format!("todo {n}")).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn the_last_page_has_no_next_link_even_if_it_is_full() {
    let service = Service::start().await;
    execute(
        &service.pool,
        "INSERT INTO todos (title) SELECT 'todo ' || n FROM generate_series(1, 6) AS n",
    )
    .await;
    let first = service.get("/api/v1/todos?limit=3").await;
    let second = service.get(&next(&service, &first).unwrap()).await;
    assert_eq!(titles(&second), ["todo 3", "todo 2", "todo 1"]);
    assert_eq!(next(&service, &second), None);
    let link = first.header("link").unwrap();
    assert!(
        link.contains("limit=3&cursor=") && !link.contains("completed"),
        "{link}"
    );

    let rest = service
        .get(&next(&service, &first).unwrap().replace("limit=3&", ""))
        .await;
    assert_eq!(
        titles(&rest),
        ["todo 3", "todo 2", "todo 1"],
        "without a limit, the cursor returns all remaining todos"
    );
}

#[tokio::test]
async fn fifty_thousand_todos_are_streamed_completely_and_in_order() {
    let service = Service::start().await;
    execute(
        &service.pool,
        "INSERT INTO todos (title, created_at) SELECT 'todo ' || n, timestamp '2023-01-01' + n / 7 * interval '1 s'
         FROM generate_series(1, 50000) AS n",
    )
    .await;
    let response = service.get(TODOS).await;
    assert_eq!(response.header("transfer-encoding"), Some("chunked"));
    let titles = titles(&response);
    let expected: Vec<String> = (1..=50_000).rev().map(|n| format!("todo {n}")).collect();
    assert!(titles == expected, "{} todos", titles.len());
}

#[tokio::test]
async fn a_list_of_exactly_one_or_several_chunks_is_a_complete_array() {
    let service = Service::start().await;
    for (added, total) in [(999, 999), (1, 1000), (1, 1001), (999, 2000)] {
        execute(
            &service.pool,
            format!("INSERT INTO todos (title) SELECT 'a' FROM generate_series(1, {added})"),
        )
        .await;
        let response = service.get(TODOS).await;
        let ids: HashSet<i64> = response
            .json()
            .as_array()
            .unwrap()
            .iter()
            .map(|todo| todo["id"].as_i64().unwrap())
            .collect();
        assert_eq!(ids.len(), total);
    }
}

#[tokio::test]
async fn a_head_request_for_a_long_list_gets_no_body() {
    let service = Service::start().await;
    execute(
        &service.pool,
        "INSERT INTO todos (title) SELECT 'a' FROM generate_series(1, 3000)",
    )
    .await;
    let response = send(service.request("HEAD", TODOS)).await;
    assert_eq!(response.status, 200);
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(response.bytes, b"");
    let response = send(service.request("HEAD", "/api/v1/todos?limit=2")).await;
    assert!(response.header("link").is_some());
}
