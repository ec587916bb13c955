//! In the private database, the API and the workers log in with roles of their own.

use diesel::deserialize::QueryableByName;
use diesel::sql_types::{Array, Text};
use diesel::{Connection, PgConnection, RunQueryDsl};
use nix::sys::signal::Signal;

use crate::support::Launcher;

#[test]
fn each_process_logs_in_with_a_role_of_its_own_also_after_a_restart() {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Array<Text>)]
        logins: Vec<String>,
    }
    let data_dir = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let launcher = Launcher::start(data_dir.path(), &[]);
        launcher.calendar();
        let mut owner = PgConnection::establish(&launcher.database).unwrap();
        let row: Row = diesel::sql_query(
            "SELECT ARRAY(
                 SELECT DISTINCT application_name || ' ' || usename FROM pg_stat_activity
                 WHERE application_name LIKE 'taskoverflow%' ORDER BY 1) AS logins",
        )
        .get_result(&mut owner)
        .unwrap();
        assert_eq!(
            row.logins,
            [
                "taskoverflow-api taskoverflow_api",
                "taskoverflow-worker taskoverflow_worker",
            ]
        );
        drop(owner);
        assert_eq!(launcher.stop(Signal::SIGINT).code, Some(0));
    }
}
