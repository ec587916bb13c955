//! Each migration runs up, down and up again, and several processes may start at the same time.

use diesel::connection::SimpleConnection;
use diesel::sql_types::Text;
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl};
use diesel_migrations::MigrationHarness;
use local_services::testing::empty_database;
use shared_model::migrations;

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
