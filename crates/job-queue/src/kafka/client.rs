//! The settings of librdkafka: <https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md>.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use broker_address::kafka_settings;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::error;
use crate::broker_access::BrokerAccess;
use crate::broker_address::BrokerAddress;
use crate::error::QueueError;

/// The consumer group of the workers, unless the URL names another.
const GROUP: &str = "taskoverflow";

/// Where a topic is.
#[derive(Debug, Clone)]
pub(super) struct Place {
    address: BrokerAddress,
    access: BrokerAccess,
}

impl Place {
    pub(super) fn new(address: &BrokerAddress, access: &BrokerAccess) -> Self {
        Self {
            address: address.clone(),
            access: access.clone(),
        }
    }

    /// Returns the name of the topic.
    pub(super) fn topic(&self) -> &str {
        &self.address.name
    }

    /// Returns the first of the servers, with its port.
    pub(super) fn server(&self) -> String {
        format!("{}:{}", self.address.host(), self.address.port())
    }

    /// Returns the settings of a client that sends.
    ///
    /// # Errors
    /// Returns an error if a file can't be read, or if the program was built without TLS and needs it.
    pub(super) fn settings(&self) -> Result<ClientConfig, QueueError> {
        if self.address.is_tls && !cfg!(feature = "kafka-tls") {
            return Err(QueueError::Refused(
                "this program was built without TLS to Kafka: build it with --features kafka-tls"
                    .to_owned(),
            ));
        }
        let mut settings = ClientConfig::new();
        settings
            .set("client.id", "taskoverflow")
            // A connection that broke is tried again soon.
            .set("reconnect.backoff.ms", "100")
            .set("reconnect.backoff.max.ms", "2000")
            .set_log_level(RDKafkaLogLevel::Warning);
        settings.extend(kafka_settings(&self.address, &self.access)?);
        Ok(settings)
    }

    /// Returns the settings of a client that belongs to the group of the workers.
    ///
    /// # Errors
    /// See [`settings`](Self::settings).
    pub(super) fn group_settings(&self) -> Result<ClientConfig, QueueError> {
        let mut settings = self.settings()?;
        settings
            .set("group.id", self.address.option("group").unwrap_or(GROUP))
            // The reader says what is settled. librdkafka tells Kafka, and again if that fails, for example because the group
            // changes. `commit` would not do: of a failure that is not waited for, this crate is told nothing.
            .set("enable.auto.offset.store", "false")
            .set("enable.auto.commit", "true")
            .set("auto.commit.interval.ms", "500")
            .set("auto.offset.reset", "earliest")
            // What a worker does not lose or win by a change of the group stays with it.
            .set("partition.assignment.strategy", "cooperative-sticky")
            // The least that servers accept by default. After this time, others get the messages of a worker that died.
            .set("session.timeout.ms", "6000")
            .set("heartbeat.interval.ms", "2000")
            // How soon a topic that is created is found, and a partition that is added. The default is five minutes.
            .set("topic.metadata.refresh.interval.ms", "10000")
            // How long what is known of the topic counts while no server answers: 15 minutes, the default if the interval is
            // not set. Otherwise it would be three times the interval.
            .set("metadata.max.age.ms", "900000")
            // What librdkafka fetches ahead: several thousand messages. The default is 64 MiB.
            .set("queued.max.messages.kbytes", "1024");
        Ok(settings)
    }
}

/// Remembers what librdkafka reports about its connections, of which the calls themselves only say that they took too long.
#[derive(Debug, Clone, Default)]
pub(super) struct Watch(Arc<Mutex<Reports>>);

#[derive(Debug, Default)]
struct Reports {
    refusal: Option<QueueError>,
    /// Why a connection could not be opened or broke, with the server.
    last: Option<String>,
}

impl Watch {
    /// Returns why no server lets the client in.
    pub(super) fn refusal(&self) -> Option<QueueError> {
        self.reports().refusal.clone()
    }

    /// Returns why a server does not let the client in, and forgets it.
    pub(super) fn take_refusal(&self) -> Option<QueueError> {
        self.reports().refusal.take()
    }

    /// Returns the last report, and forgets it.
    pub(super) fn take_last(&self) -> Option<String> {
        self.reports().last.take()
    }

    fn reports(&self) -> MutexGuard<'_, Reports> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Watch {
    /// What matters is logged where the call fails.
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        log::debug!("librdkafka: {facility} {message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log::debug!(error:%; "librdkafka: {reason}");
        let mut reports = self.reports();
        if let Some(refusal) = error::refusal(&error, reason) {
            reports.refusal = Some(refusal);
        }
        // That all of them are down is no reason. It is reported after that.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            reports.last = Some(reason.to_owned());
        }
    }
}

impl ConsumerContext for Watch {}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings_of(url: &str, access: &BrokerAccess) -> Result<ClientConfig, QueueError> {
        Place::new(&url.parse().unwrap(), access).group_settings()
    }

    #[test]
    fn the_url_gives_the_servers_the_group_and_the_user() {
        let url = "kafka://me:s3cret@[::1]:9,b/ical?group=other&sasl=SCRAM-SHA-256";
        let settings = settings_of(url, &BrokerAccess::default()).unwrap();
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
        let settings = settings_of("kafka://a/ical", &BrokerAccess::default()).unwrap();
        assert_eq!(settings.get("group.id"), Some(GROUP));
        assert_eq!(settings.get("security.protocol"), Some("plaintext"));
        assert_eq!(settings.get("sasl.mechanism"), None);
    }

    #[test]
    #[cfg(not(feature = "kafka-tls"))]
    fn a_program_without_tls_to_kafka_says_how_to_build_it() {
        let error = settings_of("kafka+ssl://a/ical", &BrokerAccess::default()).unwrap_err();
        assert!(
            matches!(&error, QueueError::Refused(text) if text.contains("--features kafka-tls"))
        );
    }
}
