//! Systems under test, and how each is brought to its end and checked.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use faults::check::check;
use faults::database::{Database, prepare};
use faults::process::{Process, Role};
use faults::queue::{Queue, QueueKind};
use faults::system::{RECOVERY, System};
use local_services::testing::TestDatabases;
use nix::sys::signal::Signal;
use shared_model::job::{Job, JobStatus};

static DATABASES: TestDatabases = TestDatabases::new(|url| prepare(url).unwrap());

/// For a worker that nobody is to take over from: however busy the machine is, it loses no delivery. What it ought to
/// give back, and does not, comes back too late for any test.
pub(crate) const UNHURRIED: (&str, &str) = ("VISIBILITY_TIMEOUT", "60s");
/// For one whose deliveries are extended within the test, and even if an extension or two fails not lost.
pub(crate) const PATIENT: (&str, &str) = ("VISIBILITY_TIMEOUT", "12s");
/// Longer than a quarter of `PATIENT`, so that its running jobs are extended.
pub(crate) const EXTENDED: (&str, &str) = ("RENDER_DELAY", "4s");
/// For one whose messages come again within the test: it dies or sleeps, or they are there twice.
pub(crate) const BRIEF: (&str, &str) = ("VISIBILITY_TIMEOUT", "6s");
/// Within which a test sees its system recovered: the limit, and what a busy machine takes. SQS's own visibility, for
/// who sets none, is longer.
pub(crate) const RECOVERED: Duration = Duration::from_secs(RECOVERY.as_secs() + 15);

const EXECUTABLE: &str = env!("CARGO_BIN_EXE_faults");
/// What chance decides in these tests is decided alike each time.
const SEED: u64 = 1;

/// A system without processes and without todos.
pub(crate) async fn system(kind: QueueKind) -> System {
    system_with(move || Queue::create(kind).unwrap()).await
}

/// The same with a queue of a special kind.
pub(crate) async fn system_with(queue: impl FnOnce() -> Queue + Send + 'static) -> System {
    let made = tokio::task::spawn_blocking(move || (DATABASES.create(), queue())).await;
    let (url, queue) = made.unwrap();
    system_of(Database::new(url).unwrap(), queue)
}

/// The same over a database and a queue that are there.
pub(crate) fn system_of(database: Database, queue: Queue) -> System {
    let executable = PathBuf::from(EXECUTABLE);
    System::new(executable, database, queue, SEED)
}

/// Runs an operation on failed jobs; gives its exit code and what it said.
pub(crate) async fn operate(system: &System, arguments: &[&str]) -> (i32, String) {
    let url = system.database.url_through(system.database.port().unwrap());
    let command = tokio::process::Command::new(EXECUTABLE)
        .arg("operate")
        .args([
            "--database-url",
            &url.unwrap(),
            "--queue-url",
            system.queue.url(),
        ])
        .args(arguments)
        .kill_on_drop(true)
        .output();
    let output = command.await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    (output.status.code().unwrap(), said)
}

/// Heals what is left of the faults, drains the queue, stops the processes, and checks every guarantee.
pub(crate) async fn finish(system: &System, processes: impl IntoIterator<Item = Process>) {
    let processes: Vec<Process> = processes.into_iter().collect();
    processes.iter().for_each(Process::heal);
    let healed = Instant::now();
    system.drain().await.unwrap();
    let recovered = healed.elapsed();
    assert!(
        recovered <= RECOVERED,
        "G5: it took {recovered:?} to recover"
    );
    for process in &processes {
        // one that was started a moment ago would not yet hear the signal
        process.url().await.unwrap();
        process.signal(Signal::SIGTERM).unwrap();
    }
    for process in &processes {
        let status = process.wait(Duration::from_secs(30)).await.unwrap();
        assert!(status.success(), "{:?} ended with {status}", process.role());
    }
    if processes
        .iter()
        .any(|process| process.role() == Role::Worker)
    {
        assert_nothing_in_flight(system).await;
    }
    let verdict = check(system, RECOVERED).await.unwrap();
    let broken: Vec<String> = verdict.violations.iter().map(ToString::to_string).collect();
    assert!(broken.is_empty(), "{}\n{verdict:#?}", broken.join("\n"));
}

/// G6: no delivery and no job is a stopped worker's.
pub(crate) async fn assert_nothing_in_flight(system: &System) {
    assert_eq!(in_flight(system).await, (0, 0), "G6");
}

/// How many deliveries and how many jobs a worker has.
pub(crate) async fn in_flight(system: &System) -> (u32, i64) {
    let deliveries = match &system.queue {
        Queue::Sqs(queue) => queue.depth().await.unwrap().in_flight,
        Queue::Postgres => 0,
    };
    let started = "SELECT count(*) FROM calendar_jobs WHERE status = 'STARTED'";
    let jobs = system.database.number(started).await.unwrap();
    (deliveries, jobs)
}

/// Makes sure that the job is a SUCCESS after so many attempts.
#[track_caller]
pub(crate) fn assert_done(job: &Job, attempts: i32) {
    assert_eq!(
        (job.status, job.attempt),
        (JobStatus::Success, attempts),
        "{job:?}"
    );
}
