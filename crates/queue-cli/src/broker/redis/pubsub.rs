//! Redis Pub/Sub: every subscriber that is connected at that moment gets each message. Nothing is stored, confirmed or
//! delivered again.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use futures_util::StreamExt;
use redis::aio::{MultiplexedConnection, PubSubStream};
use redis::cmd;
use serde::{Deserialize, Serialize};
use sqs_client::batch::Outcomes;
use tokio::time::{Instant, timeout_at};

use super::connection::{CONNECT_TIMEOUT, client, connect, explain};
use crate::broker::{BrokerUrl, Role, wrong_role};
use crate::error::Error;
use crate::message::{NO_CLIENT, Outgoing, Received};
use crate::transport::{Calls, ReceiveRequest, Sent, Transport};

/// A publisher to a channel, or a subscriber.
pub(in crate::broker) struct PubSub {
    url: BrokerUrl,
    connection: Connection,
    calls: Calls,
}

enum Connection {
    Publisher(MultiplexedConnection),
    Subscriber(PubSubStream),
}

/// What is published. A channel has no ids and no times, so the publisher sets them.
#[derive(Debug, Serialize, Deserialize)]
struct Payload {
    id: String,
    client: String,
    sent_ms: u64,
    body: String,
}

impl fmt::Debug for PubSub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PubSub")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl PubSub {
    pub(in crate::broker) async fn open(url: &BrokerUrl, role: Role) -> Result<Self, Error> {
        let mut calls = Calls::default();
        let connection = match role {
            Role::Publisher => Connection::Publisher(connect(url).await?),
            Role::Subscriber => {
                // the connection of a subscription has no timeout of its own
                let client = client(url)?;
                let connect = tokio::time::timeout(CONNECT_TIMEOUT, client.get_async_pubsub());
                let connection = connect
                    .await
                    .map_err(|_elapsed| Error::Failed(format!("{url} did not answer for 5 s")))?;
                let mut connection = connection.map_err(|error| explain("CONNECT", url, &error))?;
                calls.count("SUBSCRIBE", 0);
                let subscribed = connection.subscribe(url.name()).await;
                subscribed.map_err(|error| explain("SUBSCRIBE", url, &error))?;
                Connection::Subscriber(connection.into_on_message())
            }
        };
        Ok(Self {
            url: url.clone(),
            connection,
            calls,
        })
    }
}

#[async_trait]
impl Transport for PubSub {
    fn name(&self) -> &str {
        self.url.name()
    }

    fn calls(&self) -> &Calls {
        &self.calls
    }

    async fn send(&mut self, message: &Outgoing) -> Result<Sent, Error> {
        let Connection::Publisher(connection) = &mut self.connection else {
            return Err(wrong_role(&self.url));
        };
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let payload = Payload {
            id: format!("{}-{}", std::process::id(), now.as_nanos()),
            client: message.client.clone(),
            sent_ms: u64::try_from(now.as_millis()).unwrap_or_default(),
            body: message.body.clone(),
        };
        let text = serde_json::to_string(&payload)
            .map_err(|error| Error::Failed(format!("{}: {error}", message.body)))?;
        self.calls.count("PUBLISH", 0);
        let mut command = cmd("PUBLISH");
        command.arg(self.url.name()).arg(text);
        let published = command.exec_async(connection).await;
        published.map_err(|error| explain("PUBLISH", &self.url, &error))?;
        Ok(super::sent(payload.id))
    }

    async fn send_batch(&mut self, messages: &[Outgoing]) -> Result<Outcomes<Sent>, Error> {
        let mut outcomes = Vec::with_capacity(messages.len());
        for message in messages {
            outcomes.push(Ok(self.send(message).await?));
        }
        Ok(outcomes)
    }

    async fn receive(&mut self, request: ReceiveRequest) -> Result<Vec<Received>, Error> {
        let Connection::Subscriber(messages) = &mut self.connection else {
            return Err(wrong_role(&self.url));
        };
        let deadline = Instant::now() + request.wait;
        let mut received = Vec::new();
        while received.len() < request.max {
            // after the first message, only those that have arrived already
            let deadline = if received.is_empty() {
                deadline
            } else {
                Instant::now()
            };
            match timeout_at(deadline, messages.next()).await {
                Ok(Some(message)) => received.push(unpacked(message.get_payload_bytes())),
                Ok(None) => {
                    return Err(Error::Failed(format!(
                        "Redis closed the connection to {}",
                        self.url
                    )));
                }
                Err(_elapsed) => break,
            }
        }
        if received.is_empty() {
            self.calls.empty_receives += 1;
        }
        Ok(received)
    }

    /// Does nothing: Redis forgets a message as soon as it has been delivered.
    async fn delete(&mut self, handles: &[&str]) -> Result<Outcomes<()>, Error> {
        Ok(handles.iter().map(|_| Ok(())).collect())
    }

    /// Does nothing: a message can't be delivered again.
    async fn release(&mut self, handles: &[&str]) -> Result<Outcomes<()>, Error> {
        Ok(handles.iter().map(|_| Ok(())).collect())
    }

    fn hidden_until(&self) -> &'static str {
        "never: Redis Pub/Sub does not store them"
    }
}

/// Returns the message. One that this program did not publish is its body.
fn unpacked(bytes: &[u8]) -> Received {
    let payload = serde_json::from_slice(bytes).unwrap_or_else(|_error| Payload {
        id: String::new(),
        client: NO_CLIENT.to_owned(),
        sent_ms: 0,
        body: String::from_utf8_lossy(bytes).into_owned(),
    });
    let sent_at = UNIX_EPOCH.checked_add(Duration::from_millis(payload.sent_ms));
    Received {
        receipt_handle: payload.id.clone(),
        id: payload.id,
        body: payload.body,
        client: payload.client,
        arrived_at: SystemTime::now(),
        sent_at: sent_at.filter(|_| payload.sent_ms > 0),
        receive_count: 1,
        group: None,
        dedup_id: None,
        sequence_number: None,
        system_attributes: BTreeMap::new(),
        attributes: BTreeMap::new(),
    }
}
