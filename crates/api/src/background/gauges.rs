//! Measures the gauges that show the state of the whole service: what is in the database and in the queue.

use std::time::Duration;

use job_queue::QueueDepth;
use shared_model::database::Pool;
use shared_model::job_store::outbox::Backlog;
use shared_model::telemetry::rest;
use tokio::time::{Instant, sleep, timeout};

use crate::operations::Operations;
use crate::store::operations::{Gauges, read_gauges};
use crate::telemetry::{
    EVENT_DELIVERIES, EVENT_DELIVERIES_OLDEST_DUE, JOBS, JOBS_FAILED_IN_TEN_MINUTES,
    JOBS_OLDEST_WAITING, OUTBOX_JOBS, OUTBOX_OLDEST_AGE, PROCESSING_PAUSED, QUEUE_MESSAGES,
};

/// How often the database is measured, at most.
const DATABASE_INTERVAL: Duration = Duration::from_secs(5);
/// How often the messages in the queue are counted. Each call is billed, and the numbers of SQS are up to a minute old.
const QUEUE_INTERVAL: Duration = Duration::from_mins(1);
/// How often to look whether the queue is connected.
const CONNECTING_PAUSE: Duration = Duration::from_secs(1);
/// How long the queue may take to answer.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(10);

/// Measures forever. While the database or the queue does not answer, the gauges keep their values, and other metrics show
/// the problem.
pub async fn run(pool: &Pool, operations: &Operations) {
    tokio::join!(watch_database(pool, operations), watch_queue(operations));
}

async fn watch_database(pool: &Pool, operations: &Operations) {
    loop {
        let begun = Instant::now();
        if let Ok(gauges) = pool.run(read_gauges).await {
            show(&gauges);
            // With `postgres:` nothing is published.
            if !operations.is_table() {
                show_outbox(&gauges.outbox);
            }
        }
        sleep(rest(DATABASE_INTERVAL, begun.elapsed())).await;
    }
}

async fn watch_queue(operations: &Operations) {
    loop {
        match timeout(QUEUE_TIMEOUT, operations.count_messages()).await {
            Ok(None) => {
                sleep(CONNECTING_PAUSE).await;
                continue;
            }
            Ok(Some(Ok(depth))) => show_depth(&depth),
            Ok(Some(Err(error))) => {
                log::debug!(error:%; "could not count the messages in the queue");
            }
            Err(_elapsed) => log::debug!("the queue did not say how many messages it has"),
        }
        sleep(QUEUE_INTERVAL).await;
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
fn show(gauges: &Gauges) {
    let Gauges {
        processing,
        jobs,
        waiting_seconds,
        outbox: _,
        deliveries,
        oldest_due_seconds,
    } = gauges;
    let is_paused = processing.paused_at.is_some();
    metrics::gauge!(PROCESSING_PAUSED).set(f64::from(u8::from(is_paused)));
    for (status, count) in [
        ("pending", jobs.pending),
        ("started", jobs.started),
        ("retry", jobs.retry),
        ("failed", jobs.failed),
    ] {
        metrics::gauge!(JOBS, "status" => status).set(count as f64);
    }
    metrics::gauge!(JOBS_FAILED_IN_TEN_MINUTES).set(jobs.failed_in_ten_minutes as f64);
    metrics::gauge!(JOBS_OLDEST_WAITING).set(*waiting_seconds);
    for (state, count) in [
        ("waiting", deliveries.waiting),
        ("given_up", deliveries.given_up),
    ] {
        metrics::gauge!(EVENT_DELIVERIES, "state" => state).set(count as f64);
    }
    metrics::gauge!(EVENT_DELIVERIES_OLDEST_DUE).set(*oldest_due_seconds);
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
fn show_outbox(outbox: &Backlog) {
    metrics::gauge!(OUTBOX_JOBS).set(outbox.jobs as f64);
    metrics::gauge!(OUTBOX_OLDEST_AGE).set(outbox.oldest_age_seconds);
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
fn show_depth(depth: &QueueDepth) {
    let dead_letters = depth.dead_letters.as_ref().ok().copied().flatten();
    for (state, count) in [
        ("visible", Some(depth.visible)),
        ("in_flight", depth.in_flight),
        ("delayed", Some(depth.delayed)),
        ("dead_letters", dead_letters),
    ] {
        if let Some(count) = count {
            metrics::gauge!(QUEUE_MESSAGES, "state" => state).set(count as f64);
        }
    }
}
