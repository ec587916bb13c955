//! Sending to ActiveMQ.

use std::time::Duration;

use async_trait::async_trait;
use shared_model::message::OutboundMessage;
use stomp_client::{Command, CommandError, Frame};
use tokio::time::Instant;

use super::inspect;
use super::link::{Link, explain};
use crate::broker_access::BrokerAccess;
use crate::broker_address::BrokerAddress;
use crate::error::QueueError;
use crate::findings::Findings;
use crate::limits::CallLimits;
use crate::publisher::{Published, Publisher, QueueDepth};

/// How many messages one call sends at most. ActiveMQ stores the messages of a connection one after the other, and waits
/// for its disk each time. The relay makes four calls at the same time, so each of them ends in time while the disk
/// takes less than 200 ms for a message.
const BATCH: usize = 10;
/// How long a call may take. It is shorter than the 10 s that the relay waits for a call, because the relay would learn
/// nothing then of the messages that ActiveMQ has confirmed.
const PUBLISH_LIMIT: Duration = Duration::from_secs(8);

/// The sending half of a queue of ActiveMQ.
#[derive(Debug)]
pub(super) struct StompPublisher {
    link: Link,
    queue: String,
}

impl StompPublisher {
    /// Makes no connection yet.
    pub(super) fn new(address: &BrokerAddress, access: &BrokerAccess) -> Self {
        Self {
            link: Link::new(address, access),
            queue: address.name.clone(),
        }
    }

    fn command(&self, outbound: &OutboundMessage) -> Result<Frame, QueueError> {
        let body = outbound.message.encode();
        let body = body.map_err(|error| QueueError::Unavailable(error.to_string()))?;
        Ok(Frame::new(Command::Send)
            .with("destination", super::destination(&self.queue))
            .with("persistent", "true")
            .with("content-type", "application/json")
            // So that ActiveMQ's own tools show the body as a text.
            .with("amq-msg-type", "text")
            .with("correlation-id", outbound.deduplication_id())
            .body(body))
    }
}

#[async_trait]
impl Publisher for StompPublisher {
    async fn publish(&self, messages: &[OutboundMessage]) -> Result<Published, QueueError> {
        let commands: Result<Vec<_>, _> = messages
            .iter()
            .map(|message| self.command(message))
            .collect();
        let until = Instant::now() + PUBLISH_LIMIT;
        let session = self.link.session().await?;
        let limit = until.saturating_duration_since(Instant::now());
        let sending = session.connection.send_each_within(commands?, limit);
        let answers = sending.await;
        if let Some(Err(error @ CommandError::Ended(_))) = answers.first() {
            // The answers arrive in the order of the commands, so ActiveMQ has confirmed no message.
            return Err(explain(error));
        }
        let mut published = Published::default();
        for (message, answer) in messages.iter().zip(answers) {
            match answer {
                Ok(()) => published.sent.push(message.into()),
                Err(error) => published.failed.push((message.into(), error.to_string())),
            }
        }
        Ok(published)
    }

    fn limits(&self) -> CallLimits {
        CallLimits {
            batch: BATCH,
            ..CallLimits::FREE
        }
    }

    async fn inspect(&self) -> Result<Findings, QueueError> {
        inspect::publisher(&self.link, &self.queue).await
    }

    /// Counts what ActiveMQ shows to a browser: messages that were received and not settled too, but no more than the
    /// first page, which has 400 messages by default.
    async fn depth(&self) -> Result<QueueDepth, QueueError> {
        let session = self.link.session().await?;
        let count = async |queue: &str| {
            let counted = session.connection.count(&super::destination(queue)).await;
            counted.map_err(|error| explain(&error))
        };
        let visible = count(&self.queue).await?;
        let dead_letters = count(&super::dead_letters(&self.queue)).await;
        Ok(QueueDepth {
            visible,
            in_flight: None,
            delayed: 0,
            dead_letters: dead_letters.map(Some),
        })
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use local_services::testing::TIMEOUT;
    use shared_model::job::JobId;
    use shared_model::job_store::outbox::SendKey;
    use shared_model::message::{JobMessage, MESSAGE_VERSION};
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// Reads one frame of a client, and returns its text.
    async fn read(client: &mut BufReader<TcpStream>) -> String {
        let mut frame = Vec::new();
        client.read_until(0, &mut frame).await.unwrap();
        String::from_utf8(frame).unwrap()
    }

    /// Admits a client, confirms the first `count` of its messages, and then keeps the connection.
    async fn serve(listener: TcpListener, count: usize) -> BufReader<TcpStream> {
        let mut client = BufReader::new(listener.accept().await.unwrap().0);
        read(&mut client).await;
        let connected = b"CONNECTED\nversion:1.2\n\n\0";
        client.write_all(connected).await.unwrap();
        for _ in 0..count {
            let frame = read(&mut client).await;
            let receipt = frame.split("receipt:").nth(1).unwrap();
            let id = receipt.lines().next().unwrap();
            let answer = format!("RECEIPT\nreceipt-id:{id}\n\n\0");
            client.write_all(answer.as_bytes()).await.unwrap();
        }
        client
    }

    #[tokio::test]
    async fn messages_that_were_confirmed_before_the_time_was_over_are_not_sent_again() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = format!("stomp://127.0.0.1:{port}/q");
        let publisher = StompPublisher::new(&url.parse().unwrap(), &BrokerAccess::default());
        let message = |_| OutboundMessage {
            message: JobMessage {
                v: MESSAGE_VERSION,
                job_id: JobId::new(),
                generation: 1,
                enqueued_at: DateTime::UNIX_EPOCH,
                traceparent: None,
            },
            sends: 1,
        };
        let messages: Vec<OutboundMessage> = (0..5).map(message).collect();
        let served = tokio::spawn(serve(listener, 3));
        let answer = tokio::time::timeout(TIMEOUT, publisher.publish(&messages));
        let Published { sent, failed } = answer.await.unwrap().unwrap();
        let keys: Vec<SendKey> = messages.iter().map(SendKey::from).collect();
        let (confirmed, rest) = keys.split_at(3);
        assert_eq!(sent, confirmed);
        let failed: Vec<SendKey> = failed.into_iter().map(|(key, _)| key).collect();
        assert_eq!(failed, rest);
        served.await.unwrap();
    }
}
