//! One fault stays where it is: a bad job, a slow request, a sweep that fails, a notification that is lost.

use std::time::Duration;

use api::background::sweeper::{Positions, Sweeper};
use futures_util::future::join_all;
use local_services::testing::eventually;
use serde_json::json;
use shared_model::activity::Activity;
use shared_model::job::JobId;
use shared_model::job_store::outbox;
use shared_model::listener::{self, JOB_DUE};
use shared_model::notifier::Notifier;
use tokio::sync::mpsc;

use crate::support::{Service, execute, lock_todos, send};

const ICAL: &str = "/api/v1/todos/ical";

#[tokio::test]
async fn a_job_that_the_database_rejects_takes_no_other_job_with_it() {
    let service = Service::start().await;
    execute(
        &service.pool,
        "ALTER TABLE calendar_jobs ADD CHECK (request ->> 'name' IS DISTINCT FROM 'bad')",
    )
    .await;
    let names = (0..100).map(|number| match number {
        50 => "bad".to_owned(),
        _ => format!("job {number}"),
    });
    let posts = names.map(|name| {
        let service = &service;
        async move {
            let response = service.post(ICAL, &json!({ "name": name })).await;
            (name, response.status.as_u16())
        }
    });
    for (name, status) in join_all(posts).await {
        assert_eq!(status, if name == "bad" { 500 } else { 202 }, "{name}");
    }
    assert_eq!(service.count("calendar_jobs").await, 99);
}

#[tokio::test]
async fn slow_requests_delay_neither_probes_nor_jobs_nor_sweeps() {
    let service = Service::start_with(&["--database-pool=9", "--sweep-interval=50ms"]).await;
    let overdue = service.new_job().await;
    let locked = lock_todos(&service).await;
    // more than there are connections for requests
    let slow = (0..8).map(|_| async { while service.get("/api/v1/todos").await.status == 503 {} });
    let others = async {
        service.wait_until_blocked(2).await;
        for _ in 0..5 {
            assert_eq!(service.get("/readyz").await.status, 200);
            let id = service.new_job().await;
            let status = service.get(&format!("{ICAL}/{id}/status")).await;
            assert_eq!(status.status, 200);
        }
        execute(
            &service.pool,
            format!("UPDATE calendar_jobs SET expires_at = now() WHERE id = '{overdue}'"),
        )
        .await;
        eventually("the overdue job has ended", async || {
            service
                .count("calendar_jobs WHERE status = 'FAILURE'")
                .await
                == 1
        })
        .await;
        locked.release().await;
    };
    tokio::join!(join_all(slow), others);
}

#[tokio::test]
async fn a_sweep_that_fails_stops_no_other_sweep() {
    let service = Service::start().await;
    let (overdue, expired) = (service.new_job().await, service.new_job().await);
    service.complete(expired, b"calendar").await;
    execute(
        &service.pool,
        format!(
            "ALTER TABLE calendar_jobs ADD CHECK (status <> 'FAILURE');
             UPDATE calendar_jobs SET expires_at = now() WHERE id = '{overdue}';
             UPDATE calendar_results SET expires_at = now()"
        ),
    )
    .await;
    let sweeper = Sweeper {
        pool: service.pool.clone(),
        notifier: Notifier::default(),
        activity: Activity::default(),
        interval: Duration::from_secs(1),
        queue: Some("test".to_owned()),
        republish_after: Duration::from_mins(1),
    };
    sweeper.sweep_once(&mut Positions::default()).await;
    assert_eq!(
        service
            .count("calendar_jobs WHERE status = 'PENDING'")
            .await,
        1
    );
    assert_eq!(service.count("calendar_results").await, 0);
}

#[tokio::test]
async fn a_change_whose_notification_is_lost_is_seen_all_the_same() {
    let service = Service::start().await;
    let id = service.new_job().await;
    let waiting = send(
        service
            .request("GET", &format!("{ICAL}/{id}/events"))
            .header("Last-Event-ID", "1"),
    );
    let working = async {
        let claim = service.claim_silently(id).await;
        let fail = move |connection: &mut _| {
            shared_model::job_store::claims::revoke(connection, claim.key)
        };
        assert!(service.pool.run(fail).await.unwrap());
    };
    let (events, ()) = tokio::join!(waiting, working);
    assert!(events.text().contains("REVOKED"), "{}", events.text());
}

#[tokio::test]
async fn if_workers_claim_jobs_from_the_table_they_are_notified_and_nothing_is_sent() {
    let service = Service::start_with(&["--queue-url=postgres:"]).await;
    let (sender, mut notified) = mpsc::unbounded_channel();
    let listening = listener::listen(service.pool.clone(), JOB_DUE, move |_| {
        let _ = sender.send(());
    });
    let working = async {
        // the connection itself, then the job
        notified.recv().await.unwrap();
        service.new_job().await;
        notified.recv().await.unwrap();
    };
    tokio::select! {
        () = listening => {}
        () = working => {}
    }
    let backlog = service.pool.run(outbox::backlog).await.unwrap();
    assert_eq!(backlog.jobs, 0);
    assert_eq!(service.publisher.arrived(), Vec::<JobId>::new());
    assert_eq!(service.get("/readyz").await.json()["queue"], "reachable");
}
