//! Injects the faults of a soak: one after the other, each into a random process or into the database. The effects of
//! one fault often last until the next.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use nix::sys::signal::Signal;
use tokio_util::sync::CancellationToken;

use super::Fleet;
use crate::cluster::DurableCluster;
use crate::database::Session;
use crate::postgres_proxy::PostgresProxy;
use crate::process::Process;
use crate::queue::Queue;
use crate::sqs_proxy::{Entries, EntryError, Fault, Refusal, Rule};
use crate::system::System;

/// The pause between two faults, in milliseconds.
const PAUSE_MS: Range<u64> = 50..700;
/// The duration of a fault, in milliseconds.
const DURATION_MS: Range<u64> = 100..2500;

pub(super) struct Injector {
    system: System,
    fleet: Arc<Fleet>,
    cluster: DurableCluster,
    random: fastrand::Rng,
    /// A transaction whose snapshot is held until the next one replaces it.
    snapshot: Option<Session>,
}

/// A kind of fault.
#[derive(Debug, Clone, Copy)]
enum Kind {
    WorkerKilled,
    WorkerPaused,
    WorkerStopped,
    ApiKilled,
    ApiStopped,
    ConnectionsClosed,
    DatabaseUnreachable,
    DatabaseStalled,
    DatabaseSlow,
    BackendsTerminated,
    DatabaseCrashed,
    RowsLocked,
    SnapshotHeld,
    QueuePurged,
    Sqs,
    Broker,
}

impl Kind {
    /// The kinds that strike no queue but the table of the jobs. A kind that is listed several times is chosen more often.
    const OF_ANY_QUEUE: [Self; 16] = [
        Self::WorkerKilled,
        Self::WorkerKilled,
        Self::WorkerKilled,
        Self::WorkerPaused,
        Self::WorkerPaused,
        Self::WorkerStopped,
        Self::ApiKilled,
        Self::ApiStopped,
        Self::ConnectionsClosed,
        Self::DatabaseUnreachable,
        Self::DatabaseStalled,
        Self::DatabaseSlow,
        Self::BackendsTerminated,
        Self::DatabaseCrashed,
        Self::RowsLocked,
        Self::SnapshotHeld,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::WorkerKilled => "worker killed",
            Self::WorkerPaused => "worker paused",
            Self::WorkerStopped => "worker stopped",
            Self::ApiKilled => "API killed",
            Self::ApiStopped => "API stopped",
            Self::ConnectionsClosed => "database connections closed",
            Self::DatabaseUnreachable => "database unreachable",
            Self::DatabaseStalled => "database stalled",
            Self::DatabaseSlow => "database slow",
            Self::BackendsTerminated => "backends terminated",
            Self::DatabaseCrashed => "database crashed",
            Self::RowsLocked => "rows locked",
            Self::SnapshotHeld => "snapshot held",
            Self::QueuePurged => "queue purged",
            Self::Sqs => "SQS",
            Self::Broker => "broker",
        }
    }
}

impl Injector {
    pub(super) fn new(
        system: System,
        fleet: Arc<Fleet>,
        cluster: DurableCluster,
        seed: u64,
    ) -> Self {
        Self {
            system,
            fleet,
            cluster,
            random: fastrand::Rng::with_seed(seed),
            snapshot: None,
        }
    }

    /// Injects faults until `stop` is cancelled. The last fault is healed before it returns.
    pub(super) async fn run(mut self, stop: CancellationToken) -> anyhow::Result<DurableCluster> {
        while !stop.is_cancelled() {
            let pause = Duration::from_millis(self.random.u64(PAUSE_MS));
            if stop
                .run_until_cancelled(tokio::time::sleep(pause))
                .await
                .is_none()
            {
                break;
            }
            let kind = self.choose();
            self.inject(kind).await?;
        }
        Ok(self.cluster)
    }

    fn choose(&mut self) -> Kind {
        let of_queue = match &self.system.queue {
            Queue::Postgres => None,
            Queue::Sqs(_) => Some(Kind::Sqs),
            Queue::Broker(_) => Some(Kind::Broker),
        };
        if let Some(kind) = of_queue {
            if self.random.u8(..40) == 0 {
                return Kind::QueuePurged;
            }
            if self.random.bool() {
                return kind;
            }
        }
        let kinds = Kind::OF_ANY_QUEUE;
        self.random.choice(kinds).unwrap_or(Kind::WorkerKilled)
    }

