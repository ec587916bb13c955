//! Each migration runs up, down and up again, and several processes may start at the same time.

use diesel::connection::SimpleConnection;
use diesel::migration::MigrationSource;
use diesel::pg::Pg;
use diesel::sql_types::Text;
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl};
use diesel_migrations::MigrationHarness;
use local_services::testing::empty_database;
use sha2::{Digest, Sha256};
use shared_model::migrations::{self, MigrationError};
use shared_model::startup::{self, Migrations, StartupError};

use crate::support::{database, pool, settings, url_of};

#[test]
fn every_migration_runs_up_down_and_up_again() {
    let mut connection = PgConnection::establish(&empty_database()).unwrap();
    assert!(migrations::are_pending(&mut connection).unwrap());
    migrations::run(&mut connection).unwrap();
    assert!(!migrations::are_pending(&mut connection).unwrap());
    connection
        .revert_all_migrations(migrations::MIGRATIONS)
        .unwrap();
    assert!(migrations::are_pending(&mut connection).unwrap());
    migrations::run(&mut connection).unwrap();
    migrations::run(&mut connection).unwrap();
    assert!(!migrations::are_pending(&mut connection).unwrap());
}

#[test]
fn processes_that_start_at_the_same_time_run_each_migration_once() {
    let url = empty_database();
    std::thread::scope(|scope| {
        let run = || migrations::run(&mut PgConnection::establish(&url).unwrap());
        let look = || {
            let connection = &mut PgConnection::establish(&url).unwrap();
            while migrations::are_pending(connection).unwrap() {}
        };
        let looking: Vec<_> = (0..4).map(|_| scope.spawn(look)).collect();
        let runs: Vec<_> = (0..8).map(|_| scope.spawn(run)).collect();
        for run in runs {
            run.join().unwrap().unwrap();
        }
        for look in looking {
            look.join().unwrap();
        }
    });
}

/// Makes a database look as if the migrations of an earlier version had made it.
fn earlier_preview() -> PgConnection {
    let mut connection = database();
    connection
        .batch_execute("UPDATE __diesel_schema_migrations SET version = '20261120000001' WHERE version = '20261122000001'")
        .unwrap();
    connection
}

#[test]
fn a_database_of_an_earlier_preview_is_refused_with_what_to_do() {
    let mut connection = earlier_preview();
    let errors = [
        migrations::are_pending(&mut connection).unwrap_err(),
        migrations::run(&mut connection).unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, MigrationError::EarlierPreview), "{error}");
        assert!(error.to_string().contains("drop the database"), "{error}");
    }
}

#[tokio::test]
async fn no_process_waits_for_the_migrations_of_a_database_of_an_earlier_preview() {
    let url = url_of(&mut earlier_preview());
    for migrations in [Migrations::Run, Migrations::Await] {
        let ended = startup::prepare_database(&pool(&url, 2), &settings(&url), migrations).await;
        let error = ended.unwrap_err();
        assert!(
            matches!(
                error,
                StartupError::Migration(MigrationError::EarlierPreview)
            ),
            "{error}"
        );
    }
}

#[test]
fn a_database_of_a_newer_release_is_accepted() {
    let mut connection = database();
    connection
        .batch_execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('29991231000001')")
        .unwrap();
    assert!(!migrations::are_pending(&mut connection).unwrap());
    migrations::run(&mut connection).unwrap();
}

/// Every migration, and the SHA-256 of its SQL.
const WRITTEN: [(&str, &str); 3] = [
    (
        "2026-11-22-000001_todos_and_jobs",
        "9997bcf8b6837e534a94bf42f74c6ddca82ad539e68aeb5bf4f963215737343a",
    ),
    (
        "2026-11-22-114500_tokens_of_jobs",
        "054075c3ad354288caa34462164b59670c19852f26c09cd9a370c0ae9a215da7",
    ),
    (
        "2026-11-22-215500_operations",
        "b4cdbfeebdef44a1e41b36e88da5db3b9fa856aa5b0c20503129d430372d9c39",
    ),
];

#[test]
fn a_migration_that_was_rewritten_has_a_new_version() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
    for (name, hash) in WRITTEN {
        let sql = std::fs::read(format!("{folder}/{name}/up.sql")).unwrap();
        assert_eq!(
            hex::encode(Sha256::digest(sql)),
            hash,
            "rename the folder of {name} to the date of the change, and write its new name and hash here"
        );
    }
    let count = MigrationSource::<Pg>::migrations(&migrations::MIGRATIONS)
        .unwrap()
        .len();
    assert_eq!(count, WRITTEN.len(), "add new migrations to the list");
}

#[test]
fn a_session_keeps_its_own_timeouts() {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        timeouts: String,
    }
    let mut connection = PgConnection::establish(&empty_database()).unwrap();
    connection
        .batch_execute("SET statement_timeout = '7s'; SET lock_timeout = '2s'")
        .unwrap();
    migrations::run(&mut connection).unwrap();
    let row: Row = diesel::sql_query(
        "SELECT current_setting('statement_timeout') || ' ' || current_setting('lock_timeout') AS timeouts",
    )
    .get_result(&mut connection)
    .unwrap();
    assert_eq!(row.timeouts, "7s 2s");
}
