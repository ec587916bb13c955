//! A job that has crashed its workers.

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use local_services::testing::eventually_blocking;
use nix::sys::signal::Signal;

use crate::support::{Launcher, children, existing_database};

/// Two workers have died over every job.
const CRASH_TWICE: &str = "UPDATE calendar_jobs
    SET status = 'STARTED', attempt = 2, claim = gen_random_uuid(), lease_until = now() - interval '1 s'";
/// Makes every render wait until the session ends.
const LOCK_TODOS: &str = "BEGIN; LOCK TABLE todos IN ACCESS EXCLUSIVE MODE";

// The process has to be the program `taskoverflow` in its role `worker`, with the worker's settings.
#[test]
fn a_worker_of_the_launcher_runs_a_job_that_crashed_two_workers_in_a_process_of_its_own() {
    let data_dir = tempfile::tempdir().unwrap();
    let database = existing_database();
    let flags = ["--database-url", &database, "--workers"];
    let launcher = Launcher::start(data_dir.path(), &[&flags[..], &["0"]].concat());
    let job = launcher.request_calendar();
    assert_eq!(launcher.stop(Signal::SIGINT).code, Some(0));
    let mut session = PgConnection::establish(&database).unwrap();
    session.batch_execute(CRASH_TWICE).unwrap();
    session.batch_execute(LOCK_TODOS).unwrap();

    let launcher = Launcher::start(data_dir.path(), &[&flags[..], &["1"]].concat());
    let workers = children(launcher.pid(), "worker");
    let [worker] = workers.as_slice() else {
        panic!("{workers:?}")
    };
    eventually_blocking("the attempt runs in a process of its own", || {
        children(worker.as_raw(), "worker").len() == 1
    });
    drop(session);
    let status = launcher.wait_for(&job);
    assert_eq!(status["attempt"], 3, "{status}");
    eventually_blocking("the process ends after its job", || {
        children(worker.as_raw(), "worker").is_empty()
    });
    assert_eq!(launcher.stop(Signal::SIGINT).code, Some(0));
}
