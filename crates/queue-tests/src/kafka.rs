//! A Kafka for tests: the servers that librdkafka contains for its own tests. They speak Kafka's protocol on ports of
//! 127.0.0.1, and keep messages in memory. They know no users and no TLS.
//!
//! A member that joins a group gets its answer after 3 s, and after 5 s if there are other members. If the servers can't run
//! meanwhile, for example because a debugger stops the process, until 6 s after the request, they forget the member and
//! never answer it. librdkafka then waits for five minutes, and a test that receives fails. A real Kafka does not forget it.

use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, anyhow};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{DefaultProducerContext, FutureProducer, FutureRecord};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use uuid::Uuid;

type Servers = MockCluster<'static, DefaultProducerContext>;
type Command = Box<dyn FnOnce(&Servers) + Send>;

/// How long a message is waited for that should be there.
const LIMIT: Duration = Duration::from_secs(20);

/// Servers of Kafka. Dropping this stops them.
#[derive(Debug)]
pub struct Kafka {
    addresses: String,
    /// Only the thread that has created the servers can command them.
    commands: Sender<Command>,
}

impl Kafka {
    /// Returns a server that the tests of this process share.
    ///
    /// # Panics
    /// Panics if it does not start.
    #[expect(clippy::expect_used, reason = "only tests call it")]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Kafka> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(1).expect("Kafka starts"))
    }

    /// Starts this many servers.
    ///
    /// # Errors
    /// Returns an error if they don't start.
    pub fn start(count: i32) -> anyhow::Result<Self> {
        let (commands, received) = channel::<Command>();
        let (started, address) = channel();
        thread::Builder::new()
            .name("kafka-servers".to_owned())
            .spawn(move || {
                let servers = Servers::new(count);
                let addresses = servers.as_ref().map(MockCluster::bootstrap_servers);
                let is_started = started.send(addresses.map_err(Clone::clone)).is_ok();
                if let (true, Ok(servers)) = (is_started, servers) {
                    obey(&servers, &received);
                }
            })?;
        let addresses = address.recv()??;
        Ok(Self {
            addresses,
            commands,
        })
    }

    /// Creates a topic that no other test uses, with one for its dead letters, and returns the value of `QUEUE_URL` for it.
    ///
    /// # Panics
    /// Panics if that fails.
    #[expect(clippy::expect_used, reason = "only tests call it")]
    pub fn new_topic(&self, partitions: i32) -> String {
        let name = self.create_topics(partitions);
        self.url(&name.expect("Kafka creates topics"))
    }

    /// Creates a topic that no other test uses, with one for its dead letters, and returns its name.
    pub(crate) fn create_topics(&self, partitions: i32) -> anyhow::Result<String> {
        let name = format!("test-{}", Uuid::now_v7());
        self.create_topic(&name, partitions, 1)?;
        self.create_topic(&format!("{name}.dead"), 1, 1)?;
        Ok(name)
    }

    /// Returns the port of the last server.
    pub(crate) fn port(&self) -> anyhow::Result<u16> {
        let (_host, port) = self.addresses.rsplit_once(':').context("no address")?;
        Ok(port.parse()?)
    }

    /// Returns the value of `QUEUE_URL` for a topic. Its group is named like it.
    pub fn url(&self, topic: &str) -> String {
        format!("kafka://{}/{topic}?group={topic}", self.addresses)
    }

    /// Creates a topic.
    ///
    /// # Errors
    /// Returns an error if the topic exists.
    pub fn create_topic(&self, name: &str, partitions: i32, replicas: i32) -> anyhow::Result<()> {
        let name = name.to_owned();
        self.command(move |servers| servers.create_topic(&name, partitions, replicas))
    }

    /// Closes all connections and accepts no others. The messages are kept.
    ///
    /// # Errors
    /// Returns an error if there are no servers.
    pub fn go_down(&self) -> anyhow::Result<()> {
        self.command(|servers| servers.broker_down(-1))
    }

    /// Accepts connections again.
    ///
    /// # Errors
    /// Returns an error if there are no servers.
    pub fn come_up(&self) -> anyhow::Result<()> {
        self.command(|servers| servers.broker_up(-1))
    }

    /// Refuses to store offsets this many times, as a server does while a group changes.
    ///
    /// # Errors
    /// Returns an error if there are no servers.
    pub fn refuse_offsets(&self, count: usize) -> anyhow::Result<()> {
        let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS;
        self.refuse(RDKafkaApiKey::OffsetCommit, vec![refusal; count])
    }

    /// Refuses the next message that is sent, as a server does if it is longer than the topic allows.
    ///
    /// # Errors
    /// Returns an error if there are no servers.
    pub fn refuse_length(&self) -> anyhow::Result<()> {
        let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
        self.refuse(RDKafkaApiKey::Produce, vec![refusal])
    }

    fn refuse(&self, call: RDKafkaApiKey, refusals: Vec<RDKafkaRespErr>) -> anyhow::Result<()> {
        self.command(move |servers| {
            servers.request_errors(call, &refusals);
            Ok(())
        })
    }

    /// Says this about a topic to all who ask from now on.
    ///
    /// # Errors
    /// Returns an error if there are no servers.
    pub fn describe_as(&self, topic: &str, state: TopicState) -> anyhow::Result<()> {
        let topic = topic.to_owned();
        self.command(move |servers| servers.topic_error(&topic, state.code()))
    }

    /// Sends a body unchanged.
    ///
    /// # Errors
    /// Returns an error if it is not stored.
    pub async fn send(&self, topic: &str, body: &str) -> anyhow::Result<()> {
        let producer: FutureProducer = self.settings().create()?;
        let record = FutureRecord::to(topic).key("").payload(body);
        let sent = producer.send(record, LIMIT).await;
        sent.map_err(|(error, _message)| error)?;
        Ok(())
    }

    /// Returns the first message of the first partition of a topic, for which it waits. Blocks the thread.
    ///
    /// # Errors
    /// Returns an error if no message arrives in time.
    pub fn first_message(&self, topic: &str) -> anyhow::Result<String> {
        let reader: BaseConsumer = self.settings().set("group.id", "reader").create()?;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, 0, Offset::Beginning)?;
        reader.assign(&list)?;
        let message = reader.poll(LIMIT).context("there is no message")??;
        let body = message.payload().unwrap_or_default();
        Ok(String::from_utf8_lossy(body).into_owned())
    }

    pub(crate) fn settings(&self) -> ClientConfig {
        let mut settings = ClientConfig::new();
        settings.set("bootstrap.servers", &self.addresses);
        settings
    }

    fn command(
        &self,
        command: impl FnOnce(&Servers) -> KafkaResult<()> + Send + 'static,
    ) -> anyhow::Result<()> {
        let (answer, answered) = channel();
        let command: Command = Box::new(move |servers| {
            let _ = answer.send(command(servers));
        });
        let sent = self.commands.send(command);
        sent.map_err(|_unsent| anyhow!("the servers have stopped"))?;
        Ok(answered.recv()??)
    }
}

/// What servers say about a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopicState {
    /// It can be used.
    Usable,
    /// No topic has this name.
    Missing,
    /// The user may not see it.
    Forbidden,
    /// No server leads its partitions at the moment.
    WithoutLeader,
}

impl TopicState {
    fn code(self) -> RDKafkaRespErr {
        match self {
            Self::Usable => RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR,
            Self::Missing => RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
            Self::Forbidden => RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
            Self::WithoutLeader => RDKafkaRespErr::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
        }
    }
}

/// Carries out commands until the owner of the servers is dropped.
fn obey(servers: &Servers, commands: &Receiver<Command>) {
    for command in commands {
        command(servers);
    }
}
