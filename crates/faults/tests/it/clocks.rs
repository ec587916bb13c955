//! Workers with wrong clocks.

use std::time::{Duration, SystemTime};

use chrono::DateTime;
use faults::process::Process;
use faults::queue::QueueKind;
use shared_model::job::JobStatus;

use crate::support::{VISIBILITY_60S, assert_succeeded, finish, system};

/// Returns the library of Debian's `faketime` package.
fn faketime() -> String {
    let folders = std::fs::read_dir("/usr/lib").unwrap();
    let libraries =
        folders.map(|folder| folder.unwrap().path().join("faketime/libfaketimeMT.so.1"));
    let library = libraries.into_iter().find(|library| library.exists());
    let library = library.expect("libfaketime is missing: apt-get install faketime");
    library.to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs libfaketime, and python3 with venv"]
async fn f19_a_worker_whose_clock_is_an_hour_off_neither_steals_nor_loses_a_lease() {
    for kind in [QueueKind::Postgres, QueueKind::Sqs] {
        let system = system(kind).await;
        system.database.add_todos(20).await.unwrap();
        let (api, client) = system.start_api(&[]).await.unwrap();
        let library = faketime();
        let mut workers = Vec::new();
        for offset in ["+1h", "-1h"] {
            let settings = [
                ("LD_PRELOAD", library.as_str()),
                ("FAKETIME", offset),
                // A wrong clock does not affect the monotonic clock.
                ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
                // By one worker's clock, the leases of the other expired long ago, or last an hour longer.
                VISIBILITY_60S,
                ("RENDER_DELAY", "3s"),
            ];
            let worker = system.start_worker(&settings).await.unwrap();
            assert_clock_is_wrong(&worker).await;
            workers.push(worker);
        }
        let ids = client.submit_many(10).await.unwrap();
        for id in ids {
            client.wait_for(id, JobStatus::Success).await.unwrap();
            assert_succeeded(&system.database.job(id).await.unwrap(), 1);
        }
        finish(&system, std::iter::once(api).chain(workers)).await;
    }
}

/// Makes sure that the times in the worker's log are wrong.
async fn assert_clock_is_wrong(worker: &Process) {
    let line = worker.wait_for_log("\"starting\"").await.unwrap();
    let time: SystemTime = DateTime::parse_from_rfc3339(line["time"].as_str().unwrap())
        .unwrap()
        .into();
    let now = SystemTime::now();
    let apart = now
        .duration_since(time)
        .or_else(|_| time.duration_since(now));
    assert!(apart.unwrap() > Duration::from_mins(50), "{line}");
}
