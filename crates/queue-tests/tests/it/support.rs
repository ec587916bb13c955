//! A queue of each kind, with a database of its own.
//!
//! # Layout
//! - `received`: what a subscription receives
//! - `settling`: what workers do with the jobs that they have received
//! - `sqs`: queues of the local SQS

use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use diesel::{Connection, PgConnection};
use job_queue::postgres::PostgresSubscription;
use job_queue::sqs::{SqsPublisher, SqsSubscription};
use job_queue::{
    BrokerAccess, GroupId, Publisher, QueueUrl, Received, Subscription, SubscriptionOptions,
};
use local_services::brokers::{BrokerKind, LocalBroker};
use local_services::testing::TestDatabases;
use shared_model::database::{DatabaseConfig, DatabaseError, Pool};
use shared_model::job::{CalendarRequest, Job, JobId};
use shared_model::job_store::outbox::{self, SendKey};
use shared_model::job_store::requests::{self, NewJob, Sender};
use shared_model::message::{JobMessage, MESSAGE_VERSION, OutboundMessage};
use shared_model::migrations;
use shared_model::notifier::Notifier;
use shared_model::processes::ThisProcess;
use tokio_util::task::AbortOnDropHandle;

mod received;
mod settling;
mod sqs;

pub(crate) use received::{
    claim, delivery_number, generation_of, id_set, ids, job_of, message, receive, receive_all,
};
pub(crate) use sqs::{aws_config, aws_config_for};

static DATABASES: TestDatabases = TestDatabases::new(|url| {
    migrations::run(&mut PgConnection::establish(url).unwrap()).unwrap();
});

/// The kinds of queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Postgres,
    Standard,
    Fifo,
    Redis,
    ActiveMq,
    RabbitMq,
    #[cfg(feature = "kafka")]
    Kafka,
}

impl Kind {
    /// Returns whether a delivery has the number of all deliveries of its message before it.
    pub(crate) fn counts_receives(self) -> bool {
        self != Self::ActiveMq
    }
}

/// A queue that no other test uses.
pub(crate) struct Queue {
    pub(crate) database_url: String,
    pub(crate) pool: Pool,
    pub(crate) subscription: Arc<dyn Subscription>,
    pub(crate) url: QueueUrl,
    group: Option<GroupId>,
    _relay: Option<AbortOnDropHandle<()>>,
}

/// As many as a test receives before it settles one of them. A worker has no more slots than it uses, so a queue that
/// pushes messages pushes none that the worker does not ask for.
const SLOTS: usize = 15;
/// Longer than any test takes, so that nothing is delivered again unless it is released.
pub(crate) const LONG: SubscriptionOptions = SubscriptionOptions {
    visibility: Duration::from_secs(30),
    wait: Duration::from_secs(20),
    max_attempts: 5,
    slots: SLOTS,
};
/// Short enough for a test to wait until it ends.
pub(crate) const BRIEF_VISIBILITY: Duration = Duration::from_secs(4);
/// How often the outbox is sent.
const RELAY_INTERVAL: Duration = Duration::from_millis(100);
const BRIEF: SubscriptionOptions = SubscriptionOptions {
    visibility: BRIEF_VISIBILITY,
    wait: Duration::from_secs(8),
    max_attempts: 5,
    slots: SLOTS,
};

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    database: DatabaseConfig,
}

impl Queue {
    pub(crate) fn new(kind: Kind) -> Self {
        Self::grouped(kind, None)
    }

