//! Starts systems under test, and checks each one after its test.

use std::ops::Deref;
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
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Makes tests of functions that take a kind of queue. The test of `f01_…` with Redis is `redis::f01_…`.
macro_rules! with_each {
    ($($($queue:ident),+: $tests:tt);+ $(;)?) => {
        $($($crate::support::with_queue!($queue $tests);)+)+
    };
}
pub(crate) use with_each;

/// Makes the tests of one kind of queue.
macro_rules! with_queue {
    (postgres $tests:tt) => {
        $crate::support::tests_with!(postgres, Postgres, cfg(test), $tests);
    };
    (sqs $tests:tt) => {
        $crate::support::tests_with!(sqs, Sqs, ignore = "needs python3 with venv", $tests);
    };
    (fifo $tests:tt) => {
        $crate::support::tests_with!(fifo, SqsFifo, ignore = "needs python3 with venv", $tests);
    };
    (redis $tests:tt) => {
        $crate::support::tests_with!(
            redis,
            Redis,
            cfg_attr(not(has_redis), ignore = "needs redis-server"),
            $tests
        );
    };
    (activemq $tests:tt) => {
        $crate::support::tests_with!(
            activemq,
            ActiveMq,
            cfg_attr(not(has_activemq), ignore = "needs activemq"),
            $tests
        );
    };
    (rabbitmq $tests:tt) => {
        $crate::support::tests_with!(
            rabbitmq,
            RabbitMq,
            cfg_attr(not(has_rabbitmq), ignore = "needs rabbitmq-server"),
            $tests
        );
    };
    (kafka $tests:tt) => {
        $crate::support::tests_with!(kafka, Kafka, cfg(feature = "kafka"), $tests);
    };
}
pub(crate) use with_queue;

macro_rules! tests_with {
    ($module:ident, $kind:ident, $attribute:meta, ($($test:ident),+ $(,)?)) => {
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread")]
                #[$attribute]
                async fn $test() {
                    super::$test(faults::queue::QueueKind::$kind).await;
                }
            )+
        }
    };
}
pub(crate) use tests_with;

static DATABASES: TestDatabases = TestDatabases::new(|url| prepare(url).unwrap());

/// For a worker that keeps its deliveries however busy the machine is. A message that the worker should release and
/// does not release reappears too late for any test.
pub(crate) const VISIBILITY_60S: (&str, &str) = ("VISIBILITY_TIMEOUT", "60s");
/// For a worker that extends its deliveries during the test, and keeps them even if one or two extensions fail.
pub(crate) const VISIBILITY_12S: (&str, &str) = ("VISIBILITY_TIMEOUT", "12s");
/// For a worker whose messages must reappear during the test: it is killed or paused, or its messages are sent twice.
pub(crate) const VISIBILITY_6S: (&str, &str) = ("VISIBILITY_TIMEOUT", "6s");
/// Longer than a quarter of `VISIBILITY_12S`, so that the deliveries of running jobs are extended.
pub(crate) const RENDER_DELAY_4S: (&str, &str) = ("RENDER_DELAY", "4s");
/// Makes an API send nothing to SQS, so that the test can send the messages.
pub(crate) const NO_RELAY: (&str, &str) = ("QUEUE_URL", "postgres:");
/// A test expects its system to recover within this time: the limit of G5, and 15 seconds more for a busy machine. The
/// default visibility timeout of SQS is longer.
pub(crate) const RECOVERY_LIMIT: Duration = Duration::from_secs(RECOVERY.as_secs() + 15);

const EXECUTABLE: &str = env!("CARGO_BIN_EXE_faults");
/// Makes the random choices of a test the same in every run.
const SEED: u64 = 1;

/// Tests run at the same time, except a test that measures so short a duration that a busy machine would distort it.
static MACHINE: RwLock<()> = RwLock::const_new(());

/// A system, and the lock that decides whether other tests may run at the same time.
pub(crate) struct TestSystem {
    system: System,
    _machine: Machine,
}