    async fn inject(&mut self, kind: Kind) -> anyhow::Result<()> {
        let began = SystemTime::now();
        let duration = Duration::from_millis(self.random.u64(DURATION_MS));
        let mut name = kind.name();
        match kind {
            Kind::WorkerKilled => self.worker().await?.signal(Signal::SIGKILL)?,
            Kind::WorkerStopped => self.worker().await?.signal(Signal::SIGTERM)?,
            Kind::ApiKilled => self.api().await?.signal(Signal::SIGKILL)?,
            Kind::ApiStopped => self.api().await?.signal(Signal::SIGTERM)?,
            Kind::WorkerPaused => {
                let worker = self.worker().await?;
                worker.signal(Signal::SIGSTOP)?;
                // Sometimes long enough for the leases to expire.
                tokio::time::sleep(duration * 2).await;
                worker.signal(Signal::SIGCONT)?;
            }
            Kind::ConnectionsClosed => self.any().await?.database.disconnect(),
            Kind::DatabaseUnreachable => self.with_proxy(PostgresProxy::cut, duration).await?,
            Kind::DatabaseStalled => self.with_proxy(PostgresProxy::stall, duration).await?,
            Kind::DatabaseSlow => {
                let slow_down = |proxy: &PostgresProxy| proxy.slow_down(Duration::from_millis(10));
                self.with_proxy(slow_down, duration).await?;
            }
            Kind::BackendsTerminated => self.terminate_backends().await,
            Kind::DatabaseCrashed => {
                let cluster = &mut self.cluster;
                tokio::task::block_in_place(|| cluster.crash())?;
            }
            Kind::RowsLocked => self.lock_rows(duration * 2).await,
            Kind::SnapshotHeld => self.hold_snapshot().await,
            Kind::QueuePurged => self.system.queue.purge().await?,
            Kind::Sqs => name = self.disturb_sqs(duration).await?,
            Kind::Broker => name = self.disturb_broker(duration).await?,
        }
        self.system.history.record_fault(name, began);
        Ok(())
    }

    /// Injects a fault between a random process and the database for a while.
    async fn with_proxy(
        &mut self,
        inject: impl FnOnce(&PostgresProxy),
        duration: Duration,
    ) -> anyhow::Result<()> {
        let process = self.any().await?;
        inject(&process.database);
        tokio::time::sleep(duration).await;
        process.database.heal();
        Ok(())
    }

    async fn terminate_backends(&mut self) {
        let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                         WHERE application_name LIKE 'taskoverflow%'";
        // The server may still be starting after a crash.
        let _ = self.system.database.execute(terminate).await;
    }

    /// Locks the rows of a few open jobs for a while.
    async fn lock_rows(&mut self, duration: Duration) {
        let lock = "SELECT FROM calendar_jobs WHERE status IN ('PENDING', 'STARTED', 'RETRY')
                    ORDER BY random() LIMIT 3 FOR UPDATE SKIP LOCKED";
        // The server may still be starting after a crash.
        let locked = Session::open(&self.system.database, ["BEGIN", lock]).await;
        tokio::time::sleep(duration).await;
        drop(locked);
    }

    /// Holds a snapshot, instead of the one that it held before.
    async fn hold_snapshot(&mut self) {
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ";
        let look = "SELECT count(*) FROM todos";
        let session = Session::open(&self.system.database, [begin, look]).await;
        self.snapshot = session.ok();
    }

    /// Injects a random fault into every other call of a process to SQS for a while. Returns the fault's name.
    async fn disturb_sqs(&mut self, duration: Duration) -> anyhow::Result<&'static str> {
        let fault = self.sqs_fault();
        let process = self.any().await?;
        let sqs = process.sqs()?;
        sqs.add(Rule::on_every_call(fault).with_probability(0.5));
        tokio::time::sleep(duration).await;
        sqs.heal();
        Ok(fault.kind())
    }

    /// Injects a random fault between a process and the broker for a while. Returns the fault's name.
    async fn disturb_broker(&mut self, duration: Duration) -> anyhow::Result<&'static str> {
        let process = self.any().await?;
        let broker = process.broker()?;
        let name = match self.random.u8(..4) {
            0 => {
                broker.disconnect();
                return Ok("broker connections closed");
            }
            1 => {
                broker.cut();
                "broker unreachable"
            }
            2 => {
                broker.stall();
                "broker stalled"
            }
            _ => {
                broker.slow_down(Duration::from_millis(10));
                "broker slow"
            }
        };
        tokio::time::sleep(duration).await;
        broker.heal();
        Ok(name)
    }

    fn sqs_fault(&mut self) -> Fault {
        let applied = self.random.bool();
        let refusal = match self.random.u8(..3) {
            0 => Refusal::InternalError,
            1 => Refusal::Unavailable,
            _ => Refusal::Throttled,
        };
        let error = match self.random.u8(..4) {
            0 => EntryError::InvalidReceipt,
            _ => EntryError::Internal,
        };
        let entries = if self.random.bool() {
            Entries::All
        } else {
            Entries::EveryOther
        };
        match self.random.u8(..9) {
            0 => Fault::Refuse(refusal),
            1 => Fault::Disconnect,
            2 => Fault::NeverAnswer,
            3 => Fault::DropAnswer,
            4 => Fault::HoldAnswer,
            5 => Fault::Delay(Duration::from_millis(self.random.u64(..800))),
            6 => Fault::Repeat(3),
            7 => Fault::FailEntries {
                entries,
                applied,
                error,
            },
            _ => Fault::OmitEntries { entries, applied },
        }
    }

    async fn worker(&mut self) -> anyhow::Result<Arc<Process>> {
        let index = self.random.usize(..self.fleet.workers.len());
        let worker = self
            .fleet
            .workers
            .get(index)
            .context("there is no worker")?;
        worker.process().await
    }

    async fn api(&mut self) -> anyhow::Result<Arc<Process>> {
        let index = self.random.usize(..self.fleet.apis.len());
        let api = self.fleet.apis.get(index).context("there is no API")?;
        api.process().await
    }

    async fn any(&mut self) -> anyhow::Result<Arc<Process>> {
        if self.random.u8(..3) == 0 {
            self.api().await
        } else {
            self.worker().await
        }
    }
}
