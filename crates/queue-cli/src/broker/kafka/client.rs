//! The settings of librdkafka, the client of Kafka, what it reports, and its errors in words:
//! <https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md>.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use broker_address::kafka_settings;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{ClientConfig, Statistics, TopicPartitionList};
use tokio::sync::oneshot;

use super::positions::Positions;
use crate::broker::{BrokerUrl, create_command};
use crate::error::Error;

/// The consumer group of this program, unless the URL names another. Other groups have their own positions.
const GROUP: &str = "queue";

/// Returns the settings of a publisher.
pub(super) fn publisher_settings(url: &BrokerUrl) -> Result<ClientConfig, Error> {
    let mut settings = settings(url)?;
    settings
        // all copies that the server requires are stored before it confirms
        .set("acks", "all")
        .set("message.timeout.ms", "10000")
        // a batch becomes one request
        .set("linger.ms", "2")
        // the partition of a key that Java's client would choose
        .set("partitioner", "murmur2_random");
    Ok(settings)
}

/// Returns the settings of a member of the consumer group.
pub(super) fn group_settings(url: &BrokerUrl) -> Result<ClientConfig, Error> {
    let mut settings = settings(url)?;
    settings
        .set("group.id", group(url))
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "earliest")
        // what a subscriber does not lose or win by a change of the group stays with it
        .set("partition.assignment.strategy", "cooperative-sticky")
        // the least that servers accept by default: after this time, others get the messages of a subscriber that died
        .set("session.timeout.ms", "6000")
        .set("heartbeat.interval.ms", "2000")
        .set("fetch.wait.max.ms", "100")
        // so that the requests for messages can be counted
        .set("statistics.interval.ms", "200");
    Ok(settings)
}

/// Returns the settings of every client.
pub(super) fn settings(url: &BrokerUrl) -> Result<ClientConfig, Error> {
    let address = &url.address;
    if address.is_tls && !cfg!(feature = "kafka-tls") {
        return Err(Error::Setup(
            "this program was built without TLS to Kafka: build it with --features kafka-tls"
                .to_owned(),
        ));
    }
    let mut settings = ClientConfig::new();
    settings.set("client.id", "queue");
    settings.extend(kafka_settings(address, &url.access)?);
    Ok(settings)
}

fn group(url: &BrokerUrl) -> &str {
    url.address.option("group").unwrap_or(GROUP)
}

/// Remembers what librdkafka reports beside the answers to calls.
#[derive(Debug, Clone, Default)]
pub(super) struct Watch(Arc<Mutex<Reports>>);

#[derive(Debug, Default)]
struct Reports {
    /// Why no server lets the client in.
    refusal: Option<String>,
    /// Why a connection could not be opened or broke, with the server.
    last: Option<String>,
    /// The requests for messages.
    fetches: u64,
    positions: Positions,
}

impl Watch {
    /// Returns the requests for messages so far.
    pub(super) fn fetches(&self) -> u64 {
        self.reports().fetches
    }

    /// Reads or changes what the subscriber knows about its partitions.
    pub(super) fn positions<T>(&self, act: impl FnOnce(&mut Positions) -> T) -> T {
        act(&mut self.reports().positions)
    }

    /// Explains why a call failed, and what a person can do about it.
    pub(super) fn explain(&self, action: &str, url: &BrokerUrl, error: &KafkaError) -> Error {
        let reports = self.reports();
        if let Some(refusal) = &reports.refusal {
            return Error::Setup(format!("{url}: {refusal}"));
        }
        if let KafkaError::ClientConfig(_, reason, _, _) | KafkaError::ClientCreation(reason) =
            error
        {
            let reason = reason.trim_end_matches('\0');
            return Error::Setup(format!("{url}: the client of Kafka refuses this: {reason}"));
        }
        match (code(error), &reports.last) {
            (Some(Code::UnknownTopic | Code::UnknownTopicOrPartition), _) => missing(url),
            (
                Some(
                    code @ (Code::InvalidTopic
                    | Code::TopicAuthorizationFailed
                    | Code::GroupAuthorizationFailed
                    | Code::ClusterAuthorizationFailed
                    | Code::PolicyViolation
                    | Code::InvalidReplicationFactor
                    | Code::UnsupportedFeature
                    | Code::InvalidSessionTimeout
                    | Code::InconsistentGroupProtocol),
                ),
                _,
            ) => Error::Setup(format!("Kafka refuses {action} on {url}: {code}")),
            // these say only that there was no connection, or for too long
            (
                Some(
                    Code::AllBrokersDown
                    | Code::BrokerTransportFailure
                    | Code::MessageTimedOut
                    | Code::OperationTimedOut
                    | Code::Resolve,
                ),
                Some(last),
            ) => Error::Failed(format!("{action} on {url} failed: {last}")),
            (Some(code), _) => Error::Failed(format!("{action} on {url} failed: {code}")),
            (None, _) => Error::Failed(format!("{action} on {url} failed: {error}")),
        }
    }

