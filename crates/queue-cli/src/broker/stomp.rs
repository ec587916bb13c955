//! ActiveMQ Classic: a queue, with STOMP.
//!
//! The broker sends up to ten messages ahead. They belong to the subscriber until it acknowledges them or its connection
//! ends.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use secret::Secret;
use sqs_client::batch::Outcomes;
use sqs_client::limits::MAX_BATCH;
use stomp_client::{
    Command, CommandError, ConnectError, Connection, Endpoint, Frame, Incoming, Login, Trust,
};
use tokio::time::{Instant, timeout_at};

use super::{BrokerUrl, Depth, Role, wrong_role};
use crate::error::Error;
use crate::message::{CLIENT_ATTRIBUTE, NO_CLIENT, Outgoing, Received};
use crate::transport::{Calls, ReceiveRequest, Sent, Transport};

/// How long a purge waits for another message.
const NO_MORE: Duration = Duration::from_millis(500);

/// A publisher to a queue, or a subscriber.
#[derive(Debug)]
pub(super) struct StompQueue {
    url: BrokerUrl,
    connection: Connection,
    incoming: Option<Incoming>,
    calls: Calls,
    sent: u64,
}

impl StompQueue {
    pub(super) async fn open(url: &BrokerUrl, role: Role) -> Result<Self, Error> {
        let connection = connect(url).await?;
        let mut calls = Calls::default();
        let incoming = match role {
            Role::Publisher => None,
            Role::Subscriber => {
                calls.count("SUBSCRIBE", 0);
                let subscribed = connection.subscribe(&destination(url), MAX_BATCH).await;
                Some(subscribed.map_err(|error| explain("SUBSCRIBE", url, &error))?)
            }
        };
        Ok(Self {
            url: url.clone(),
            connection,
            incoming,
            calls,
            sent: 0,
        })
    }

    /// Returns an id, because the broker tells a publisher none, and the frame.
    fn frame(&mut self, message: &Outgoing) -> (String, Frame) {
        self.sent += 1;
        self.calls.count("SEND", 0);
        let id = format!("{}-{}", std::process::id(), self.sent);
        let frame = Frame::new(Command::Send)
            .with("destination", destination(&self.url))
            .with("persistent", "true")
            .with("content-type", "text/plain;charset=utf-8")
            .with(CLIENT_ATTRIBUTE, message.client.as_str())
            .body(message.body.as_str());
        (id, frame)
    }
}

#[async_trait]
impl Transport for StompQueue {
    fn name(&self) -> &str {
        self.url.name()
    }

    fn calls(&self) -> &Calls {
        &self.calls
    }

    async fn send(&mut self, message: &Outgoing) -> Result<Sent, Error> {
        let (id, frame) = self.frame(message);
        let sent = self.connection.send_all(vec![frame]).await;
        sent.map_err(|error| explain("SEND", &self.url, &error))?;
        Ok(accepted(id))
    }

    async fn send_batch(&mut self, messages: &[Outgoing]) -> Result<Outcomes<Sent>, Error> {
        let (ids, frames): (Vec<_>, Vec<_>) =
            messages.iter().map(|message| self.frame(message)).unzip();
        let answers = self.connection.send_each(frames).await;
        ids.into_iter()
            .zip(answers)
            .map(|(id, answer)| match answer {
                Ok(()) => Ok(Ok(accepted(id))),
                Err(error) => Err(explain("SEND", &self.url, &error)),
            })
            .collect()
    }

    async fn receive(&mut self, request: ReceiveRequest) -> Result<Vec<Received>, Error> {
        let Some(incoming) = &mut self.incoming else {
            return Err(wrong_role(&self.url));
        };
        let deadline = Instant::now() + request.wait;
        let mut received = Vec::new();
        match timeout_at(deadline, incoming.next()).await {
            Ok(Some(frame)) => received.push(unpacked(&frame)),
            Ok(None) => {
                let reason = self.connection.end().unwrap_or("the subscription ended");
                return Err(Error::Failed(format!("{}: {reason}", self.url)));
            }
            Err(_elapsed) => self.calls.empty_receives += 1,
        }
        // after the first message, only those that have arrived already
        while !received.is_empty()
            && received.len() < request.max
            && let Some(frame) = incoming.try_next()
        {
            received.push(unpacked(&frame));
        }
        Ok(received)
    }

    async fn delete(&mut self, handles: &[&str]) -> Result<Outcomes<()>, Error> {
        let acknowledge = |handle: &&str| Frame::new(Command::Ack).with("id", *handle);
        let frames: Vec<Frame> = handles.iter().map(acknowledge).collect();
        for _ in handles {
            self.calls.count("ACK", 0);
        }
        let answer = self.connection.send_all(frames).await;
        answer.map_err(|error| explain("ACK", &self.url, &error))?;
        Ok(handles.iter().map(|_| Ok(())).collect())
    }

