//! Gives each test a database of its own.

use std::time::Duration;

use diesel::{Connection, PgConnection, RunQueryDsl};
use local_services::testing::TestDatabases;
use shared_model::job::{CalendarRequest, Job, JobId};
use shared_model::job_store::claims::{self, Claim, Claimed, Isolation};
use shared_model::job_store::requests;
use shared_model::migrations;
use shared_model::results::NewResult;

static DATABASES: TestDatabases = TestDatabases::new(|url| {
    migrations::run(&mut PgConnection::establish(url).unwrap()).unwrap();
});

pub(crate) const LEASE: Duration = Duration::from_mins(1);
pub(crate) const MAX_ATTEMPTS: i32 = 3;
pub(crate) const EXPIRY_SECONDS: u32 = 3600;

pub(crate) fn database() -> PgConnection {
    PgConnection::establish(&DATABASES.create()).unwrap()
}

pub(crate) fn accept(connection: &mut PgConnection) -> JobId {
    let id = JobId::new();
    requests::insert(connection, id, &CalendarRequest::default(), EXPIRY_SECONDS).unwrap();
    id
}

pub(crate) fn find(connection: &mut PgConnection, id: JobId) -> Job {
    requests::find(connection, id).unwrap().unwrap()
}

pub(crate) fn try_claim(connection: &mut PgConnection, id: JobId) -> Claimed {
    claims::claim(connection, id, 1, LEASE, MAX_ATTEMPTS, Isolation::Shared).unwrap()
}

pub(crate) fn claim(connection: &mut PgConnection, id: JobId) -> Claim {
    match try_claim(connection, id) {
        Claimed::Begin(claim) => claim,
        other => panic!("not claimed: {other:?}"),
    }
}

/// Lets the lease run out.
pub(crate) fn end_lease(connection: &mut PgConnection, id: JobId) {
    let sql =
        format!("UPDATE calendar_jobs SET lease_until = now() - interval '1 s' WHERE id = '{id}'");
    assert_eq!(diesel::sql_query(sql).execute(connection).unwrap(), 1);
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

#[derive(diesel::QueryableByName)]
struct Name {
    #[diesel(sql_type = diesel::sql_types::Text)]
    name: String,
}

/// The URL of the database behind a connection.
pub(crate) fn url_of(connection: &mut PgConnection) -> String {
    let name: Name = diesel::sql_query("SELECT current_database()::text AS name")
        .get_result(connection)
        .unwrap();
    local_services::testing::shared_cluster().url_of(&name.name)
}

pub(crate) fn connect(url: &str) -> PgConnection {
    PgConnection::establish(url).unwrap()
}

pub(crate) fn connect_to_same(connection: &mut PgConnection) -> PgConnection {
    connect(&url_of(connection))
}
