//! The queues of a comparison, and the local servers that are started for them.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::ValueEnum;
use local_services::brokers::{BrokerKind, LocalBroker};
use local_services::sqs::LocalSqs;
use sqs_client::QueueAddress;

use super::Options;
use super::address::{Address, local_config};
use super::topic::Topic;
use crate::broker::{self, BrokerUrl, InvalidBrokerUrl};
use crate::error::Error;
use crate::queue::{Queue, create_with};
use crate::target::Target;

/// What a report has to say about the test broker of Kafka.
const TEST_BROKER: &str = "this is no server of Kafka, but the test broker of its client librdkafka, in this process. It keeps \
    messages in memory, without a disk and without copies, so \"kept\" and \"lost\" say nothing about a server that fails, \
    and p50 and p99 nothing about Kafka's speed. When a subscriber has died, it divides its partitions after 5 s, and Kafka as \
    soon as the others have sent a heartbeat, within 2 s: \"redelivery\" is 3 to 5 s too long. It answers a Fetch with one \
    batch of each partition, and Kafka with many: \"calls\" is too high. Order, partitions and positions follow Kafka's \
    protocol. To compare a server of Kafka: --url kafka://HOST/TOPIC";

/// A queue that this program can set up by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Contestant {
    /// A standard queue of the local SQS
    Sqs,
    /// A FIFO queue of the local SQS, with one message group
    #[value(name = "sqs.fifo")]
    SqsFifo,
    /// A topic of the local SNS with two queues
    Sns,
    /// A stream of a local Redis, with a consumer group
    Redis,
    /// A channel of a local Redis
    #[value(name = "redis-pubsub")]
    RedisPubSub,
    /// A quorum queue of a local RabbitMQ
    #[cfg(feature = "amqp")]
    #[value(name = "rabbitmq")]
    RabbitMq,
    /// A queue of a local ActiveMQ Classic
    #[value(name = "activemq")]
    ActiveMq,
    /// A topic of the test broker in the client of Kafka. For a real one: --url `kafka://HOST/TOPIC`
    Kafka,
}

impl fmt::Display for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqs => "sqs",
            Self::SqsFifo => "sqs.fifo",
            Self::Sns => "sns → 2 × sqs",
            Self::Redis => "redis stream",
            Self::RedisPubSub => "redis pub/sub",
            #[cfg(feature = "amqp")]
            Self::RabbitMq => "rabbitmq",
            Self::ActiveMq => "activemq",
            Self::Kafka => "kafka (test broker)",
        })
    }
}

impl Contestant {
    /// Returns what a reader of the figures has to know.
    fn note(self) -> Option<&'static str> {
        (self == Self::Kafka).then_some(TEST_BROKER)
    }
}

/// A queue, or several that each get all messages.
#[derive(Debug)]
pub(super) struct Contender {
    pub(super) title: String,
    pub(super) publish_to: Address,
    /// One that both subscribers share, or one for each subscriber.
    pub(super) audiences: Vec<Address>,
    /// What a reader of the figures has to know.
    pub(super) note: Option<&'static str>,
}

impl Contender {
    /// Returns how long a message that a dead subscriber had may take to be delivered again.
    pub(super) fn longest_redelivery(&self, visibility: Duration) -> Duration {
        match &self.publish_to {
            Address::Broker(url) => visibility.max(url.longest_redelivery()),
            Address::Sqs { .. } | Address::Topic { .. } => visibility,
        }
    }
}

/// A queue whose server is missing.
#[derive(Debug)]
pub(super) struct Skipped {
    pub(super) title: String,
    pub(super) reason: String,
}

/// The queues, with the servers that run for them.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// In the order of the table. An error says why a queue can't be set up, and what to install.
    contenders: Vec<Result<Contender, Skipped>>,
    /// Stopped when the plan is dropped.
    sqs: Option<LocalSqs>,
    brokers: Vec<(BrokerKind, LocalBroker)>,
    #[cfg(feature = "kafka")]
    kafka: Option<broker::TestBroker>,
}

impl Plan {
    pub(super) fn take_contenders(&mut self) -> Vec<Result<Contender, Skipped>> {
        std::mem::take(&mut self.contenders)
    }
}

/// Starts servers and creates queues. A server that is not installed is only listed, unless its queue was asked for.
pub(super) async fn plan(options: &Options) -> Result<Plan, Error> {
    let mut plan = Plan::default();
    let is_asked = !options.queues.is_empty();
    let contestants = match (is_asked, options.existing.is_empty()) {
        (true, _) => options.queues.clone(),
        (false, true) => Contestant::value_variants().to_vec(),
        (false, false) => Vec::new(),
    };
    for contestant in contestants {
        let added = plan.add(contestant, options.sqs_endpoint.as_deref());
        match added.await {
            Err(error) if is_asked => return Err(error),
            Err(error) => plan.contenders.push(Err(Skipped {
                title: contestant.to_string(),
                reason: error.to_string(),
            })),
            Ok(()) => {}
        }
    }
    for target in &options.existing {
        plan.add_existing(target).await?;
    }
    if plan.contenders.iter().all(Result::is_err) {
        return Err(Error::Setup("there is no queue to compare".to_owned()));
    }
    Ok(plan)
}

