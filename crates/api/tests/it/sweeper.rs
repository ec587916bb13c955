//! The sweeper finds what there is to do however many jobs wait.

use std::time::Duration;

use api::background::sweeper::{Positions, Sweeper};
use shared_model::activity::Activity;
use shared_model::job_store::sweeps::{BATCH, PART};
use shared_model::notifier::Notifier;

use crate::support::process::Process;
use crate::support::{Service, config, database, execute, pool};

fn sweeper(service: &Service) -> Sweeper {
    Sweeper {
        pool: service.pool.clone(),
        notifier: Notifier::default(),
        activity: Activity::default(),
        interval: Duration::from_secs(1),
        queue: Some("test".to_owned()),
        republish_after: Duration::from_mins(1),
    }
}

/// Stores jobs that wait; those with a number in `overdue` are overdue.
async fn store_waiting(service: &Service, jobs: i64, overdue: &str) {
    let sql = format!(
        "INSERT INTO calendar_jobs (id, request, expiry, expires_at)
         SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, '{{}}', interval '1 hour',
                CASE WHEN {overdue} THEN now() ELSE now() + interval '1 hour' END
         FROM generate_series(1, {jobs}) AS n"
    );
    execute(&service.pool, sql).await;
}

async fn failed(service: &Service) -> i64 {
    service
        .count("calendar_jobs WHERE status = 'FAILURE'")
        .await
}

#[tokio::test]
async fn each_round_looks_at_the_oldest_jobs_and_goes_on_where_the_last_one_stopped() {
    let service = Service::start_with(&["--sweep-interval=1h"]).await;
    let jobs = 4 * PART;
    store_waiting(&service, jobs, &format!("n = {jobs}")).await;
    let sweeper = sweeper(&service);
    let mut positions = Positions::default();
    for found in [0, 0, 1] {
        sweeper.sweep_once(&mut positions).await;
        assert_eq!(failed(&service).await, found);
    }
    let oldest = "UPDATE calendar_jobs SET expires_at = now() WHERE id = '00000000-0000-7000-8000-000000000001'";
    for found in [2, 2] {
        execute(&service.pool, oldest).await;
        sweeper.sweep_once(&mut positions).await;
        assert_eq!(failed(&service).await, found);
    }
}

#[tokio::test]
async fn a_round_goes_on_as_long_as_it_finds_jobs() {
    let service = Service::start_with(&["--sweep-interval=1h"]).await;
    let overdue = 2 * PART + BATCH / 2;
    store_waiting(&service, 5 * PART, &format!("n <= {overdue}")).await;
    let mut positions = Positions::default();
    sweeper(&service).sweep_once(&mut positions).await;
    assert_eq!(failed(&service).await, overdue);
}

#[tokio::test]
async fn events_that_are_deleted_although_they_were_to_be_sent_are_reported_once_with_their_number()
{
    let url = database();
    let database = pool(&config(&url, &[]));
    // more than one batch; one event was given up
    let store = "INSERT INTO event_deliveries (job_id, event_id, destination, event, created_at, due_at)
                 SELECT gen_random_uuid(), n, 'sns', '{}', now() - interval '8 days', CASE WHEN n > 0 THEN now() - interval '8 days' END
                 FROM generate_series(0, 600) AS n";
    execute(&database, store).await;
    let settings = [("DATABASE_URL", url.as_str()), ("SWEEP_INTERVAL", "1s")];
    let mut process = Process::start(&settings, "ready");
    let warning = loop {
        let line = process.next_line();
        if line["events.deleted"].is_number() {
            break line;
        }
    };
    assert_eq!(warning["events.deleted"], 600, "{warning}");
    assert_eq!(warning["level"], "warn", "{warning}");
    let message = warning["message"].as_str().unwrap();
    assert!(message.contains("not configured any more"), "{message}");
}
