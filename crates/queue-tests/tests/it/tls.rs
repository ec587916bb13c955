//! TLS between the services and a broker: only a server that a trusted authority has certified is used.

use std::path::PathBuf;
use std::sync::Arc;

use job_queue::{
    BatchOutcome, BrokerAccess, Findings, Publisher, QueueError, QueueUrl, Subscription,
    WorkerNeeds,
};
use local_services::brokers::{BrokerKind, LocalBroker};
use shared_model::job::JobId;
use tempfile::TempDir;
use tokio::task::block_in_place;

use crate::support::{Kind, LONG, Queue, ids, message, receive};

pub(crate) mod proxy;

use proxy::{Authority, Proxy};

macro_rules! for_every_broker {
    ($($claim:ident),* $(,)?) => {
        mod redis { $(#[tokio::test(flavor = "multi_thread")] #[cfg_attr(not(has_redis), ignore = "needs redis-server")] async fn $claim() { super::$claim(super::BrokerKind::Redis).await; })* }
        mod rabbitmq { $(#[tokio::test(flavor = "multi_thread")] #[cfg_attr(not(has_rabbitmq), ignore = "needs rabbitmq-server")] async fn $claim() { super::$claim(super::BrokerKind::RabbitMq).await; })* }
        mod activemq { $(#[tokio::test(flavor = "multi_thread")] #[cfg_attr(not(has_activemq), ignore = "needs activemq")] async fn $claim() { super::$claim(super::BrokerKind::ActiveMq).await; })* }
    };
}

for_every_broker!(
    messages_travel_through_tls_if_the_authority_is_trusted,
    a_certificate_that_is_not_trusted_is_unusable,
    a_certificate_for_another_host_is_unusable,
    a_file_without_a_certificate_is_unusable,
    a_port_without_tls_is_not_used_and_the_reason_says_so,
);

const NEEDS: WorkerNeeds = WorkerNeeds {
    max_attempts: 5,
    job_timeout: std::time::Duration::from_mins(2),
    slots: 10,
    workers: 1,
};

/// The two halves of a queue, and a database for its jobs.
struct Halves {
    jobs: Queue,
    publisher: Arc<dyn Publisher>,
    subscription: Arc<dyn Subscription>,
}

impl Halves {
    fn new(url: &str, access: &BrokerAccess) -> Self {
        let QueueUrl::Broker(broker) = url.parse().unwrap() else {
            panic!("{url} is no broker")
        };
        let jobs = Queue::new(Kind::Postgres);
        Self {
            publisher: broker.publisher(access),
            subscription: broker.subscription(access, &jobs.pool, LONG),
            jobs,
        }
    }

    /// Returns what the API and what a worker finds.
    async fn findings(&self) -> [Result<Findings, QueueError>; 2] {
        [
            self.publisher.inspect().await,
            self.subscription.inspect(NEEDS).await,
        ]
    }

    /// Returns why the API and why a worker can't use the queue.
    async fn reasons(&self) -> [String; 2] {
        self.findings().await.map(|found| {
            let found = found.unwrap();
            let [reason] = found.unusable.try_into().unwrap();
            reason
        })
    }
}

/// Returns the broker that the tests share, and a queue of it.
fn broker(kind: BrokerKind) -> (&'static LocalBroker, String) {
    block_in_place(|| {
        let broker = LocalBroker::shared(kind);
        let name = format!("test-{}", JobId::new());
        broker.create_queue(&name).unwrap();
        (broker, name)
    })
}

/// Returns the URL of a queue on this port with TLS.
fn with_tls(broker: &LocalBroker, queue: &str, port: u16) -> String {
    let url = broker.url(queue, Some(port));
    let (plain, rest) = url.split_once("://").unwrap();
    let (kind, _) = job_queue::BrokerKind::of_scheme(plain).unwrap();
    format!("{}://{rest}", kind.scheme(true))
}

/// A file with certificates.
pub(crate) struct CaFile {
    path: PathBuf,
    _folder: TempDir,
}

impl CaFile {
    pub(crate) fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, text).unwrap();
        Self {
            path,
            _folder: folder,
        }
    }

    pub(crate) fn access(&self) -> BrokerAccess {
        BrokerAccess {
            password_file: None,
            ca_file: Some(self.path.clone()),
        }
    }
}

async fn messages_travel_through_tls_if_the_authority_is_trusted(kind: BrokerKind) {
    let (broker, name) = broker(kind);
    let authority = Authority::new();
    let proxy = Proxy::start(broker.port(), &authority, "127.0.0.1").await;
    let file = CaFile::new(&authority.pem());
    let halves = Halves::new(&with_tls(broker, &name, proxy.port()), &file.access());
    assert_eq!(
        halves.findings().await,
        [Ok(Findings::default()), Ok(Findings::default())]
    );
    let messages = halves.jobs.jobs(1).await;
    let published = halves.publisher.publish(&messages).await.unwrap();
    assert_eq!((published.sent.len(), published.failed), (1, vec![]));
    let mut received = receive(halves.subscription.as_ref(), 1).await;
    assert_eq!(ids(&received), [messages[0].message.job_id]);
    let delivery = message(received.pop().unwrap());
    let deleted = halves.subscription.delete(&[delivery.delete()]).await;
    assert_eq!(deleted, [BatchOutcome::Done]);
}

async fn a_certificate_that_is_not_trusted_is_unusable(kind: BrokerKind) {
    let (broker, name) = broker(kind);
    let proxy = Proxy::start(broker.port(), &Authority::new(), "127.0.0.1").await;
    let other = CaFile::new(&Authority::new().pem());
    let halves = Halves::new(&with_tls(broker, &name, proxy.port()), &other.access());
    for reason in halves.reasons().await {
        assert!(reason.contains("QUEUE_CA_FILE"), "{reason}");
    }
}

async fn a_certificate_for_another_host_is_unusable(kind: BrokerKind) {
    let (broker, name) = broker(kind);
    let authority = Authority::new();
    let proxy = Proxy::start(broker.port(), &authority, "broker.example").await;
    let file = CaFile::new(&authority.pem());
    let halves = Halves::new(&with_tls(broker, &name, proxy.port()), &file.access());
    for reason in halves.reasons().await {
        assert!(reason.contains("not valid for name"), "{reason}");
    }
}

async fn a_file_without_a_certificate_is_unusable(kind: BrokerKind) {
    let (broker, name) = broker(kind);
    let proxy = Proxy::start(broker.port(), &Authority::new(), "127.0.0.1").await;
    let url = with_tls(broker, &name, proxy.port());
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for text in ["", "no certificate", garbage] {
        let file = CaFile::new(text);
        for reason in Halves::new(&url, &file.access()).reasons().await {
            assert!(reason.contains("QUEUE_CA_FILE"), "{text:?}: {reason}");
        }
    }
}

async fn a_port_without_tls_is_not_used_and_the_reason_says_so(kind: BrokerKind) {
    let (broker, name) = broker(kind);
    let file = CaFile::new(&Authority::new().pem());
    let halves = Halves::new(&with_tls(broker, &name, broker.port()), &file.access());
    for found in halves.findings().await {
        // Some servers answer that this is no command of theirs. Others wait for the end of the command.
        let reason = match found {
            Ok(found) => found.unusable.concat(),
            Err(QueueError::Unavailable(reason)) => reason,
            Err(error) => panic!("{error:?}"),
        };
        assert!(reason.contains("TLS"), "{reason}");
    }
}
