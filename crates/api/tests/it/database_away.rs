//! The database goes down, restarts, or is too slow.

use api::authentication::scope::Scope;
use api::authentication::secret::NewSecret;
use futures_util::future::join_all;
use local_services::postgres::Cluster;
use local_services::testing::{eventually, login};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::tokens::with_token;
use crate::support::{Service, config, database, execute, lock_todos, pool, send};

#[tokio::test]
async fn requests_get_a_503_while_the_database_is_down_and_succeed_afterwards() {
    let mut cluster = Cluster::ephemeral().unwrap();
    // the stored rows must survive the crash
    cluster
        .execute(
            "postgres",
            "ALTER DATABASE taskoverflow SET synchronous_commit = on",
        )
        .unwrap();
    let service = Service::launch(&config(&cluster.url(), &[]));
    service.wait_until_ready().await;
    let job = service.new_job().await;
    let todo = service
        .post("/api/v1/todos", &json!({"title": "a"}))
        .await
        .json();

    cluster.stop_immediately().unwrap();
    assert_eq!(service.get("/livez").await.status, 200);
    eventually("the process is not ready", async || {
        service.get("/readyz").await.status == 503
    })
    .await;
    let ready = service.get("/readyz").await;
    ready.assert_problem(503, "the service is not ready; try again later");
    assert_eq!(ready.json()["database"], "unreachable");
    // no orchestrator shall replace it
    assert_eq!(service.get("/startedz").await.status, 200);
    let status = format!("/api/v1/todos/ical/{job}/status");
    let requests = [
        service.request("GET", "/api/v1/todos"),
        service.request("GET", "/api/v1/todos/1"),
        service
            .request("POST", "/api/v1/todos")
            .json(&json!({"title": "b"})),
        service.request("POST", "/api/v1/todos/ical"),
        service.request("GET", &status),
    ];
    for response in join_all(requests.map(send)).await {
        response.assert_problem(
            503,
            "the service is temporarily unavailable; try again later",
        );
        assert!(response.header("retry-after").is_some());
    }

    cluster.start_again().unwrap();
    service.wait_until_ready().await;
    assert_eq!(service.get("/api/v1/todos").await.json(), json!([todo]));
    assert_eq!(service.get(&status).await.json()["task_status"], "PENDING");
    let job = service.new_job().await;
    eventually("the relay publishes again", async || {
        service.publisher.arrived().contains(&job)
    })
    .await;
}

#[tokio::test]
async fn no_request_fails_after_a_database_restart() {
    let mut cluster = Cluster::ephemeral().unwrap();
    let service = Service::launch(&config(&cluster.url(), &[]));
    service.wait_until_ready().await;
    for _ in 0..3 {
        // this breaks every connection in the pool
        cluster.restart().unwrap();
        assert_eq!(service.get("/api/v1/todos").await.status, 200);
    }
}

#[tokio::test]
async fn an_exhausted_pool_is_a_503_after_a_limited_wait() {
    let service = Service::start_with(&["--database-pool", "9"]).await;
    let locked = lock_todos(&service).await;
    let responses = join_all((0..4).map(|_| service.get("/api/v1/todos/1"))).await;
    // two requests wait for the lock until the statement timeout, the others for a connection
    for response in &responses {
        response.assert_problem(
            503,
            "the service is temporarily unavailable; try again later",
        );
        assert!(response.header("retry-after").is_some());
    }
    locked.release().await;
    service
        .get("/api/v1/todos/1")
        .await
        .assert_problem(404, "Todo not found");
}

#[tokio::test]
async fn a_list_that_ends_early_is_recognisably_incomplete() {
    let mut cluster = Cluster::ephemeral().unwrap();
    let service = Service::launch(&config(&cluster.url(), &[]));
    service.wait_until_ready().await;
    // more than sockets and buffers hold, so that the server is still reading when the database stops
    execute(
        &service.pool,
        "INSERT INTO todos (title, description) SELECT repeat('x', 80), repeat('y', 120) FROM generate_series(1, 100000)",
    )
    .await;
    let mut stream = TcpStream::connect(service.url.strip_prefix("http://").unwrap())
        .await
        .unwrap();
    stream
        .write_all(b"GET /api/v1/todos HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut begun = [0; 12];
    stream.read_exact(&mut begun).await.unwrap();
    assert_eq!(&begun, b"HTTP/1.1 200");
    cluster.stop_immediately().unwrap();
    let mut rest = Vec::new();
    // the server may also reset the connection
    let _ = stream.read_to_end(&mut rest).await;
    assert!(rest.len() < 25_000_000, "{}", rest.len());
    assert!(
        !rest.ends_with(b"0\r\n\r\n"),
        "the last chunk would mark the list as complete"
    );
}

#[tokio::test]
async fn operators_can_read_the_metrics_while_the_database_is_down() {
    let mut cluster = Cluster::ephemeral().unwrap();
    let service = Service::launch(&config(&cluster.url(), &["--auth=tokens"]));
    service.wait_until_ready().await;
    let operator = service.token(Scope::Operator).await;
    let full = service.token(Scope::Full).await;
    let metrics = || send(with_token(service.request("GET", "/metrics"), &operator));
    let nowhere = || send(with_token(service.request("GET", "/nowhere"), &full));
    assert_eq!(metrics().await.status, 200);
    assert_eq!(nowhere().await.status, 404);

    cluster.stop_immediately().unwrap();
    eventually("the other token is forgotten", async || {
        nowhere().await.status == 503
    })
    .await;
    let metrics = metrics().await;
    assert_eq!(metrics.status, 200);
    assert!(metrics.text().contains("http_requests_total"));
    let unknown = NewSecret::token().unwrap().text;
    let guess = send(with_token(service.request("GET", "/metrics"), &unknown)).await;
    assert_eq!(guess.status, 503);
}

#[tokio::test]
async fn a_process_whose_password_was_replaced_is_to_be_replaced_too() {
    let owner = database();
    let url = login(&owner, "replaced", "first");
    let owner = pool(&config(&owner, &[]));
    execute(
        &owner,
        "CREATE ROLE replaced LOGIN SUPERUSER PASSWORD 'first'",
    )
    .await;
    let service = Service::launch(&config(&url, &[]));
    service.wait_until_ready().await;
    assert_eq!(service.get("/startedz").await.status, 200);

    execute(&owner, "ALTER ROLE replaced PASSWORD 'second'").await;
    execute(
        &owner,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'replaced'",
    )
    .await;
    eventually("an orchestrator replaces the process", async || {
        service.get("/startedz").await.status == 503
    })
    .await;
    assert_eq!(service.get("/livez").await.status, 200);
}