    pub(crate) fn grouped(kind: Kind, group: Option<&str>) -> Self {
        let database_url = DATABASES.create();
        let pool = pool(&database_url);
        let group: Option<GroupId> = group.map(|name| name.parse().unwrap());
        let url = match kind {
            Kind::Postgres => QueueUrl::Postgres,
            Kind::Standard => sqs::create_queue(""),
            Kind::Fifo => sqs::create_queue(".fifo"),
            Kind::Redis => create_queue_in(BrokerKind::Redis),
            Kind::ActiveMq => create_queue_in(BrokerKind::ActiveMq),
            Kind::RabbitMq => create_queue_in(BrokerKind::RabbitMq),
            #[cfg(feature = "kafka")]
            Kind::Kafka => queue_tests::kafka::Kafka::shared()
                .new_topic(4)
                .parse()
                .unwrap(),
        };
        Self::with(database_url, pool, url, group)
    }

    /// Returns a queue of a broker.
    pub(crate) fn at(url: &str) -> Self {
        let database_url = DATABASES.create();
        let pool = pool(&database_url);
        Self::with(database_url, pool, url.parse().unwrap(), None)
    }

    fn with(database_url: String, pool: Pool, url: QueueUrl, group: Option<GroupId>) -> Self {
        Self {
            subscription: subscription(&pool, &url, group.as_ref(), LONG),
            _relay: relay(&pool, &url),
            database_url,
            pool,
            url,
            group,
        }
    }

    /// Returns another worker's subscription to the same queue.
    pub(crate) fn second_subscription(&self) -> Arc<dyn Subscription> {
        subscription(&self.pool, &self.url, self.group.as_ref(), LONG)
    }

    /// Returns a subscription of a worker with these options.
    pub(crate) fn subscription_with(&self, options: SubscriptionOptions) -> Arc<dyn Subscription> {
        subscription(&self.pool, &self.url, self.group.as_ref(), options)
    }

    /// Returns a subscription with a visibility timeout of `BRIEF_VISIBILITY` that waits for twice as long.
    pub(crate) fn brief_subscription(&self) -> Arc<dyn Subscription> {
        subscription(&self.pool, &self.url, self.group.as_ref(), BRIEF)
    }

    /// Returns the sending half of the queue.
    pub(crate) fn publisher(&self) -> Arc<dyn Publisher> {
        match &self.url {
            QueueUrl::Postgres => panic!("nothing is sent to postgres:"),
            QueueUrl::Sqs(address) => Arc::new(SqsPublisher::new(
                &aws_config(),
                address.clone(),
                self.group.clone(),
            )),
            QueueUrl::Broker(broker) => broker.publisher(&BrokerAccess::default()),
        }
    }

    /// Stores jobs and returns their messages. On `postgres:`, they are in the queue then; on SQS they are not sent yet.
    pub(crate) async fn jobs(&self, count: usize) -> Vec<OutboundMessage> {
        let sender = match &self.url {
            QueueUrl::Postgres => Sender::Nobody,
            QueueUrl::Sqs(_) => Sender::AnyRelay,
            // The relay of the test leaves them alone.
            QueueUrl::Broker(_) => Sender::ThisProcess,
        };
        let jobs: Vec<NewJob> = std::iter::repeat_with(|| NewJob {
            id: JobId::new(),
            request: CalendarRequest::default(),
            expiry_seconds: 3600,
            sender,
            token_name: None,
            traceparent: None,
            event_destinations: Vec::new(),
        })
        .take(count)
        .collect();
        let ids: Vec<JobId> = jobs.iter().map(|job| job.id).collect();
        let accepted = self
            .pool
            .run(move |connection| requests::insert(connection, &jobs));
        let enqueued_at = accepted.await.unwrap();
        let message = |job_id| JobMessage {
            v: MESSAGE_VERSION,
            job_id,
            generation: 1,
            enqueued_at,
            traceparent: None,
        };
        let outbound = |id| OutboundMessage {
            message: message(id),
            sends: 1,
        };
        ids.into_iter().map(outbound).collect()
    }

