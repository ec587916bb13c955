//! A broker on this machine, and the proxy in front of it, which counts what passes.

use std::net::{Ipv4Addr, SocketAddr};

use local_services::brokers::{BrokerKind, LocalBroker};
use tcp_proxy::{Opaque, TcpProxy, Traffic};

/// A broker that processes reach through a proxy.
#[derive(Debug)]
pub struct Broker {
    // Declared before the server, so that its connections end before it.
    proxy: TcpProxy<Opaque>,
    server: LocalBroker,
}

/// Returns the settings of the server in which it differs from one that `cargo run` starts.
fn settings(kind: BrokerKind) -> &'static [(&'static str, &'static str)] {
    match kind {
        // A server in a temporary folder would write each message to the disk before it answers, which is for tests.
        BrokerKind::Redis => &[("appendfsync", "everysec")],
        BrokerKind::ActiveMq | BrokerKind::RabbitMq => &[],
    }
}

impl Broker {
    /// Starts a server in a temporary folder, and creates these queues.
    ///
    /// # Errors
    /// Returns an error if the server is not installed or does not start.
    pub async fn start(kind: BrokerKind, queues: &'static [&'static str]) -> anyhow::Result<Self> {
        let start = move || {
            let server = LocalBroker::private(kind, settings(kind))?;
            for queue in queues {
                server.create_queue(queue)?;
            }
            anyhow::Ok(server)
        };
        let server = tokio::task::spawn_blocking(start).await??;
        let proxy = TcpProxy::start(server.port()).await?;
        Ok(Self { proxy, server })
    }

    /// Returns the address of the proxy.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.proxy.port()).into()
    }

    /// Returns the value of `QUEUE_URL` for a queue, through the proxy.
    pub fn url(&self, queue: &str) -> String {
        self.server.url(queue, Some(self.proxy.port()))
    }

    /// Returns what has passed through the proxy.
    pub fn traffic(&self) -> Traffic {
        self.proxy.traffic()
    }

    /// Returns the process id of the server.
    pub fn pid(&self) -> Option<u32> {
        self.server.pid()
    }
}
