//! The API as a process that operators see: what it says about itself and what it did.

use std::time::Duration;

use local_services::testing::eventually;
use shared_model::activity::{self, Tally};
use shared_model::processes::{self, ProcessState, Role};

use crate::support::{Service, execute};

/// Returns what all processes have reported.
async fn reported(service: &Service) -> Tally {
    let hour = Duration::from_hours(1);
    let since = service
        .pool
        .run(move |connection| activity::since(connection, hour));
    let mut total = Tally::default();
    for point in since.await.unwrap() {
        total.add(&point.tally);
    }
    total
}

#[tokio::test]
async fn an_api_is_listed_until_it_stops() {
    let service = Service::start().await;
    let states = async |state| {
        let listed = service.pool.run(processes::list).await.unwrap();
        matches!(listed.as_slice(), [one] if one.role == Role::Api && one.state == state)
    };
    eventually("the API is listed", async || {
        states(ProcessState::Running).await
    })
    .await;
    service.stop();
    eventually("it has stopped", async || {
        states(ProcessState::Stopped).await
    })
    .await;
}

#[tokio::test]
async fn an_api_reports_which_jobs_it_accepted_published_and_ended() {
    let service = Service::start_with(&["--sweep-interval=100ms"]).await;
    let cancelled = service.new_job().await;
    let overdue = service.new_job().await;
    for _ in 0..2 {
        let repeated = service
            .request("POST", "/api/v1/todos/ical")
            .header("Idempotency-Key", "one")
            .json(&serde_json::json!({}));
        assert_eq!(repeated.send().await.unwrap().status(), 202);
    }
    for _ in 0..2 {
        let path = format!("/api/v1/todos/ical/{cancelled}");
        assert_eq!(service.delete(&path).await.status, 200);
    }
    let end = format!("UPDATE calendar_jobs SET expires_at = now() WHERE id = '{overdue}'");
    execute(&service.pool, end).await;
    let expected = Tally {
        accepted: 3,
        published: 3,
        revoked: 1,
        failed: 1,
        ..Tally::default()
    };
    eventually("everything is reported", async || {
        reported(&service).await == expected
    })
    .await;
}

#[tokio::test]
async fn the_sweeper_deletes_old_activity_and_old_processes() {
    let service = Service::start_with(&["--sweep-interval=100ms"]).await;
    execute(
        &service.pool,
        "INSERT INTO activity (period, process_id, wait_seconds, run_seconds)
         SELECT now() - interval '1 hour' * n, 0, '{}', '{}' FROM generate_series(1, 3) AS n;
         INSERT INTO processes (role, host, pid, version, started_at, heartbeat_at)
         SELECT 'worker', 'old', n, '0', now() - interval '90 days', now() - interval '1 day' * n FROM generate_series(59, 61) AS n",
    )
    .await;
    eventually("the old rows are gone", async || {
        let old = service.count("processes WHERE host = 'old'").await;
        let activity = service.count("activity WHERE process_id = 0").await;
        (old, activity) == (1, 1)
    })
    .await;
}
