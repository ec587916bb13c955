//! A broker in memory, and a worker that uses it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use clap::Parser;
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use local_services::testing::TestDatabases;
use shared_model::database::{DatabaseConfig, DatabaseError, Pool};
use shared_model::job::{CalendarRequest, JobId};
use shared_model::job_store::outbox;
use shared_model::job_store::requests::{self, NewJob, Sender};
use shared_model::message::{JobMessage, MESSAGE_VERSION};
use shared_model::migrations;
use tokio_util::sync::CancellationToken;

use crate::error::QueueError;
use crate::findings::Findings;
use crate::held::{Broker, HeldSubscription, Taken};
use crate::subscription::{
    BatchOutcome, Delivery, Receipt, Received, Subscription, SubscriptionOptions, WorkerNeeds,
};

pub(super) static DATABASES: TestDatabases = TestDatabases::new(|url| {
    migrations::run(&mut PgConnection::establish(url).unwrap()).unwrap();
});

pub(super) const VISIBILITY: Duration = Duration::from_mins(1);

/// What a test sees of a broker. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory(Arc<Mutex<State>>);

#[derive(Debug, Default)]
pub(super) struct State {
    /// Whether a single message can be returned.
    pub(super) gives_back: bool,
    pub(super) visible: VecDeque<Vec<u8>>,
    pub(super) held: Vec<(Receipt, Vec<u8>)>,
    pub(super) dead: Vec<Vec<u8>>,
    pub(super) delivered: u32,
    /// Calls that are to fail.
    pub(super) failures: u32,
    pub(super) is_closed: bool,
}

impl Memory {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Lets messages leave the worker, each by this way.
    pub(super) fn settle_by(
        &self,
        receipts: &[Receipt],
        leave: impl Fn(&mut State, Vec<u8>),
    ) -> Vec<BatchOutcome> {
        let mut state = self.lock();
        if state.failures > 0 {
            state.failures -= 1;
            return vec![BatchOutcome::Failed("test".to_owned()); receipts.len()];
        }
        let settle = |receipt: &Receipt| {
            let Some(index) = state.held.iter().position(|(held, _)| held == receipt) else {
                return BatchOutcome::Lost;
            };
            let (_, body) = state.held.remove(index);
            leave(&mut state, body);
            BatchOutcome::Done
        };
        receipts.iter().map(settle).collect()
    }

    /// The connection ends, and the broker delivers everything again.
    pub(super) fn cut(&self) {
        let mut state = self.lock();
        let bodies: Vec<_> = state.held.drain(..).map(|(_, body)| body).collect();
        state.visible.extend(bodies);
    }

    /// How many messages are visible, held and dead.
    pub(super) fn counts(&self) -> (usize, usize, usize) {
        let state = self.lock();
        (state.visible.len(), state.held.len(), state.dead.len())
    }
}

#[async_trait]
impl Broker for Memory {
    async fn take(
        &self,
        max: usize,
        _: Duration,
        _: &CancellationToken,
    ) -> Result<Vec<Taken>, QueueError> {
        let mut state = self.lock();
        let count = max.min(state.visible.len());
        let bodies: Vec<_> = state.visible.drain(..count).collect();
        let take = |body: Vec<u8>| {
            state.delivered += 1;
            let receipt = Receipt::new(state.delivered.to_string());
            state.held.push((receipt.clone(), body.clone()));
            Taken {
                receipt,
                message_id: "id".to_owned(),
                receive_count: 1,
                body,
            }
        };
        Ok(bodies.into_iter().map(take).collect())
    }

    async fn settle(&self, receipts: &[Receipt]) -> Vec<BatchOutcome> {
        self.settle_by(receipts, |_, _| ())
    }

    async fn give_back(&self, receipts: &[Receipt]) -> Option<Vec<BatchOutcome>> {
        let gives_back = self.lock().gives_back;
        gives_back.then(|| self.settle_by(receipts, |state, body| state.visible.push_back(body)))
    }

    async fn bury(&self, receipt: &Receipt, body: &[u8]) -> BatchOutcome {
        let receipts = std::slice::from_ref(receipt);
        let buried = self.settle_by(receipts, |state, held| {
            assert_eq!(held, body);
            state.dead.push(held);
        });
        buried[0].clone()
    }