    /// Stores jobs, publishes them as the API does, and returns their ids.
    pub(crate) async fn publish(&self, count: usize) -> Vec<JobId> {
        let messages = self.jobs(count).await;
        match &self.url {
            QueueUrl::Postgres => {
                let notifier = Notifier::default();
                notifier.job_due();
                notifier.flush(&self.pool).await;
            }
            QueueUrl::Sqs(_) | QueueUrl::Broker(_) => {
                for batch in messages.chunks(job_queue::MAX_BATCH) {
                    let published = self.publisher().publish(batch).await.unwrap();
                    assert_eq!(published.failed, []);
                    assert_eq!(published.sent.len(), batch.len());
                    self.mark_sent(published.sent).await;
                }
            }
        }
        messages
            .iter()
            .map(|outbound| outbound.message.job_id)
            .collect()
    }

    async fn mark_sent(&self, sent: Vec<SendKey>) {
        let marked = self
            .pool
            .run(move |connection| outbox::mark_sent(connection, &sent));
        marked.await.unwrap();
    }

    /// Receives once, waiting as long as the subscription does.
    pub(crate) async fn receive(&self, max: usize) -> Vec<Received> {
        receive(self.subscription.as_ref(), max).await
    }

    /// Receives until `count` jobs have arrived, or until a receive returns none.
    pub(crate) async fn receive_all(&self, count: usize) -> Vec<Received> {
        receive_all(self.subscription.as_ref(), count).await
    }

    pub(crate) async fn find(&self, id: JobId) -> Job {
        let job = self
            .pool
            .run(move |connection| requests::find(connection, id));
        job.await.unwrap().unwrap()
    }

    pub(crate) async fn execute(&self, sql: &str) {
        let sql = sql.to_owned();
        let executed = self.pool.run::<_, DatabaseError, _>(move |connection| {
            Ok(diesel::connection::SimpleConnection::batch_execute(
                connection, &sql,
            )?)
        });
        executed.await.unwrap();
    }
}

fn pool(database_url: &str) -> Pool {
    let cli = Cli::parse_from(["test", "--database-url", database_url]);
    Pool::new(&cli.database, "job-queue-test", Duration::from_secs(10))
}

/// Sends what is in the outbox, as an API does: brokers without delays let messages come again through it.
fn relay(pool: &Pool, url: &QueueUrl) -> Option<AbortOnDropHandle<()>> {
    let QueueUrl::Broker(broker) = url else {
        return None;
    };
    let publisher = broker.publisher(&BrokerAccess::default());
    let pool = pool.clone();
    let relay = async move {
        let mut ticks = tokio::time::interval(RELAY_INTERVAL);
        loop {
            ticks.tick().await;
            let taken = pool.run(|connection| outbox::take(connection, 100)).await;
            let taken = taken.unwrap_or_default();
            if taken.is_empty() {
                continue;
            }
            // The broker may be away. The lease of these messages then ends.
            if let Ok(published) = publisher.publish(&taken).await {
                let marked =
                    pool.run(move |connection| outbox::mark_sent(connection, &published.sent));
                marked.await.unwrap();
            }
        }
    };
    Some(AbortOnDropHandle::new(tokio::spawn(relay)))
}

fn subscription(
    pool: &Pool,
    url: &QueueUrl,
    group: Option<&GroupId>,
    options: SubscriptionOptions,
) -> Arc<dyn Subscription> {
    match url {
        QueueUrl::Postgres => Arc::new(PostgresSubscription::new(
            pool.clone(),
            Notifier::default(),
            ThisProcess::default(),
            options,
        )),
        QueueUrl::Sqs(address) => Arc::new(SqsSubscription::new(
            &aws_config(),
            address.clone(),
            group,
            options,
        )),
        QueueUrl::Broker(broker) => broker.subscription(&BrokerAccess::default(), pool, options),
    }
}

fn create_queue_in(kind: BrokerKind) -> QueueUrl {
    let name = format!("test-{}", JobId::new());
    let broker = LocalBroker::shared(kind);
    broker.create_queue(&name).unwrap();
    broker.url(&name, None).parse().unwrap()
}
