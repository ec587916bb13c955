//! The Kafka that librdkafka contains for its tests, and the proxy in front of it, which counts what passes. It runs inside
//! the benchmark and keeps messages only in memory.

use queue_tests::BrokerQueue;
use tcp_proxy::{Opaque, TcpProxy, Traffic};

/// A topic that processes reach through a proxy.
#[derive(Debug)]
pub struct Kafka {
    // Declared before the server, so that its connections end before it.
    proxy: TcpProxy<Opaque>,
    topic: BrokerQueue,
    _server: queue_tests::kafka::Kafka,
}

impl Kafka {
    /// Starts a server, and creates a topic with four partitions.
    ///
    /// # Errors
    /// Returns an error if the server does not start.
    pub async fn start() -> anyhow::Result<Self> {
        let start = || {
            let server = queue_tests::kafka::Kafka::start(1)?;
            let topic = BrokerQueue::create_in(&server)?;
            anyhow::Ok((server, topic))
        };
        let (server, topic) = tokio::task::spawn_blocking(start).await??;
        let proxy = TcpProxy::start_for_kafka(topic.port()).await?;
        Ok(Self {
            proxy,
            topic,
            _server: server,
        })
    }

    /// Returns the value of `QUEUE_URL` for the topic, through the proxy.
    pub fn url(&self) -> String {
        self.topic.url_through(self.proxy.port())
    }

    /// Returns what has passed through the proxy.
    pub fn traffic(&self) -> Traffic {
        self.proxy.traffic()
    }
}
