//! What operators read and change does not grow with what is stored.

use std::time::Duration;

use diesel::PgConnection;
use diesel::connection::SimpleConnection;
use shared_model::activity;
use shared_model::database::DatabaseError;
use shared_model::event_deliveries::operate::{self, Filter, PART};
use shared_model::job_store::failed::{self, Pass, Redriver};
use shared_model::processes;

use super::{LIMITED, Meter, blocks, undisturbed_url};
use crate::support::{connect, pool};

fn filter(is_given_up: Option<bool>, host: Option<&str>) -> Filter {
    Filter {
        is_given_up,
        host: host.map(str::to_owned),
    }
}

/// Lists and retries deliveries of which 100,000 to one host were given up, and a few to another.
fn operate_deliveries(connection: &mut PgConnection) {
    let rare = Some("rare.example");
    for host in [None, Some("sns"), rare] {
        let given_up = filter(Some(true), host);
        let what = format!("{given_up:?}");
        let page = LIMITED.measure(&what, connection, |c| operate::list(c, &given_up, None, 10));
        assert_eq!(page.deliveries.len(), 10);
        let before = page.next;
        LIMITED.measure(&what, connection, |c| {
            operate::list(c, &given_up, before, 10)
        });
        let retried = LIMITED.measure(&what, connection, |c| operate::retry_given_up(c, host, 10));
        assert_eq!(retried, 10);
    }
    // a part has ten thousand rows, of which about 50 share a block
    let part = Meter {
        max_blocks: PART / 20,
    };
    for is_given_up in [Some(false), None] {
        let rare = filter(is_given_up, rare);
        part.measure(&format!("{rare:?}"), connection, |c| {
            operate::list(c, &rare, None, 10)
        });
    }
    let waiting = filter(Some(false), None);
    part.measure("those that wait", connection, |c| {
        operate::list(c, &waiting, None, 10)
    });
}

#[tokio::test]
async fn deliveries_are_listed_and_retried_with_few_blocks_however_many_were_given_up() {
    let url = undisturbed_url();
    let operate = |connection: &mut PgConnection| {
        connection.batch_execute(
            "INSERT INTO event_deliveries (job_id, event_id, destination, event, due_at)
             SELECT gen_random_uuid(), n, CASE WHEN n % 1000 = 0 THEN 'https://rare.example/' ELSE 'sns' END, '{}', NULL
             FROM generate_series(1, 100000) AS n",
        )?;
        operate_deliveries(connection);
        connection.batch_execute("ANALYZE")?;
        operate_deliveries(connection);
        Ok::<_, DatabaseError>(())
    };
    pool(&url, 1).run_long(operate).await.unwrap();
}

/// How many blocks the list of failed jobs and a redrive visit if no job matches, with this many failed jobs.
async fn blocks_with_failed_jobs(jobs: i64) -> Vec<i64> {
    let url = undisturbed_url();
    let fill = format!(
        "INSERT INTO calendar_jobs (id, status, request, error, finished_at, expiry, expires_at)
         SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'FAILURE', '{{}}', '{{\"code\": \"panic\"}}',
                now(), interval '1 hour', now() + interval '1 hour'
         FROM generate_series(1, {jobs}) AS n;
         VACUUM ANALYZE"
    );
    for statement in fill.split(";\n") {
        connect(&url).batch_execute(statement).unwrap();
    }
    let measure = |connection: &mut PgConnection| {
        let of_nobody = failed::Filter {
            worker_id: Some(i32::MAX),
            ..failed::Filter::default()
        };
        let before = blocks(connection);
        let page = failed::list(connection, &of_nobody, None, 10)?;
        assert!(page.jobs.is_empty() && page.next.is_some());
        let listed = blocks(connection);
        let redriven =
            failed::redrive_matching(connection, &of_nobody, Pass::new(), &Redriver::Command)?;
        assert!(redriven.jobs.is_empty() && redriven.rest.is_some());
        Ok::<_, DatabaseError>(vec![listed - before, blocks(connection) - listed])
    };
    pool(&url, 1).run_long(measure).await.unwrap()
}

#[tokio::test]
async fn what_a_search_for_failed_jobs_reads_does_not_grow_with_their_number() {
    let small = blocks_with_failed_jobs(2 * failed::PART).await;
    let large = blocks_with_failed_jobs(10 * failed::PART).await;
    for (small, large) in small.iter().zip(&large) {
        // the indexes are a little deeper
        assert!(
            *large <= small + small / 10 + 50,
            "{large} blocks, not {small}"
        );
    }
}

#[tokio::test]
async fn a_view_of_the_processes_visits_few_blocks() {
    let url = undisturbed_url();
    connect(&url)
        .batch_execute(
            // as many as 14 processes leave in 60 days if each is replaced every two hours
            "INSERT INTO processes (role, host, pid, version, started_at, heartbeat_at, stopped_at)
             SELECT 'worker', 'host', n, '0.1.0', stopped_at - interval '2 h', stopped_at, stopped_at
             FROM generate_series(1, 10000) AS n, LATERAL (SELECT now() - interval '2 h' * (10000 / n) AS stopped_at) AS ended;
             -- what 140 processes did in two hours
             INSERT INTO activity (period, process_id, accepted, wait_seconds, run_seconds)
             SELECT to_timestamp(floor(extract(epoch FROM now()) / 10) * 10) - interval '10 s' * period, process, 1,
                    '{1,2,3}', '{1,2,3}'
             FROM generate_series(1, 720) AS period, generate_series(1, 140) AS process",
        )
        .unwrap();
    let view = |connection: &mut PgConnection| {
        for _ in 0..super::EXECUTIONS {
            LIMITED.measure("list of processes", connection, processes::list);
            LIMITED.measure("activity", connection, |c| {
                activity::since(c, Duration::from_mins(1))
            });
        }
        Ok::<_, DatabaseError>(())
    };
    pool(&url, 1).run_long(view).await.unwrap();
}
