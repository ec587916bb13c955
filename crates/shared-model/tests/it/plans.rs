//! How much each statement reads does not depend on how many jobs are stored.
//!
//! The tests count the blocks of the tables and indexes that a call visits, in memory or on disk. Unlike its time, this
//! number does not depend on the machine. They need PostgreSQL 15, which can publish these counters immediately.
//!
//! # Layout
//! - `waiting`: what statements read does not grow with what is waiting
//! - `operators`: what operators read and change does not grow with what is stored

mod operators;
mod waiting;

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::sql_types::BigInt;
use diesel::{PgConnection, QueryableByName, RunQueryDsl};
use shared_model::activity::{self, Activity};
use shared_model::database::DatabaseError;
use shared_model::job::{JobId, JobStatus};
use shared_model::job_store::claims::{self, Claim, ClaimKey, ClaimRenewal};
use shared_model::job_store::evidence::{self, Observation};
use shared_model::job_store::failed::Redriver;
use shared_model::job_store::outbox::{self, Postponed, PostponedAs, SendKey};
use shared_model::job_store::requests::{self, Sender};
use shared_model::job_store::{dead_letters, failed, history, sweeps};
use shared_model::processes::{self, NewProcess, Report, Role};
use shared_model::results;

use crate::support::{
    FIRST, LEASE, MAX_ATTEMPTS, OPTIONS, accept_many, an_error, completion, connect, database_url,
    delivered, end_lease, new_job, new_token, pool,
};

/// A call handles at most ten jobs. Each of them costs a few blocks in each index. A call that visited all stored jobs
/// would need thousands.
const MAX_BLOCKS: i64 = 600;
/// PostgreSQL considers a plan for any parameters from the sixth execution of a prepared statement on.
const EXECUTIONS: usize = 8;
const QUEUE: &str = "queue";

/// Measures calls, and fails if one visits too many blocks.
#[derive(Clone, Copy)]
struct Meter {
    max_blocks: i64,
}

impl Meter {
    fn measure<T>(
        self,
        what: &str,
        connection: &mut PgConnection,
        call: impl FnOnce(&mut PgConnection) -> Result<T, DatabaseError>,
    ) -> T {
        let before = blocks(connection);
        let result = call(connection).unwrap();
        let visited = blocks(connection) - before;
        assert!(visited <= self.max_blocks, "{what} visits {visited} blocks");
        result
    }
}

/// Returns a new database, in which only the test visits blocks.
fn undisturbed_url() -> String {
    let url = database_url();
    connect(&url)
        .batch_execute(
            "DO $$ DECLARE name text; BEGIN
                 FOR name IN SELECT relname FROM pg_stat_user_tables LOOP
                     EXECUTE format('ALTER TABLE %I SET (autovacuum_enabled = off)', name);
                 END LOOP;
             END $$",
        )
        .unwrap();
    url
}

/// How many blocks of the tables of jobs and results this database has visited so far.
fn blocks(connection: &mut PgConnection) -> i64 {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        blocks: i64,
    }
    connection
        .batch_execute("SELECT pg_stat_force_next_flush()")
        .unwrap();
    let row: Row = diesel::sql_query(
        "SELECT sum(heap_blks_read + heap_blks_hit + coalesce(idx_blks_read, 0) + coalesce(idx_blks_hit, 0)
                    + coalesce(toast_blks_read, 0) + coalesce(toast_blks_hit, 0)
                    + coalesce(tidx_blks_read, 0) + coalesce(tidx_blks_hit, 0))::bigint AS blocks
         FROM pg_statio_user_tables",
    )
    .get_result(connection)
    .unwrap();
    row.blocks
}

fn keys(claims: &[Claim]) -> Vec<ClaimKey> {
    claims.iter().map(|claim| claim.key).collect()
}

/// Ten jobs go through everything that can happen to a job.
fn walk(meter: Meter, connection: &mut PgConnection) {
    accept_and_send(meter, connection);
    claim_from_the_table(meter, connection);
    fail_and_recover(meter, connection);
    sweep(meter, connection);
    report(meter, connection);
    read(meter, connection);
}

