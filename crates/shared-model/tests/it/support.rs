//! Gives each test a database of its own, and short names for what most tests do.

use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, RunQueryDsl};
use local_services::testing::TestDatabases;
pub(crate) use local_services::testing::login;
use shared_model::database::{DatabaseConfig, Pool};
use shared_model::job::{CalendarRequest, ErrorCode, Job, JobError, JobId, JobStatus};
use shared_model::job_store::claims::{
    self, Claim, ClaimKey, ClaimOptions, Claimed, Completion, Delivered, Written,
};
use shared_model::job_store::failed::{self, Filter, Pass, Redriver};
use shared_model::job_store::requests::{self, NewJob, Sender};
use shared_model::job_store::sweeps;
use shared_model::migrations;
use shared_model::results::NewResult;
use uuid::Uuid;

static DATABASES: TestDatabases = TestDatabases::new(|url| {
    migrations::run(&mut PgConnection::establish(url).unwrap()).unwrap();
});

pub(crate) const LEASE: Duration = Duration::from_mins(1);
pub(crate) const MAX_ATTEMPTS: i32 = 3;
pub(crate) const OPTIONS: ClaimOptions = ClaimOptions {
    lease: LEASE,
    max_attempts: MAX_ATTEMPTS,
    worker_id: Some(7),
};
pub(crate) const EXPIRY_SECONDS: u32 = 3600;
pub(crate) const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);
/// Less than the id of every job.
pub(crate) const FIRST: JobId = JobId(Uuid::nil());

pub(crate) fn database_url() -> String {
    DATABASES.create()
}

pub(crate) fn connect(url: &str) -> PgConnection {
    PgConnection::establish(url).unwrap()
}

/// A pool of `size` connections, as the processes have it.
pub(crate) fn pool(url: &str, size: u32) -> Pool {
    Pool::sized(&settings(url), size, "store-test", STATEMENT_TIMEOUT)
}

/// The settings of a process that uses this database.
pub(crate) fn settings(url: &str) -> DatabaseConfig {
    Cli::parse_from(["test", "--database-url", url]).database
}

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    database: DatabaseConfig,
}

pub(crate) fn database() -> PgConnection {
    connect(&database_url())
}

/// A second session in the database of a connection.
pub(crate) fn connect_to_same(connection: &mut PgConnection) -> PgConnection {
    connect(&url_of(connection))
}

/// The URL of the database of a connection.
pub(crate) fn url_of(connection: &mut PgConnection) -> String {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Text)]
        name: String,
    }
    let row: Row = diesel::sql_query("SELECT current_database()::text AS name")
        .get_result(connection)
        .unwrap();
    local_services::testing::shared_cluster().url_of(&row.name)
}

pub(crate) fn new_job(sender: Sender) -> NewJob {
    NewJob {
        id: JobId::new(),
        request: CalendarRequest::default(),
        expiry_seconds: EXPIRY_SECONDS,
        sender,
        token_name: None,
        traceparent: None,
        event_destinations: Vec::new(),
    }
}

/// Accepts `count` jobs whose messages any relay sends, and returns them in the order of their ids.
pub(crate) fn accept_many(connection: &mut PgConnection, count: usize) -> Vec<JobId> {
    let jobs: Vec<_> = (0..count).map(|_| new_job(Sender::AnyRelay)).collect();
    requests::insert(connection, &jobs).unwrap();
    jobs.iter().map(|job| job.id).collect()
}

/// Stores `count` jobs in PENDING whose ids are less than all others. Half of their messages are still to be sent.
pub(crate) fn store_waiting(connection: &mut PgConnection, count: i64) {
    let sql = format!(
        "INSERT INTO calendar_jobs (id, request, expiry, expires_at, sends, sent_at, send_after)
         SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, '{{}}', interval '1 hour',
                now() + interval '1 hour', 1, now(), CASE n % 2 WHEN 0 THEN now() + interval '30 s' END
         FROM generate_series(1, {count}) AS n"
    );
    connection.batch_execute(&sql).unwrap();
}

pub(crate) fn accept(connection: &mut PgConnection) -> JobId {
    accept_many(connection, 1)[0]
}

pub(crate) fn find(connection: &mut PgConnection, id: JobId) -> Job {
    requests::find(connection, id).unwrap().unwrap()
}

/// The token of a new claim.
pub(crate) fn new_token() -> Uuid {
    Uuid::now_v7()
}

/// A delivery of the first message of a job, with a new claim.
pub(crate) fn delivered(id: JobId) -> Delivered {
    Delivered {
        key: ClaimKey {
            id,
            claim: new_token(),
        },
        generation: 1,
    }
}