    async fn inspect(&self, _: WorkerNeeds) -> Result<Findings, QueueError> {
        Ok(Findings::default())
    }

    async fn close(&self) {
        self.cut();
        self.lock().is_closed = true;
    }
}

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    database: DatabaseConfig,
}

/// A worker's subscription to a queue in memory.
pub(super) struct Worker {
    pub(super) broker: Memory,
    pub(super) pool: Pool,
    pub(super) subscription: HeldSubscription<Memory>,
}

impl Worker {
    pub(super) fn new(database_url: &str, gives_back: bool) -> Self {
        let cli = Cli::parse_from(["test", "--database-url", database_url]);
        let pool = Pool::new(&cli.database, "held-test", Duration::from_secs(10));
        let broker = Memory::default();
        broker.lock().gives_back = gives_back;
        let options = SubscriptionOptions {
            visibility: VISIBILITY,
            wait: Duration::ZERO,
            max_attempts: 5,
            slots: 10,
        };
        Self {
            subscription: HeldSubscription::new(broker.clone(), pool.clone(), options),
            broker,
            pool,
        }
    }

    /// A worker without a database, whose broker can return a message.
    pub(super) fn without_database() -> Self {
        Self::new("postgres://127.0.0.1:1/none", true)
    }

    /// A worker whose broker can't return a message.
    pub(super) fn with_outbox() -> Self {
        Self::new(&DATABASES.create(), false)
    }

    /// Stores a job whose message has been sent, and returns its id.
    pub(super) async fn sent(&self) -> JobId {
        let id = JobId::new();
        let job = NewJob {
            id,
            request: CalendarRequest::default(),
            expiry_seconds: 3600,
            sender: Sender::Nobody,
            token_name: None,
            traceparent: None,
            event_destinations: Vec::new(),
        };
        let stored = self.pool.run(move |c| requests::insert(c, &[job]));
        stored.await.unwrap();
        self.send(id);
        id
    }

    /// Puts the message of a job into the queue.
    pub(super) fn send(&self, job_id: JobId) {
        let message = JobMessage {
            v: MESSAGE_VERSION,
            job_id,
            generation: 1,
            enqueued_at: chrono::DateTime::UNIX_EPOCH,
            traceparent: None,
        };
        self.put(message.encode().unwrap().into_bytes());
    }

    pub(super) fn put(&self, body: Vec<u8>) {
        self.broker.lock().visible.push_back(body);
    }

    pub(super) async fn receive(&self) -> Vec<Delivery> {
        let stop = CancellationToken::new();
        let received = self.subscription.receive(10, &stop).await.unwrap();
        received
            .into_iter()
            .map(|one| match one {
                Received::Message(delivery) => delivery,
                Received::Claim { .. } => panic!("a broker delivers messages"),
            })
            .collect()
    }

    pub(super) async fn receive_one(&self) -> Delivery {
        let mut received = self.receive().await;
        assert_eq!(received.len(), 1);
        received.remove(0)
    }

    pub(super) async fn release(&self, delivery: Delivery, delay: Duration) -> BatchOutcome {
        one(self.subscription.release(&[delivery.release(delay)]).await)
    }

    pub(super) async fn extend(&self, receipt: &Receipt) -> BatchOutcome {
        one(self
            .subscription
            .extend(std::slice::from_ref(receipt))
            .await)
    }

    /// The jobs whose messages a relay would send now.
    pub(super) async fn due(&self) -> Vec<JobId> {
        let taken = self.pool.run(|c| outbox::take(c, 10)).await;
        let taken: Result<_, DatabaseError> = taken;
        let ids = taken.unwrap().into_iter().map(|one| one.message.job_id);
        ids.collect()
    }

    pub(super) async fn execute(&self, sql: String) {
        let executed = self
            .pool
            .run(move |c| c.batch_execute(&sql).map_err(DatabaseError::from));
        executed.await.unwrap();
    }

    /// Lets the delay of every postponed message pass.
    pub(super) async fn pass_a_minute(&self) {
        let sql = "UPDATE calendar_jobs SET send_after = send_after - interval '1 min'";
        self.execute(sql.to_owned()).await;
    }
}

pub(super) fn one(outcomes: Vec<BatchOutcome>) -> BatchOutcome {
    let [outcome] = <[BatchOutcome; 1]>::try_from(outcomes).unwrap();
    outcome
}