fn accept_and_send(meter: Meter, connection: &mut PgConnection) {
    let jobs: Vec<_> = (0..10).map(|_| new_job(Sender::AnyRelay)).collect();
    meter.measure("insert", connection, |c| requests::insert(c, &jobs));
    let once = new_job(Sender::Nobody);
    let key = once.id.to_string();
    meter.measure("insert_once", connection, |c| {
        requests::insert_once(c, &key, &once)
    });
    let taken = meter.measure("take", connection, |c| outbox::take(c, 10));
    assert_eq!(taken.len(), 10);
    let keys: Vec<_> = taken.iter().map(SendKey::from).collect();
    meter.measure("mark_sent", connection, |c| {
        outbox::mark_sent(c, &keys[..5])
    });
    meter.measure("release", connection, |c| outbox::release(c, &keys[5..]));
    let postponed: Vec<_> = taken
        .iter()
        .map(|outbound| Postponed {
            id: outbound.message.job_id,
            generation: outbound.message.generation,
            delay: Duration::from_secs(1),
        })
        .collect();
    let answers = meter.measure("postpone", connection, |c| outbox::postpone(c, &postponed));
    assert_eq!(answers, [PostponedAs::Written; 10]);
    meter.measure("backlog", connection, outbox::backlog);
}

fn claim_from_the_table(meter: Meter, connection: &mut PgConnection) {
    let token = new_token();
    let claims = meter.measure("claim_pending", connection, |c| {
        claims::claim_pending(c, OPTIONS, token, FIRST, 10)
    });
    assert_eq!(claims.len(), 10);
    meter.measure("find_claimed", connection, |c| {
        claims::find_claimed(c, token)
    });
    let keys = keys(&claims);
    let floor = keys.iter().map(|key| key.id).max().unwrap();
    meter.measure("claim_pending above a floor", connection, |c| {
        claims::claim_pending(c, OPTIONS, new_token(), floor, 10)
    });
    let renewals: Vec<_> = keys
        .iter()
        .map(|&key| ClaimRenewal {
            key,
            done: 1,
            total: Some(4),
        })
        .collect();
    let renewed = meter.measure("renew", connection, |c| claims::renew(c, &renewals, LEASE));
    assert_eq!(renewed.len(), 10);
    let completions: Vec<_> = keys.iter().copied().map(completion).collect();
    meter.measure("complete", connection, |c| {
        claims::complete(c, &completions)
    });
    meter.measure("complete again", connection, |c| {
        claims::complete(c, &completions)
    });
}

fn fail_and_recover(meter: Meter, connection: &mut PgConnection) {
    let ids = accept_many(connection, 10);
    let batch: Vec<_> = ids.iter().copied().map(delivered).collect();
    meter.measure("claim_delivered", connection, |c| {
        claims::claim_delivered(c, OPTIONS, &batch)
    });
    let keys: Vec<_> = batch.iter().map(|one| one.key).collect();
    meter.measure("unclaim", connection, |c| {
        claims::unclaim(c, &keys[..3], Duration::ZERO)
    });
    for &key in &keys[3..5] {
        meter.measure("retry", connection, |c| {
            claims::retry(c, key, &an_error(), Duration::ZERO)
        });
    }
    for &id in &ids[5..] {
        end_lease(connection, id);
    }
    let due = meter.measure("claim_due", connection, |c| {
        claims::claim_due(c, OPTIONS, new_token(), 10)
    });
    assert_eq!(due.len(), 10);
    meter.measure("fail", connection, |c| {
        claims::fail(c, due[0].key, &an_error())
    });
    meter.measure("revoke", connection, |c| claims::revoke(c, due[1].key));
    let failed = [due[0].key.id];
    meter.measure("redrive", connection, |c| {
        failed::redrive(c, &failed, &Redriver::Command)
    });
    meter.measure("give_up", connection, |c| {
        dead_letters::give_up(c, due[0].key.id, 2)
    });
    meter.measure("cancel", connection, |c| requests::cancel(c, due[2].key.id));
    end_lease(connection, due[2].key.id);
    let some = [due[2].key.id];
    meter.measure("end_unclaimable among some", connection, |c| {
        claims::end_unclaimable(c, MAX_ATTEMPTS, Some(&some))
    });
    meter.measure("end_unclaimable", connection, |c| {
        claims::end_unclaimable(c, MAX_ATTEMPTS, None)
    });
    for claim in &due[3..] {
        claims::revoke(connection, claim.key).unwrap();
    }
}

fn sweep(meter: Meter, connection: &mut PgConnection) {
    let observation = Observation {
        empty_since: Some(Duration::ZERO),
        is_serial: true,
        ..Observation::default()
    };
    meter.measure("record", connection, |c| {
        evidence::record(c, QUEUE, observation)
    });
    meter.measure("republish_lost", connection, |c| {
        sweeps::republish_lost(c, QUEUE, LEASE, FIRST)
    });
    meter.measure("fail_overdue", connection, |c| {
        sweeps::fail_overdue(c, FIRST)
    });
    meter.measure(
        "delete_expired_results",
        connection,
        sweeps::delete_expired_results,
    );
    meter.measure(
        "delete_expired_jobs",
        connection,
        sweeps::delete_expired_jobs,
    );
}

