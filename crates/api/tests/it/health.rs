//! Health probes, metrics, request ids, and the start and end of a server.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use job_queue::Findings;
use local_services::testing::{TIMEOUT, eventually};
use shared_model::startup::StartupError;

use crate::support::{Service, config, database, execute, lock_todos, send};

#[tokio::test]
async fn the_probes_of_a_ready_process_succeed() {
    let service = Service::start().await;
    let health = service.get("/api/v1/health").await;
    assert_eq!(health.status, 200);
    assert_eq!(health.text(), r#"{"status":"ok"}"#);
    assert_eq!(service.get("/livez").await.text(), r#"{"status":"ok"}"#);
    assert_eq!(service.get("/startedz").await.text(), r#"{"status":"ok"}"#);

    let ready = service.get("/readyz").await;
    assert_eq!(ready.status, 200);
    assert_eq!(ready.json()["status"], "ready");
    assert_eq!(ready.json()["database"], "reachable");
    assert_eq!(ready.json()["migrations"], "done");

    service.new_job().await;
    eventually("the queue is reported as reachable", async || {
        service.get("/readyz").await.json()["queue"] == "reachable"
    })
    .await;
}

#[tokio::test]
async fn a_flood_of_probes_succeeds_and_costs_the_database_little() {
    let service = Service::start().await;
    let transactions = "generate_series(1,
         (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()))";
    let before = service.count(transactions).await;
    for _ in 0..4 {
        let probes = join_all((0..500).map(|_| service.get("/readyz"))).await;
        assert!(probes.iter().all(|probe| probe.status == 200));
    }
    // the database reports transactions after at most a second
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(service.get("/readyz").await.status, 200);
    let during = service.count(transactions).await - before;
    assert!(during < 1000, "{during} transactions");
}

#[tokio::test]
async fn a_process_that_waits_for_migrations_is_alive_and_not_ready() {
    let url = database();
    let cli = config(&url, &["--migrate=false"]);
    let template = crate::support::pool(&cli);
    crate::support::execute(
        &template,
        "DROP SCHEMA public CASCADE; CREATE SCHEMA public",
    )
    .await;

    let service = Service::launch(&cli);
    assert_eq!(service.get("/livez").await.status, 200);
    assert_eq!(service.get("/api/v1/health").await.status, 200);
    let ready = service.get("/readyz").await;
    ready.assert_problem(503, "the service is not ready; try again later");
    assert_eq!(ready.json()["migrations"], "pending");
    assert_eq!(ready.json()["database"], "reachable");
    let started = service.get("/startedz").await;
    started.assert_problem(503, "the service is not ready; try again later");
    for (method, path) in [
        ("GET", "/api/v1/todos"),
        ("GET", "/api/v1/todos/1"),
        ("DELETE", "/api/v1/todos/1"),
        ("POST", "/api/v1/todos/ical"),
        ("GET", "/api/v1/todos/ical"),
    ] {
        let response = send(service.request(method, path)).await;
        response.assert_problem(503, "the service is starting; try again later");
        assert!(response.header("retry-after").is_some());
    }

    let migrating = Service::launch(&config(&url, &[]));
    migrating.wait_until_ready().await;
    service.wait_until_ready().await;
    assert_eq!(service.get("/api/v1/todos").await.text(), "[]");
}

#[tokio::test]
async fn processes_that_start_at_the_same_time_migrate_one_after_the_other() {
    let cli = config(&database(), &[]);
    crate::support::execute(
        &crate::support::pool(&cli),
        "DROP SCHEMA public CASCADE; CREATE SCHEMA public",
    )
    .await;
    let services = [(); 3].map(|()| Service::launch(&cli));
    for service in &services {
        service.wait_until_ready().await;
    }
}

#[tokio::test]
async fn a_process_can_be_stopped_while_it_waits_for_its_database() {
    let service = Service::launch(&config("postgres://127.0.0.1:1/nowhere", &[]));
    assert_eq!(service.get("/livez").await.status, 200);
    service.stop();
    eventually("the process has ended", async || service.has_ended()).await;
}

#[tokio::test]
async fn a_process_accepts_jobs_until_its_queue_answers_that_it_cannot_work() {
    let mut service = Service::start().await;
    service.new_job().await;
    service.publisher.called().await;
    service.publisher.answer_look(Findings {
        unusable: vec!["there is no stream".to_owned()],
        warnings: Vec::new(),
    });
    let error = service.ended().await.unwrap_err();
    let Some(StartupError::UnusableQueue(reasons)) = error.downcast_ref() else {
        panic!("{error:?}")
    };
    assert_eq!(reasons, &["there is no stream"]);
}

#[tokio::test]
async fn a_process_goes_on_if_its_queue_answers_that_it_suits() {
    let service = Service::start().await;
    service.publisher.answer_look(Findings {
        unusable: Vec::new(),
        warnings: vec!["it is slow".to_owned()],
    });
    let publisher = &service.publisher;
    eventually("the answer has arrived", async || {
        publisher.has_answered_look()
    })
    .await;
    service.new_job().await;
    publisher.called().await;
    assert!(!service.has_ended());
}

#[tokio::test]
async fn metrics_count_requests_by_route_and_never_by_path() {
    let service = Service::start().await;
    service.get("/api/v1/todos/424242").await;
    service.get("/no/such/path/424242").await;
    send(service.request("BREW", "/api/v1/todos")).await;
    service.new_job().await;
    eventually(
        "the metrics show the published job and the empty outbox",
        async || {
            let metrics = service.get("/metrics").await;
            metrics.text().contains("outbox_published_total ")
                && metrics.text().contains("outbox_jobs 0")
        },
    )
    .await;
    let metrics = service.get("/metrics").await;
    assert_eq!(
        metrics.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    for line in [
        r#"http_requests_total{method="GET",route="/api/v1/todos/{id}",status="404"}"#,
        r#"http_requests_total{method="GET",route="unmatched",status="404"}"#,
        r#"http_requests_total{method="other",route="/api/v1/todos",status="405"}"#,
        r#"http_request_duration_seconds_bucket{method="POST",route="/api/v1/todos/ical",le="0.05"}"#,
        "# TYPE outbox_jobs gauge",
        "# TYPE outbox_oldest_age_seconds gauge",
        "# TYPE usage_measured_timestamp_seconds gauge",
    ] {
        assert!(
            metrics.text().contains(line),
            "{line} is not in\n{}",
            metrics.text()
        );
    }
    // only names and labels are checked, because a value may contain these digits by chance
    let mut samples = metrics
        .text()
        .lines()
        .filter_map(|line| line.rsplit_once(' '));
    assert!(samples.all(|(name, _value)| !name.contains("424242")));
}

#[tokio::test]
async fn every_response_has_a_request_id_which_is_the_clients_own_if_that_is_safe() {
    let service = Service::start().await;
    let own = service
        .request("GET", "/api/v1/health")
        .header("X-Request-Id", "trace-42/a.b:c_d");
    assert_eq!(
        send(own).await.header("x-request-id"),
        Some("trace-42/a.b:c_d")
    );

    let mut seen = std::collections::HashSet::new();
    for insane in ["", "a b", "a\"b", "{}", &"x".repeat(129)] {
        let request = service
            .request("GET", "/nowhere")
            .header("X-Request-Id", insane);
        let response = send(request).await;
        let id = response.header("x-request-id").unwrap().to_owned();
        assert_ne!(id, insane);
        assert!(seen.insert(id));
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(response.header("cache-control"), Some("no-store"));
    }
}

#[tokio::test]
async fn an_open_request_is_finished_before_the_process_ends() {
    let service = Service::start().await;
    let locked = lock_todos(&service).await;
    let blocked = tokio::spawn(service.request("GET", "/api/v1/todos").send());
    service.wait_until_blocked(1).await;
    service.stop();
    eventually("new requests are refused", async || {
        service.request("GET", "/livez").send().await.is_err()
    })
    .await;
    assert!(!service.has_ended());
    locked.release().await;
    let response = blocked.await.unwrap().unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.text().await.unwrap(), "[]");
    eventually("the process has ended", async || service.has_ended()).await;
}

#[tokio::test]
async fn every_client_of_a_burst_gets_its_job() {
    let service = Service::start().await;
    let deadline = Instant::now() + TIMEOUT;
    let post = || async {
        // one connection per client
        let client = reqwest::Client::new();
        loop {
            let request = client.post(format!("{}/api/v1/todos/ical", service.url));
            let status = request.send().await.unwrap().status();
            if status != 503 || Instant::now() >= deadline {
                return status;
            }
            // the pool is exhausted, and the response asks the client to try again
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let statuses = join_all((0..300).map(|_| post())).await;
    assert!(statuses.iter().all(|status| *status == 202), "{statuses:?}");
    assert_eq!(service.count("calendar_jobs").await, 300);
    eventually("all jobs are published", async || {
        service.publisher.arrived().len() == 300
    })
    .await;
}

#[tokio::test]
async fn the_metrics_show_what_is_in_the_database_and_in_the_queue() {
    let service = Service::start().await;
    service.new_job().await;
    eventually("the metrics show the job and its message", async || {
        let metrics = service.get("/metrics").await;
        [
            r#"jobs{status="pending"} 1"#,
            r#"jobs{status="failed"} 0"#,
            "processing_paused 0",
            r#"event_deliveries{state="given_up"} 0"#,
            "event_deliveries_oldest_due_seconds 0",
            r#"queue_messages{state="visible"} "#,
        ]
        .iter()
        .all(|line| metrics.text().contains(line))
    })
    .await;
}

#[tokio::test]
async fn the_metrics_show_since_when_an_event_waits_that_nobody_sends() {
    // as if EVENTS_URL had been removed from the settings
    let service = Service::start().await;
    let store = "INSERT INTO event_deliveries (job_id, event_id, destination, event, due_at)
                 VALUES (gen_random_uuid(), '1', 'sns', '{}', now() - interval '2 hours')";
    execute(&service.pool, store).await;
    eventually("the metrics show two hours", async || {
        let metrics = service.get("/metrics").await;
        let mut lines = metrics.text().lines();
        let seconds =
            lines.find_map(|line| line.strip_prefix("event_deliveries_oldest_due_seconds "));
        seconds.is_some_and(|seconds| {
            let seconds: f64 = seconds.parse().unwrap();
            (7200.0..7300.0).contains(&seconds)
        })
    })
    .await;
}