pub(crate) fn claim_delivered(connection: &mut PgConnection, one: Delivered) -> Claimed {
    let mut claimed = claims::claim_delivered(connection, OPTIONS, &[one]).unwrap();
    assert_eq!(claimed.len(), 1);
    claimed.remove(0)
}

pub(crate) fn try_claim(connection: &mut PgConnection, id: JobId) -> Claimed {
    claim_delivered(connection, delivered(id))
}

pub(crate) fn begun(claimed: Claimed) -> Claim {
    match claimed {
        Claimed::Begin(claim) => *claim,
        other => panic!("not claimed: {other:?}"),
    }
}

pub(crate) fn claim(connection: &mut PgConnection, id: JobId) -> Claim {
    begun(try_claim(connection, id))
}

pub(crate) fn completion(key: ClaimKey) -> Completion {
    Completion {
        key,
        result: Arc::new(a_result()),
    }
}

pub(crate) fn complete(connection: &mut PgConnection, key: ClaimKey) -> Written {
    let written = claims::complete(connection, &[completion(key)]).unwrap();
    assert_eq!(written.len(), 1);
    written[0]
}

/// Sends lost messages again, and returns how many. For tests with few jobs: looks only at the oldest.
pub(crate) fn republish_lost(connection: &mut PgConnection, queue: &str, after: Duration) -> usize {
    let part = sweeps::republish_lost(connection, queue, after, FIRST).unwrap();
    assert_eq!(part.end, None);
    part.jobs.len()
}

/// Fails overdue jobs, and returns them in the order of their ids. For tests with few jobs: looks only at the oldest.
pub(crate) fn fail_overdue(connection: &mut PgConnection) -> Vec<JobId> {
    let part = sweeps::fail_overdue(connection, FIRST).unwrap();
    assert_eq!(part.end, None);
    let mut jobs = part.jobs;
    jobs.sort_unstable();
    jobs
}

/// Redrives all failed jobs, and returns them in the order of their ids. For tests with few jobs: makes one call.
pub(crate) fn redrive_all(connection: &mut PgConnection) -> Vec<JobId> {
    let redriven = failed::redrive_matching(
        connection,
        &Filter::default(),
        Pass::new(),
        &Redriver::Command,
    )
    .unwrap();
    assert_eq!(redriven.rest, None);
    let mut jobs = redriven.jobs;
    jobs.sort_unstable();
    jobs
}

pub(crate) fn a_result() -> NewResult {
    NewResult {
        content: b"gzipped".to_vec(),
        sha256: vec![1; 32],
        gzip_sha256: vec![2; 32],
        byte_length: 100,
        event_count: 3,
        skipped_count: 1,
        todos_fingerprint: "0:0".to_owned(),
    }
}

pub(crate) fn an_error() -> JobError {
    JobError::new(ErrorCode::Database, "the todos could not be read")
}

/// Lets the lease run out.
pub(crate) fn end_lease(connection: &mut PgConnection, id: JobId) {
    let sql =
        format!("UPDATE calendar_jobs SET lease_until = now() - interval '1 s' WHERE id = '{id}'");
    assert_eq!(diesel::sql_query(sql).execute(connection).unwrap(), 1);
}

/// Moves all times of jobs and results back, as if this interval had passed. The evidence about queues stays.
pub(crate) fn pass(connection: &mut PgConnection, interval: &str) {
    let columns = "created_at started_at claimed_at finished_at expires_at lease_until retry_at send_after sent_at";
    let earlier: Vec<_> = columns
        .split(' ')
        .map(|column| format!("{column} = {column} - interval '{interval}'"))
        .collect();
    let sql = format!(
        "UPDATE calendar_jobs SET {};
         UPDATE calendar_results SET expires_at = expires_at - interval '{interval}'",
        earlier.join(", ")
    );
    connection.batch_execute(&sql).unwrap();
}

/// A session that keeps the row of a job locked until it is dropped.
pub(crate) fn lock_row(connection: &mut PgConnection, id: JobId) -> PgConnection {
    let mut other = connect_to_same(connection);
    let sql = format!("BEGIN; SELECT FROM calendar_jobs WHERE id = '{id}' FOR UPDATE");
    other.batch_execute(&sql).unwrap();
    other
}

/// Ends the jobs that no worker can claim, and returns them.
pub(crate) fn end_unclaimable(
    connection: &mut PgConnection,
    ids: Option<&[JobId]>,
) -> Vec<(JobId, JobStatus)> {
    let ended = claims::end_unclaimable(connection, MAX_ATTEMPTS, ids).unwrap();
    ended.iter().map(|job| (job.id, job.status)).collect()
}