fn report(meter: Meter, connection: &mut PgConnection) {
    let process = NewProcess::this(Role::Worker, Some(8));
    let (id, _) = processes::register(connection, &process).unwrap();
    let activity = Activity::default();
    for _ in 0..3 {
        activity.accepted(1);
        let report = Report {
            in_flight: Some(1),
            tally: activity.take(),
        };
        meter.measure("report", connection, |c| processes::report(c, id, &report));
    }
    meter.measure("request_drain", connection, |c| {
        processes::request_drain(c, id)
    });
    meter.measure("delete_old activity", connection, activity::delete_old);
}

fn read(meter: Meter, connection: &mut PgConnection) {
    let page = meter.measure("list", connection, |c| requests::list(c, None, None, 10));
    for status in JobStatus::ALL {
        let what = format!("list {status}");
        let page = meter.measure(&what, connection, |c| {
            requests::list(c, Some(status), None, 10)
        });
        let before = page.last().map(|job| job.id);
        meter.measure(&what, connection, |c| {
            requests::list(c, Some(status), before, 10)
        });
    }
    let ids: Vec<JobId> = page.iter().map(|job| job.id).collect();
    let all = failed::Filter::default();
    meter.measure("list of failed jobs", connection, |c| {
        failed::list(c, &all, None, 10)
    });
    meter.measure("history", connection, |c| history::history(c, ids[0]));
    meter.measure("find", connection, |c| requests::find(c, ids[0]));
    meter.measure("find_many", connection, |c| requests::find_many(c, &ids));
    meter.measure("summary", connection, |c| results::summary(c, ids[0]));
    meter.measure("part", connection, |c| results::part(c, ids[0], 0, 100));
}

/// Stores 200,000 jobs that have ended, most of them with a result.
fn store_finished_jobs(connection: &mut PgConnection) {
    connection
        .batch_execute(
            "INSERT INTO calendar_jobs (id, status, version, claim, request, created_at, started_at, finished_at, expiry, expires_at)
             SELECT (lpad(to_hex(floor(extract(epoch FROM now() - interval '1 hour') * 1000 + n)::bigint), 12, '0') || '7000a' || lpad(to_hex(n), 15, '0'))::uuid,
                    CASE n % 10 WHEN 0 THEN 'FAILURE' WHEN 1 THEN 'REVOKED' ELSE 'SUCCESS' END,
                    3, '00000000-0000-0000-0000-000000000001', '{}', now(), now(), now(), interval '1 hour',
                    now() + interval '1 hour'
             FROM generate_series(1, 200000) AS n;
             INSERT INTO calendar_results
             SELECT id, 'calendar', sha256(id::text::bytea), sha256('gzip'), 100, 3, 1, '0:0', expires_at
             FROM calendar_jobs WHERE status = 'SUCCESS' ON CONFLICT DO NOTHING",
        )
        .unwrap();
}

const UNLIMITED: Meter = Meter {
    max_blocks: i64::MAX,
};
const LIMITED: Meter = Meter {
    max_blocks: MAX_BLOCKS,
};

#[tokio::test]
async fn each_statement_reads_few_blocks_however_many_jobs_have_ended() {
    let url = undisturbed_url();
    store_finished_jobs(&mut connect(&url));
    for analyze in [false, true] {
        if analyze {
            connect(&url).batch_execute("ANALYZE").unwrap();
        }
        // new connections, hence new plans
        pool(&url, 1)
            .run_long(|connection| {
                for _ in 0..EXECUTIONS {
                    walk(LIMITED, connection);
                }
                Ok::<_, DatabaseError>(())
            })
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn plans_that_were_made_while_the_tables_were_small_serve_when_they_are_large() {
    for jobs in [0, 20] {
        let url = undisturbed_url();
        pool(&url, 1)
            .run_long(move |connection| {
                for _ in 0..EXECUTIONS {
                    connection
                        .batch_execute("DELETE FROM calendar_jobs WHERE status <> 'PENDING'")
                        .unwrap();
                    connection.batch_execute("VACUUM ANALYZE").unwrap();
                    walk(UNLIMITED, connection);
                    accept_many(connection, jobs);
                }
                store_finished_jobs(connection);
                walk(LIMITED, connection);
                Ok::<_, DatabaseError>(())
            })
            .await
            .unwrap();
    }
}