impl Plan {
    async fn add(&mut self, contestant: Contestant, endpoint: Option<&str>) -> Result<(), Error> {
        let name = unused_name();
        let (publish_to, audiences) = match contestant {
            Contestant::Redis => shared(self.local_broker(BrokerKind::Redis, &name).await?),
            Contestant::RedisPubSub => self.channel(&name).await?,
            #[cfg(feature = "amqp")]
            Contestant::RabbitMq => shared(self.local_broker(BrokerKind::RabbitMq, &name).await?),
            Contestant::ActiveMq => shared(self.local_broker(BrokerKind::ActiveMq, &name).await?),
            #[cfg(feature = "kafka")]
            Contestant::Kafka => shared(self.test_topic(&name)?),
            #[cfg(not(feature = "kafka"))]
            Contestant::Kafka => {
                let reason = InvalidBrokerUrl::NotBuilt(broker_address::BrokerKind::Kafka);
                return Err(Error::Setup(reason.to_string()));
            }
            Contestant::Sqs | Contestant::SqsFifo | Contestant::Sns => {
                let endpoint = match endpoint {
                    Some(endpoint) => endpoint.to_owned(),
                    None => self.local_sqs().await?,
                };
                match contestant {
                    Contestant::Sns => create_topic(&endpoint, &name).await?,
                    Contestant::SqsFifo => {
                        shared(create_sqs(&endpoint, &format!("{name}.fifo")).await?)
                    }
                    _ => shared(create_sqs(&endpoint, &name).await?),
                }
            }
        };
        self.contenders.push(Ok(Contender {
            title: contestant.to_string(),
            publish_to,
            audiences,
            note: contestant.note(),
        }));
        Ok(())
    }

    /// Returns the endpoint of a local SQS, which is started if it does not run.
    async fn local_sqs(&mut self) -> Result<String, Error> {
        if self.sqs.is_none() {
            let started = tokio::task::spawn_blocking(LocalSqs::temporary).await;
            let started = started.map_err(|error| Error::Failed(error.to_string()))?;
            self.sqs = Some(started.map_err(|error| Error::Setup(error.to_string()))?);
        }
        let endpoint = self.sqs.as_ref().map(LocalSqs::endpoint_url);
        Ok(endpoint.unwrap_or_default().to_owned())
    }

    /// Returns a new queue of a local broker, which is started if it does not run.
    async fn local_broker(&mut self, kind: BrokerKind, name: &str) -> Result<Address, Error> {
        if !self.brokers.iter().any(|(running, _)| *running == kind) {
            let started =
                tokio::task::spawn_blocking(move || LocalBroker::private(kind, &[])).await;
            let started = started.map_err(|error| Error::Failed(error.to_string()))?;
            let started = started.map_err(|error| Error::Setup(error.to_string()))?;
            self.brokers.push((kind, started));
        }
        let broker = self.brokers.iter().find(|(running, _)| *running == kind);
        let url = broker.map(|(_, broker)| broker.url(name, None));
        let url = parsed(&url.unwrap_or_default())?;
        broker::create(&url).await?;
        Ok(Address::Broker(url))
    }

    /// Returns a new topic of the test broker in the client of Kafka, which is started.
    #[cfg(feature = "kafka")]
    fn test_topic(&mut self, name: &str) -> Result<Address, Error> {
        let broker = self.kafka.insert(broker::TestBroker::start()?);
        Ok(Address::Broker(parsed(&broker.new_topic(name)?)?))
    }

    /// Returns a channel of the local Redis. Each subscriber of a channel gets all messages.
    async fn channel(&mut self, name: &str) -> Result<(Address, Vec<Address>), Error> {
        let Address::Broker(stream) = self.local_broker(BrokerKind::Redis, name).await? else {
            return Err(Error::Failed("the local Redis has no URL".to_owned()));
        };
        let channel = Address::Broker(stream.into_channel());
        Ok((channel.clone(), vec![channel; 2]))
    }

    /// Adds the queue that a user named.
    async fn add_existing(&mut self, target: &Target) -> Result<(), Error> {
        let address = Address::from(target.clone());
        let audiences = match target {
            Target::Sqs(_) => vec![address.clone()],
            Target::Broker(url) => {
                broker::create(url).await?;
                // each subscriber of a channel gets all messages
                let copies = if url.kind.is_stored() { 1 } else { 2 };
                vec![address.clone(); copies]
            }
        };
        self.contenders.push(Ok(Contender {
            title: target.to_string(),
            publish_to: address,
            audiences,
            note: None,
        }));
        Ok(())
    }
}

fn parsed(url: &str) -> Result<BrokerUrl, Error> {
    url.parse()
        .map_err(|error: InvalidBrokerUrl| Error::Failed(error.to_string()))
}

fn shared(address: Address) -> (Address, Vec<Address>) {
    (address.clone(), vec![address])
}

async fn create_sqs(endpoint: &str, name: &str) -> Result<Address, Error> {
    let invalid = |error: sqs_client::address::InvalidQueueAddress| Error::Setup(error.to_string());
    let address: QueueAddress = name.parse().map_err(invalid)?;
    create_with(&local_config(endpoint).await, &address).await?;
    Ok(Address::Sqs {
        address,
        endpoint: Some(endpoint.to_owned()),
    })
}

/// Creates a topic with two queues.
async fn create_topic(endpoint: &str, name: &str) -> Result<(Address, Vec<Address>), Error> {
    let config = local_config(endpoint).await;
    let arn = Topic::create(&config, name).await?;
    let mut audiences = Vec::new();
    for number in 1..=2 {
        let queue = create_sqs(endpoint, &format!("{name}-{number}")).await?;
        if let Address::Sqs { address, .. } = &queue {
            let attributes = Queue::open_with(&config, address)
                .await?
                .attributes()
                .await?;
            Topic::subscribe(&config, &arn, attributes.arn().unwrap_or_default()).await?;
        }
        audiences.push(queue);
    }
    let endpoint = endpoint.to_owned();
    Ok((Address::Topic { arn, endpoint }, audiences))
}

/// Returns a name for queues that no other run uses.
fn unused_name() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let time = since.unwrap_or_default().as_nanos();
    format!("compare-{}-{time}", std::process::id())
}
