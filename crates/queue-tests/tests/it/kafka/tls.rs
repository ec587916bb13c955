//! TLS to Kafka. The servers of the other tests have none, and a client leaves a proxy as soon as it knows them. So a server
//! behind a proxy refuses the user: a client that gets as far as that has trusted the certificate.

use job_queue::QueueError;
use local_services::testing::eventually;

use super::refusing;
use crate::setup::Setup;
use crate::tls::CaFile;
use crate::tls::proxy::{Authority, Proxy};

/// A server whose certificate is for a host.
struct Certified {
    server: refusing::Server,
    authority: Authority,
    proxy: Proxy,
}

impl Certified {
    async fn start(host: &str) -> Self {
        let server = refusing::Server::start().await;
        let authority = Authority::new();
        let proxy = Proxy::start(server.port(), &authority, host).await;
        Self {
            server,
            authority,
            proxy,
        }
    }
}

/// Returns why the queue at this port can't be used by a client that trusts only the authorities of this PEM text.
async fn fault(port: u16, authorities: &str) -> String {
    setup(port, &CaFile::new(authorities)).only_fault().await
}

fn setup(port: u16, authorities: &CaFile) -> Setup {
    let url = format!("kafka+ssl://me:wrong@127.0.0.1:{port}/ical");
    Setup::with(url, authorities.access())
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_is_told_the_user_if_its_certificate_is_trusted() {
    let kafka = Certified::start("127.0.0.1").await;
    let fault = fault(kafka.proxy.port(), &kafka.authority.pem()).await;
    assert!(fault.contains("user or password of QUEUE_URL"), "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_kafka_that_is_not_trusted_or_for_another_host_is_unusable() {
    let kafka = Certified::start("127.0.0.1").await;
    let other = Certified::start("broker.example").await;
    for (port, authority) in [
        (kafka.proxy.port(), &other.authority),
        (other.proxy.port(), &other.authority),
    ] {
        let fault = fault(port, &authority.pem()).await;
        assert!(fault.contains("certificate verify failed"), "{fault}");
        assert!(fault.contains("QUEUE_CA_FILE"), "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_without_a_certificate_is_unusable_for_kafka() {
    let kafka = Certified::start("127.0.0.1").await;
    for text in ["", "no certificate"] {
        let fault = fault(kafka.proxy.port(), text).await;
        assert!(fault.contains("QUEUE_CA_FILE can't be read"), "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_of_kafka_without_tls_is_not_used_and_the_reason_says_so() {
    let kafka = Certified::start("127.0.0.1").await;
    let file = CaFile::new(&kafka.authority.pem());
    let setup = setup(kafka.server.port(), &file);
    let publisher = setup.publisher();
    // librdkafka does not report every connection that was closed.
    eventually("the reason is known", async || {
        // It may be a server that is just being stopped.
        match publisher.inspect().await.unwrap_err() {
            QueueError::Unavailable(reason) => reason.contains("SSL_HANDSHAKE"),
            QueueError::Refused(reason) => panic!("{reason}"),
        }
    })
    .await;
}