    /// Ends the subscription: the broker then delivers everything again that was not acknowledged. (A NACK would move a
    /// message to the dead-letter queue.)
    async fn release(&mut self, handles: &[&str]) -> Result<Outcomes<()>, Error> {
        if let Some(incoming) = self.incoming.take() {
            self.calls.count("UNSUBSCRIBE", 0);
            let ended = self.connection.unsubscribe(incoming.id()).await;
            ended.map_err(|error| explain("UNSUBSCRIBE", &self.url, &error))?;
        }
        Ok(handles.iter().map(|_| Ok(())).collect())
    }

    fn hidden_until(&self) -> &'static str {
        "this connection ends"
    }

    async fn close(&mut self) {
        self.connection.close().await;
    }
}

/// Connects to the first host that admits this client: of a pair of brokers, only the active one does.
async fn connect(url: &BrokerUrl) -> Result<Connection, Error> {
    let mut failure = Error::Setup(format!("{url} names no host"));
    for endpoint in endpoints(url)? {
        match Connection::open(&endpoint).await {
            Ok(connection) => return Ok(connection),
            Err(ConnectError::Unreachable(reason)) => {
                failure = Error::Failed(format!("cannot reach {url}: {reason}"));
            }
            Err(ConnectError::Refused(reason)) => {
                return Err(Error::Setup(format!(
                    "ActiveMQ refuses the connection to {url}: {reason}"
                )));
            }
            Err(error @ (ConnectError::Tls(_) | ConnectError::NotStomp(_))) => {
                return Err(Error::Setup(format!("{url}: {error}")));
            }
        }
    }
    Err(failure)
}

fn endpoints(url: &BrokerUrl) -> Result<Vec<Endpoint>, Error> {
    let password = url.password()?;
    let login = url.address.user.as_ref().map(|user| Login {
        user: user.clone(),
        password: password.as_ref().map_or("", Secret::expose).to_owned(),
    });
    let trust = url.authorities()?.map_or(Trust::System, Trust::Only);
    let hosts = url.address.hosts.iter().map(|(host, port)| Endpoint {
        host: host.clone(),
        port: *port,
        tls: url.address.is_tls.then(|| trust.clone()),
        login: login.clone(),
    });
    Ok(hosts.collect())
}

fn destination(url: &BrokerUrl) -> String {
    format!("/queue/{}", url.name())
}

fn explain(action: &str, url: &BrokerUrl, error: &CommandError) -> Error {
    match error {
        CommandError::Refused(_) => {
            Error::Setup(format!("ActiveMQ refuses {action} on {url}: {error}"))
        }
        CommandError::Ended(_) => Error::Failed(format!("{action} on {url} failed: {error}")),
    }
}

fn accepted(id: String) -> Sent {
    Sent {
        id,
        sequence_number: None,
    }
}

fn unpacked(frame: &Frame) -> Received {
    let header = |name: &str| frame.header(name).map(str::to_owned);
    // in milliseconds since 1970, set by the broker
    let sent_at = frame
        .header("timestamp")
        .and_then(|text| text.parse().ok())
        .and_then(|time| UNIX_EPOCH.checked_add(Duration::from_millis(time)));
    // the broker tells only whether a message was delivered before
    let was_delivered = frame.header("redelivered") == Some("true");
    let headers = frame.headers.iter().cloned();
    let (attributes, system_attributes): (BTreeMap<_, _>, BTreeMap<_, _>) =
        headers.partition(|(name, _)| name == CLIENT_ATTRIBUTE);
    Received {
        id: header("message-id").unwrap_or_default(),
        receipt_handle: header("ack").unwrap_or_default(),
        body: String::from_utf8_lossy(&frame.body).into_owned(),
        client: header(CLIENT_ATTRIBUTE).unwrap_or_else(|| NO_CLIENT.to_owned()),
        arrived_at: SystemTime::now(),
        sent_at,
        receive_count: if was_delivered { 2 } else { 1 },
        group: None,
        dedup_id: None,
        sequence_number: None,
        system_attributes,
        attributes,
    }
}

/// Creates the queue: the broker does so when somebody looks at it.
pub(super) async fn create(url: &BrokerUrl) -> Result<(), Error> {
    depth(url).await.map(|_| ())
}

/// Returns how many messages the queue has: at most 400, with those that subscribers hold.
pub(super) async fn depth(url: &BrokerUrl) -> Result<Depth, Error> {
    let connection = connect(url).await?;
    let count = connection.count(&destination(url)).await;
    let visible = count.map_err(|error| explain("SUBSCRIBE", url, &error))?;
    connection.close().await;
    Ok(Depth {
        visible,
        in_flight: None,
    })
}

/// Receives and acknowledges messages until none comes, because STOMP has no other way. What other subscribers hold stays.
pub(super) async fn purge(url: &BrokerUrl) -> Result<(), Error> {
    let mut queue = StompQueue::open(url, Role::Subscriber).await?;
    let request = ReceiveRequest {
        max: MAX_BATCH,
        wait: NO_MORE,
        visibility: None,
    };
    loop {
        let messages = queue.receive(request).await?;
        if messages.is_empty() {
            break;
        }
        let handles: Vec<&str> = messages
            .iter()
            .map(|message| message.receipt_handle.as_str())
            .collect();
        queue.delete(&handles).await?;
    }
    queue.close().await;
    Ok(())
}