#[expect(dead_code, reason = "the guards are held, not read")]
enum Machine {
    Shared(RwLockReadGuard<'static, ()>),
    Alone(RwLockWriteGuard<'static, ()>),
}

impl Deref for TestSystem {
    type Target = System;

    fn deref(&self) -> &System {
        &self.system
    }
}

/// Creates a system without processes and without todos.
pub(crate) async fn system(kind: QueueKind) -> TestSystem {
    system_with(move || Queue::create(kind).unwrap()).await
}

/// Creates a system for a test that runs while no other test does.
pub(crate) async fn system_alone(kind: QueueKind) -> TestSystem {
    let machine = Machine::Alone(MACHINE.write().await);
    create(move || Queue::create(kind).unwrap(), machine).await
}

/// Creates a system with a queue that `queue` creates.
pub(crate) async fn system_with(queue: impl FnOnce() -> Queue + Send + 'static) -> TestSystem {
    let machine = Machine::Shared(MACHINE.read().await);
    create(queue, machine).await
}

async fn create(queue: impl FnOnce() -> Queue + Send + 'static, machine: Machine) -> TestSystem {
    let created = tokio::task::spawn_blocking(move || (DATABASES.create(), queue())).await;
    let (url, queue) = created.unwrap();
    TestSystem {
        system: new_system(Database::new(url).unwrap(), queue),
        _machine: machine,
    }
}

/// Creates a system with an existing database and an existing queue.
pub(crate) async fn system_of(database: Database, queue: Queue) -> TestSystem {
    let machine = Machine::Shared(MACHINE.read().await);
    TestSystem {
        system: new_system(database, queue),
        _machine: machine,
    }
}

fn new_system(database: Database, queue: Queue) -> System {
    System::new(PathBuf::from(EXECUTABLE), database, queue, SEED).unwrap()
}

/// Runs an operator's command on failed jobs. Returns its exit code and its output.
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
    let stdout = String::from_utf8(output.stdout).unwrap();
    (output.status.code().unwrap(), stdout)
}

/// Heals the remaining faults, drains the queue, stops the processes, and checks every guarantee.
pub(crate) async fn finish(system: &System, processes: impl IntoIterator<Item = Process>) {
    let processes: Vec<Process> = processes.into_iter().collect();
    processes.iter().for_each(Process::heal);
    let healed = Instant::now();
    system.drain().await.unwrap();
    let recovered = healed.elapsed();
    assert!(
        recovered <= RECOVERY_LIMIT,
        "G5: the recovery took {recovered:?}"
    );
    for process in &processes {
        // A process that has just been started does not handle the signal yet.
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
        if system.queue.counts_what_is_held() {
            // What a worker has kept is in the queue again now.
            system.drain_queue().await.unwrap();
        }
    }
    let verdict = check(system, RECOVERY_LIMIT).await.unwrap();
    let violations: Vec<String> = verdict.violations.iter().map(ToString::to_string).collect();
    assert!(
        violations.is_empty(),
        "{}\n{verdict:#?}",
        violations.join("\n")
    );
}

/// Checks G6: no delivery and no running job belongs to a stopped worker. Not every broker counts deliveries; [`finish`]
/// looks whether the messages are in the queue again.
pub(crate) async fn assert_nothing_in_flight(system: &System) {
    let deliveries = system.queue.depth().await.unwrap().in_flight;
    let started = "SELECT count(*) FROM calendar_jobs WHERE status = 'STARTED'";
    let jobs = system.database.number(started).await.unwrap();
    assert_eq!((deliveries, jobs), (0, 0), "G6");
}

/// Makes sure that the job has succeeded after this number of attempts.
#[track_caller]
pub(crate) fn assert_succeeded(job: &Job, attempts: i32) {
    assert_eq!(
        (job.status, job.attempt),
        (JobStatus::Success, attempts),
        "{job:?}"
    );
}
