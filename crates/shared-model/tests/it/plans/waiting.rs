//! What statements read does not grow with what is waiting.

use std::time::Duration;

use diesel::PgConnection;
use diesel::connection::SimpleConnection;
use shared_model::database::DatabaseError;
use shared_model::event_deliveries::operate::{self, Filter};
use shared_model::event_deliveries::overdue::oldest_due_seconds;
use shared_model::event_deliveries::take::{Wanted, take};
use shared_model::job_store::evidence::{self, Observation};
use shared_model::job_store::{claims, outbox, sweeps};

use super::{EXECUTIONS, LIMITED, Meter, QUEUE, blocks, undisturbed_url};
use crate::event_deliveries::everything;
use crate::support::{FIRST, LEASE, OPTIONS, accept_many, connect, new_token, pool, store_waiting};

/// How many blocks each statement visits that runs at intervals, with this many jobs in PENDING.
async fn blocks_with_a_backlog(jobs: i64) -> Vec<i64> {
    let url = undisturbed_url();
    let connection = &mut connect(&url);
    store_waiting(connection, jobs);
    let empty = Observation {
        empty_since: Some(Duration::ZERO),
        ..Observation::default()
    };
    evidence::record(connection, QUEUE, empty).unwrap();
    connection.batch_execute("VACUUM ANALYZE").unwrap();
    let measure = |connection: &mut PgConnection| {
        let measured = |connection: &mut PgConnection, call: fn(&mut PgConnection)| {
            let before = blocks(connection);
            call(connection);
            blocks(connection) - before
        };
        Ok::<_, DatabaseError>(vec![
            measured(connection, |c| {
                let lost = sweeps::republish_lost(c, QUEUE, LEASE, FIRST).unwrap();
                assert!(lost.jobs.is_empty() && lost.end.is_some());
            }),
            measured(connection, |c| {
                let overdue = sweeps::fail_overdue(c, FIRST).unwrap();
                assert!(overdue.jobs.is_empty() && overdue.end.is_some());
            }),
            measured(connection, |c| {
                assert_eq!(outbox::backlog(c).unwrap().jobs, outbox::COUNTED);
            }),
        ])
    };
    pool(&url, 1).run_long(measure).await.unwrap()
}

#[tokio::test]
async fn what_a_sweep_reads_does_not_grow_with_the_backlog() {
    let small = blocks_with_a_backlog(3 * sweeps::PART).await;
    let large = blocks_with_a_backlog(15 * sweeps::PART).await;
    for (small, large) in small.iter().zip(&large) {
        // the indexes are a little deeper
        assert!(
            *large <= small + small / 10 + 50,
            "{large} blocks, not {small}"
        );
    }
}

#[tokio::test]
async fn claims_above_a_floor_do_not_visit_the_jobs_that_a_long_snapshot_keeps() {
    let url = undisturbed_url();
    let connection = &mut connect(&url);
    let snapshot = &mut connect(&url);
    let hold = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM todos";
    snapshot.batch_execute(hold).unwrap();
    store_waiting(connection, 20_000);
    for statement in ["ANALYZE", "DELETE FROM calendar_jobs", "VACUUM"] {
        connection.batch_execute(statement).unwrap();
    }
    let jobs = accept_many(connection, 5);
    let claim_one_after = |connection: &mut PgConnection, floor| {
        let before = blocks(connection);
        let claimed = claims::claim_pending(connection, OPTIONS, new_token(), floor, 1).unwrap();
        assert_eq!(claimed.len(), 1);
        blocks(connection) - before
    };
    let claim_all = move |connection: &mut PgConnection| {
        let visited = claim_one_after(connection, FIRST);
        assert!(visited > 200, "the snapshot keeps nothing: {visited}");
        for floor in &jobs[..4] {
            let visited = claim_one_after(connection, *floor);
            assert!(visited <= 30, "{visited} blocks");
        }
        Ok::<_, DatabaseError>(())
    };
    pool(&url, 1).run_long(claim_all).await.unwrap();
}

#[tokio::test]
async fn taking_and_watching_deliveries_visits_few_blocks_however_many_wait_for_a_host_that_does_not_answer()
 {
    let url = undisturbed_url();
    let measure = |connection: &mut PgConnection| {
        let wanted = everything();
        for _ in 0..EXECUTIONS {
            LIMITED.measure("take from none", connection, |c| take(c, &wanted));
            LIMITED.measure("nothing is due", connection, oldest_due_seconds);
        }
        connection.batch_execute(
            "INSERT INTO event_deliveries (job_id, event_id, destination, event)
             SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, n, 'https://dead.example/', '{}'
             FROM generate_series(1, 100000) AS n;
             INSERT INTO event_deliveries (job_id, event_id, destination, event)
             SELECT ('00000000-0000-7000-8002-' || lpad(to_hex(n), 12, '0'))::uuid, n, 'own:https://dead.example/', '{}'
             FROM generate_series(1, 100000) AS n;
             INSERT INTO event_deliveries (job_id, event_id, destination, event)
             VALUES ('00000000-0000-7000-8001-000000000000', '1', 'https://e.example/', '{}')",
        )?;
        for shares in [0, 3] {
            let wanted = Wanted {
                shares: vec![("https://dead.example".to_owned(), shares)],
                ..wanted.clone()
            };
            let taken = LIMITED.measure("take", connection, |c| take(c, &wanted));
            let others = taken
                .deliveries
                .iter()
                .filter(|one| one.receiver == "https://e.example");
            assert_eq!(others.count(), usize::from(shares == 0));
            LIMITED.measure("oldest due", connection, oldest_due_seconds);
            LIMITED.measure("list", connection, |c| {
                operate::list(c, &Filter::default(), None, 10)
            });
        }
        Ok::<_, DatabaseError>(())
    };
    pool(&url, 1).run_long(measure).await.unwrap();
}

#[tokio::test]
async fn taking_visits_few_blocks_however_many_deliveries_wait_for_earlier_events() {
    let url = undisturbed_url();
    let measure = |connection: &mut PgConnection| {
        let wanted = Wanted {
            share: 3,
            ..everything()
        };
        for _ in 0..EXECUTIONS {
            LIMITED.measure("take from none", connection, |c| take(c, &wanted));
        }
        connection.batch_execute(
            "INSERT INTO event_deliveries (job_id, event_id, destination, event, due_at)
             SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, n, 'https://a.example/', '{}',
                    now() + interval '1 hour' * CASE number WHEN 1 THEN 1 ELSE -1 END
             FROM generate_series(1, 2) AS number, generate_series(1, 10000) AS n ORDER BY number;
             INSERT INTO event_deliveries (job_id, event_id, destination, event)
             VALUES (gen_random_uuid(), 'free', 'https://a.example/', '{}'),
                    (gen_random_uuid(), 'other', 'https://b.example/', '{}')",
        )?;
        // A call moves a hundred of them, each with a few blocks in each index. To look at all would take 30,000.
        let moving = Meter { max_blocks: 5000 };
        let mut found = Vec::new();
        for _ in 0..=100 {
            let taken = moving.measure("take", connection, |c| take(c, &wanted));
            found.extend(taken.deliveries.into_iter().map(|one| one.event_id));
        }
        assert_eq!(found, ["other", "free"]);
        Ok::<_, DatabaseError>(())
    };
    pool(&url, 1).run_long(measure).await.unwrap();
}