    fn reports(&self) -> MutexGuard<'_, Reports> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Watch {
    /// What matters is reported where the call fails.
    fn log(&self, _level: RDKafkaLogLevel, _facility: &str, _message: &str) {}

    fn error(&self, error: KafkaError, reason: &str) {
        let mut reports = self.reports();
        if let Some(refusal) = refusal(&error, reason) {
            reports.refusal = Some(refusal);
        }
        // that all servers are down is no reason; it is reported after that
        if error.rdkafka_error_code() != Some(Code::AllBrokersDown) {
            reports.last = Some(reason.to_owned());
        }
    }

    fn stats(&self, statistics: Statistics) {
        let servers = statistics.brokers.values();
        let fetches = servers.filter_map(|server| server.req.get("Fetch"));
        self.reports().fetches = fetches.filter_map(|count| u64::try_from(*count).ok()).sum();
    }
}

impl ConsumerContext for Watch {
    fn pre_rebalance(&self, _consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(list) => self.positions(|all| all.assign(&partitions(list))),
            // what was deleted has been committed already
            Rebalance::Revoke(list) => self.positions(|all| all.revoke(&partitions(list))),
            Rebalance::Error(_) => {}
        }
    }
}

/// Returns the code of an error, also of a call for operators.
fn code(error: &KafkaError) -> Option<Code> {
    match error {
        KafkaError::AdminOp(code) => Some(*code),
        error => error.rdkafka_error_code(),
    }
}

fn partitions(list: &TopicPartitionList) -> Vec<i32> {
    let elements = list.elements();
    let numbers = elements.iter().map(TopicPartitionListElem::partition);
    numbers.collect()
}

/// Returns why no server lets the client in, if this is what an error says.
fn refusal(error: &KafkaError, reason: &str) -> Option<String> {
    let words = match error.rdkafka_error_code()? {
        Code::Authentication | Code::SaslAuthenticationFailed => {
            "Kafka refuses the user or the password"
        }
        Code::UnsupportedSASLMechanism => "Kafka does not know the mechanism of SASL",
        Code::SSL => {
            "no TLS connection is possible: if a private authority has certified the server, name it with --ca-file; if \
             this port has no TLS, the URL has to begin with kafka://"
        }
        _ => return None,
    };
    Some(format!("{words} ({reason})"))
}

/// The error for a topic that does not exist.
pub(super) fn missing(url: &BrokerUrl) -> Error {
    Error::Setup(format!(
        "there is no topic {}: check the URL, or create it with: {}",
        url.name(),
        create_command(url)
    ))
}

/// Runs calls that block, in a thread of their own. (The end of the process would wait for one of the runtime.)
pub(super) async fn blocking<T: Send + 'static>(
    calls: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let (done, result) = oneshot::channel();
    std::thread::spawn(move || {
        // nobody waits for it any more
        let _ = done.send(calls());
    });
    let ended = |_closed| Error::Failed("a call to Kafka ended without a result".to_owned());
    result.await.map_err(ended)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_gives_the_servers_the_group_and_the_user() {
        let url = "kafka://me:s3cret@[::1]:9,b/demo?group=other&sasl=SCRAM-SHA-256";
        let settings = group_settings(&url.parse().unwrap()).unwrap();
        for (name, value) in [
            ("bootstrap.servers", "[::1]:9,b:9092"),
            ("group.id", "other"),
            ("security.protocol", "sasl_plaintext"),
            ("sasl.mechanism", "SCRAM-SHA-256"),
            ("sasl.username", "me"),
            ("sasl.password", "s3cret"),
        ] {
            assert_eq!(settings.get(name), Some(value), "{name}");
        }
        let url = "kafka://a/demo".parse().unwrap();
        let settings = publisher_settings(&url).unwrap();
        assert_eq!(settings.get("acks"), Some("all"));
        assert_eq!(settings.get("security.protocol"), Some("plaintext"));
        assert_eq!(group_settings(&url).unwrap().get("group.id"), Some("queue"));
    }

    #[test]
    fn tls_needs_a_feature_of_its_own() {
        let settings = settings(&"kafka+ssl://me@a/demo".parse().unwrap());
        let protocol =
            settings.map(|settings| settings.get("security.protocol").map(str::to_owned));
        let protocol = protocol.map_err(|error| error.to_string());
        let expected = if cfg!(feature = "kafka-tls") {
            Ok(Some("sasl_ssl".to_owned()))
        } else {
            Err(
                "this program was built without TLS to Kafka: build it with --features kafka-tls"
                    .to_owned(),
            )
        };
        assert_eq!(protocol, expected);
    }
}
