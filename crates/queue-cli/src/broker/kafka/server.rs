//! The servers that librdkafka contains for tests, for a comparison without another server.

use std::fmt;

use rdkafka::error::KafkaError;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

use crate::error::Error;

/// The partitions of a topic.
const PARTITIONS: i32 = 4;

/// A server in this process, at a port of 127.0.0.1, that keeps messages in memory. It stops when this is dropped.
pub(crate) struct TestBroker(MockCluster<'static, DefaultProducerContext>);

impl fmt::Debug for TestBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TestBroker")
            .field(&self.0.bootstrap_servers())
            .finish()
    }
}

impl TestBroker {
    /// Starts the server.
    pub(crate) fn start() -> Result<Self, Error> {
        MockCluster::new(1)
            .map(Self)
            .map_err(|error| failed(&error))
    }

    /// Creates a topic and returns its URL.
    pub(crate) fn new_topic(&self, name: &str) -> Result<String, Error> {
        let created = self.0.create_topic(name, PARTITIONS, 1);
        created.map_err(|error| failed(&error))?;
        Ok(format!("kafka://{}/{name}", self.0.bootstrap_servers()))
    }
}

fn failed(error: &KafkaError) -> Error {
    Error::Failed(format!("the test broker of Kafka failed: {error}"))
}
