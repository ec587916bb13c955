//! Creates a queue of each kind, with a database of its own.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use diesel::{Connection, PgConnection};
use job_queue::postgres::{PostgresPublisher, PostgresSubscription};
use job_queue::sqs::{SqsPublisher, SqsSubscription};
use job_queue::{Delivery, GroupId, Publisher, QueueUrl, Subscription, SubscriptionOptions};
use local_services::sqs::LocalSqs;
use local_services::testing::TestDatabases;
use shared_model::database::{DatabaseConfig, DatabaseError, Pool};
use shared_model::job::{CalendarRequest, JobId};
use shared_model::job_store::requests;
use shared_model::message::{JobMessage, MESSAGE_VERSION};
use shared_model::migrations;
use tokio_util::sync::CancellationToken;

static DATABASES: TestDatabases = TestDatabases::new(|url| {
    migrations::run(&mut PgConnection::establish(url).unwrap()).unwrap();
});

/// The kinds of queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Postgres,
    Standard,
    Fifo,
}

/// A queue that no other test uses.
pub(crate) struct Queue {
    pub(crate) pool: Pool,
    pub(crate) publisher: Arc<dyn Publisher>,
    pub(crate) subscription: Arc<dyn Subscription>,
    pub(crate) url: QueueUrl,
    group: Option<GroupId>,
}

/// Longer than any test takes, so that no message is delivered again unless it is released.
const LONG: SubscriptionOptions = SubscriptionOptions {
    visibility: Duration::from_secs(30),
    wait: Duration::from_secs(20),
};
/// Short enough for a test to wait until it ends.
pub(crate) const BRIEF_VISIBILITY: Duration = Duration::from_secs(4);
const BRIEF: SubscriptionOptions = SubscriptionOptions {
    visibility: BRIEF_VISIBILITY,
    wait: Duration::from_secs(8),
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
        let database = DATABASES.create();
        let cli = Cli::parse_from(["test", "--database-url", &database]);
        let pool = Pool::new(&cli.database, "job-queue-test", Duration::from_secs(10));
        let group: Option<GroupId> = group.map(|name| name.parse().unwrap());
        let url = match kind {
            Kind::Postgres => QueueUrl::Postgres,
            Kind::Standard => create_queue(""),
            Kind::Fifo => create_queue(".fifo"),
        };
        let publisher: Arc<dyn Publisher> = match &url {
            QueueUrl::Postgres => Arc::new(PostgresPublisher::new(pool.clone())),
            QueueUrl::Sqs(address) => Arc::new(SqsPublisher::new(
                &aws_config(),
                address.clone(),
                group.clone(),
            )),
        };
        Self {
            subscription: subscription(&pool, &url, group.as_ref(), LONG),
            pool,
            publisher,
            url,
            group,
        }
    }

    /// Returns another worker's subscription to the same queue.
    pub(crate) fn second_subscription(&self) -> Arc<dyn Subscription> {
        subscription(&self.pool, &self.url, self.group.as_ref(), LONG)
    }

    /// Returns a subscription with a visibility timeout of `BRIEF_VISIBILITY` that waits for twice as long.
    pub(crate) fn brief_subscription(&self) -> Arc<dyn Subscription> {
        subscription(&self.pool, &self.url, self.group.as_ref(), BRIEF)
    }

    /// Stores jobs without publishing them, and returns their messages.
    pub(crate) async fn jobs(&self, count: usize) -> Vec<JobMessage> {
        let stored = self.pool.run::<_, DatabaseError, _>(move |connection| {
            (0..count)
                .map(|_| {
                    requests::insert(connection, JobId::new(), &CalendarRequest::default(), 3600)
                })
                .collect::<Result<Vec<_>, _>>()
        });
        let message = |job: shared_model::job::Job| JobMessage {
            v: MESSAGE_VERSION,
            job_id: job.id,
            generation: 1,
            enqueued_at: job.created_at,
        };
        stored.await.unwrap().into_iter().map(message).collect()
    }

    /// Stores and publishes jobs, and returns their ids.
    pub(crate) async fn publish(&self, count: usize) -> Vec<JobId> {
        let messages = self.jobs(count).await;
        for batch in messages.chunks(job_queue::MAX_BATCH) {
            let published = self.publisher.publish(batch).await.unwrap();
            assert_eq!(published.failed, []);
            assert_eq!(published.sent.len(), batch.len());
        }
        messages.iter().map(|message| message.job_id).collect()
    }

    /// Receives once, waiting as long as the subscription does.
    pub(crate) async fn receive(&self, max: usize) -> Vec<Delivery> {
        receive(self.subscription.as_ref(), max).await
    }

    /// Receives until there are `count` deliveries, or until a receive returns none.
    pub(crate) async fn receive_all(&self, count: usize) -> Vec<Delivery> {
        receive_all(self.subscription.as_ref(), count).await
    }

    /// Ends jobs in the database, as a worker does before it deletes their messages.
    pub(crate) async fn end_jobs(&self, ids: &[JobId]) {
        let ids = ids.to_vec();
        let ended = self.pool.run::<_, DatabaseError, _>(move |connection| {
            ids.iter()
                .try_for_each(|id| requests::cancel(connection, *id).map(drop))
        });
        ended.await.unwrap();
    }
}

/// Like [`Queue::receive`], with any of its subscriptions.
pub(crate) async fn receive(subscription: &dyn Subscription, max: usize) -> Vec<Delivery> {
    subscription
        .receive(max, &CancellationToken::new())
        .await
        .unwrap()
}

/// Like [`Queue::receive_all`], with any of its subscriptions.
pub(crate) async fn receive_all(subscription: &dyn Subscription, count: usize) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    while deliveries.len() < count {
        let more = receive(subscription, job_queue::MAX_BATCH).await;
        if more.is_empty() {
            break;
        }
        deliveries.extend(more);
    }
    deliveries
}

/// Returns the ids of the jobs of deliveries.
pub(crate) fn ids(deliveries: &[Delivery]) -> Vec<JobId> {
    deliveries
        .iter()
        .map(|delivery| delivery.message.as_ref().unwrap().job_id)
        .collect()
}

/// Like [`ids`], where the order does not matter.
pub(crate) fn id_set(deliveries: &[Delivery]) -> BTreeSet<JobId> {
    ids(deliveries).into_iter().collect()
}

fn subscription(
    pool: &Pool,
    url: &QueueUrl,
    group: Option<&GroupId>,
    options: SubscriptionOptions,
) -> Arc<dyn Subscription> {
    match url {
        QueueUrl::Postgres => Arc::new(PostgresSubscription::new(pool.clone(), options)),
        QueueUrl::Sqs(address) => Arc::new(SqsSubscription::new(
            &aws_config(),
            address.clone(),
            group,
            options,
        )),
    }
}

fn create_queue(suffix: &str) -> QueueUrl {
    let name = format!("test-{}{suffix}", JobId::new());
    LocalSqs::shared()
        .create_queue_with_dead_letters(&name, 10)
        .unwrap();
    format!("sqs://{name}").parse().unwrap()
}

/// Returns the configuration that the environment would give, without changing the environment of other tests.
pub(crate) fn aws_config() -> aws_config::SdkConfig {
    let sqs = LocalSqs::shared();
    aws_config::SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::v2026_01_12())
        .endpoint_url(sqs.endpoint_url())
        .region(aws_config::Region::new(local_services::sqs::REGION))
        .credentials_provider(aws_sdk_sqs::config::SharedCredentialsProvider::new(
            aws_sdk_sqs::config::Credentials::new("local", "local", None, None, "test"),
        ))
        .build()
}
