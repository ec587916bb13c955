//! Kafka: a topic, as a queue of a consumer group.
//!
//! The key of a message is the name of its publisher, so the messages of one publisher are in one partition, and in order.
//! Each partition belongs to one subscriber of the group. To delete messages means to commit the position of the group
//! behind them: they stay in the topic, for other groups. What was not deleted is delivered again, with all that follows
//! it, when the partition moves to another subscriber.

mod client;
mod operate;
mod positions;
mod server;
mod subscriber;

use std::fmt;

use async_trait::async_trait;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord};
use sqs_client::batch::Outcomes;
use tokio::time::Instant;

use super::{BrokerUrl, Role, wrong_role};
use crate::error::Error;
use crate::message::{CLIENT_ATTRIBUTE, Outgoing, Received};
use crate::transport::{Calls, ReceiveRequest, Sent, Transport};

use client::{Watch, publisher_settings};
use subscriber::{Subscriber, handle};

pub(super) use operate::{create, delete, depth, purge};
pub(crate) use server::TestBroker;

/// A publisher to a topic, or a subscriber.
pub(super) struct KafkaQueue {
    url: BrokerUrl,
    client: Client,
    calls: Calls,
}

enum Client {
    Publisher(FutureProducer<Watch>, Watch),
    Subscriber(Box<Subscriber>),
}

impl fmt::Debug for KafkaQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaQueue")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl KafkaQueue {
    /// Connects. A subscriber joins the group and waits until it has partitions, but not for ever.
    pub(super) async fn open(url: &BrokerUrl, role: Role) -> Result<Self, Error> {
        // so that a topic that does not exist is reported at once, and is not created by a publisher
        operate::exists(url).await?;
        let client = match role {
            Role::Publisher => {
                let watch = Watch::default();
                let producer = publisher_settings(url)?.create_with_context(watch.clone());
                let producer =
                    producer.map_err(|error| watch.explain("connecting", url, &error))?;
                Client::Publisher(producer, watch)
            }
            Role::Subscriber => Client::Subscriber(Box::new(Subscriber::join(url).await?)),
        };
        Ok(Self {
            url: url.clone(),
            client,
            calls: Calls::default(),
        })
    }

    /// Sends messages, and then waits for the confirmation of each. They have one key, so they are in one request.
    async fn publish(&mut self, messages: &[Outgoing]) -> Result<Vec<Sent>, Error> {
        let Client::Publisher(producer, watch) = &self.client else {
            return Err(wrong_role(&self.url));
        };
        self.calls.count("Produce", 0);
        let explain = |error| watch.explain("Produce", &self.url, &error);
        let sending: Vec<DeliveryFuture> = messages
            .iter()
            .map(|message| {
                let headers = OwnedHeaders::new().insert(Header {
                    key: CLIENT_ATTRIBUTE,
                    value: Some(&message.client),
                });
                let record = FutureRecord::to(self.url.name())
                    .key(&message.client)
                    .payload(&message.body)
                    .headers(headers);
                producer
                    .send_result(record)
                    .map_err(|(error, _record)| explain(error))
            })
            .collect::<Result<_, Error>>()?;
        let mut confirmed = Vec::with_capacity(sending.len());
        for delivery in sending {
            let delivery = delivery
                .await
                .map_err(|_closed| explain(KafkaError::Canceled))?;
            let delivery = delivery.map_err(|(error, _message)| explain(error))?;
            confirmed.push(Sent {
                id: handle(delivery.partition, delivery.offset),
                sequence_number: None,
            });
        }
        Ok(confirmed)
    }

    fn subscriber(&mut self) -> Result<&mut Subscriber, Error> {
        match &mut self.client {
            Client::Subscriber(subscriber) => Ok(subscriber),
            Client::Publisher(..) => Err(wrong_role(&self.url)),
        }
    }
}

#[async_trait]
impl Transport for KafkaQueue {
    fn name(&self) -> &str {
        self.url.name()
    }

    fn calls(&self) -> &Calls {
        &self.calls
    }

    async fn send(&mut self, message: &Outgoing) -> Result<Sent, Error> {
        let confirmed = self.publish(std::slice::from_ref(message)).await?;
        let unconfirmed = || Error::Failed(format!("{} confirmed nothing", self.url));
        confirmed.into_iter().next().ok_or_else(unconfirmed)
    }

    async fn send_batch(&mut self, messages: &[Outgoing]) -> Result<Outcomes<Sent>, Error> {
        let confirmed = self.publish(messages).await?;
        Ok(confirmed.into_iter().map(Ok).collect())
    }

    async fn receive(&mut self, request: ReceiveRequest) -> Result<Vec<Received>, Error> {
        let mut deadline = Instant::now() + request.wait;
        let subscriber = self.subscriber()?;
        let mut received = Vec::new();
        while received.len() < request.max
            && let Some(message) = subscriber.next(deadline).await?
        {
            received.push(message);
            // after the first message, only those that have arrived already
            deadline = Instant::now();
        }
        // librdkafka makes these requests by itself, and reports their number later
        let fetches = subscriber.watch().fetches();
        let known = self.calls.by_action.entry("Fetch").or_default();
        *known = fetches.max(*known).max(u64::from(!received.is_empty()));
        self.calls.empty_receives += u64::from(received.is_empty());
        Ok(received)
    }

    /// Commits the positions behind the messages.
    async fn delete(&mut self, handles: &[&str]) -> Result<Outcomes<()>, Error> {
        self.calls.count("OffsetCommit", 0);
        self.subscriber()?.delete(handles).await
    }

    /// Leaves the group, which then gives the partitions to others.
    async fn release(&mut self, handles: &[&str]) -> Result<Outcomes<()>, Error> {
        self.subscriber()?.leave().await;
        Ok(handles.iter().map(|_| Ok(())).collect())
    }

    fn hidden_until(&self) -> &'static str {
        "this subscriber leaves the group, or has sent no heartbeat for 6 s"
    }

    async fn close(&mut self) {
        if let Client::Subscriber(subscriber) = &mut self.client {
            subscriber.leave().await;
        }
    }
}
