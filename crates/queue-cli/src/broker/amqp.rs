//! RabbitMQ: a quorum queue, with AMQP.
//!
//! The broker sends up to ten messages ahead. They belong to the subscriber until it acknowledges them or its connection
//! ends.

mod connection;
mod operate;

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use futures_util::future::join_all;
use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions,
    BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection, Consumer};
use sqs_client::EntryError;
use sqs_client::batch::Outcomes;
use sqs_client::limits::MAX_BATCH;
use tokio::time::timeout;

use super::{BrokerUrl, Role, wrong_role};
use crate::error::Error;
use crate::message::{CLIENT_ATTRIBUTE, NO_CLIENT, Outgoing, Received};
use crate::transport::{Calls, ReceiveRequest, Sent, Transport};

use connection::{answered, connect};

pub(super) use operate::{create, delete, depth, purge};

/// The exchange that routes each message to the queue that its routing key names.
const DEFAULT_EXCHANGE: &str = "";
/// AMQP's number for messages that survive a restart of the server.
const PERSISTENT: u8 = 2;
/// The header with the time of sending, in milliseconds since 1970. AMQP's own property has only seconds.
const SENT_AT: &str = "sent-ms";
/// How often a quorum queue has got the message back. RabbitMQ 3 does not send it with a first delivery.
const DELIVERY_COUNT: &str = "x-delivery-count";

/// A publisher to a queue, or a subscriber.
pub(super) struct RabbitQueue {
    url: BrokerUrl,
    connection: Connection,
    channel: Channel,
    consumer: Option<Consumer>,
    calls: Calls,
    sent: u64,
}

impl fmt::Debug for RabbitQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RabbitQueue")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl RabbitQueue {
    pub(super) async fn open(url: &BrokerUrl, role: Role) -> Result<Self, Error> {
        let connection = connect(url).await?;
        // so that a queue that does not exist is reported at once
        operate::count(&connection, url).await?;
        let channel = answered("channel.open", url, connection.create_channel()).await?;
        let mut queue = Self {
            url: url.clone(),
            connection,
            channel,
            consumer: None,
            calls: Calls::default(),
            sent: 0,
        };
        queue.calls.count("queue.declare", 0);
        match role {
            Role::Publisher => queue.ask_for_confirmations().await?,
            Role::Subscriber => queue.consume().await?,
        }
        Ok(queue)
    }

    async fn ask_for_confirmations(&mut self) -> Result<(), Error> {
        self.calls.count("confirm.select", 0);
        let options = ConfirmSelectOptions::default();
        let selected = self.channel.confirm_select(options);
        answered("confirm.select", &self.url, selected).await
    }

    async fn consume(&mut self) -> Result<(), Error> {
        let ahead = u16::try_from(MAX_BATCH).unwrap_or(u16::MAX);
        self.calls.count("basic.qos", 0);
        let limited = self.channel.basic_qos(ahead, BasicQosOptions::default());
        answered("basic.qos", &self.url, limited).await?;
        self.calls.count("basic.consume", 0);
        let consuming = self.channel.basic_consume(
            self.url.name().into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        self.consumer = Some(answered("basic.consume", &self.url, consuming).await?);
        Ok(())
    }

    /// Sends messages, and then waits for the confirmation of each.
    async fn publish(&mut self, messages: &[Outgoing]) -> Result<Outcomes<Sent>, Error> {
        let mut sending = Vec::with_capacity(messages.len());
        let mut ids = Vec::with_capacity(messages.len());
        for message in messages {
            self.sent += 1;
            self.calls.count("basic.publish", 0);
            let id = format!("{}-{}-{}", std::process::id(), nanoseconds(), self.sent);
            let options = BasicPublishOptions {
                // a message for a queue that does not exist comes back instead of being dropped
                mandatory: true,
                ..BasicPublishOptions::default()
            };
            let publishing = self.channel.basic_publish(
                DEFAULT_EXCHANGE.into(),
                self.url.name().into(),
                options,
                message.body.as_bytes(),
                properties(message, &id),
            );
            sending.push(answered("basic.publish", &self.url, async move {
                publishing.await?.await
            }));
            ids.push(id);
        }
        let confirmations = join_all(sending).await;
        ids.into_iter()
            .zip(confirmations)
            .map(|(id, confirmation)| Ok(outcome(id, confirmation?)))
            .collect()
    }
}

#[async_trait]
impl Transport for RabbitQueue {
    fn name(&self) -> &str {
        self.url.name()
    }

    fn calls(&self) -> &Calls {
        &self.calls
    }

    async fn send(&mut self, message: &Outgoing) -> Result<Sent, Error> {
        let outcomes = self.publish(std::slice::from_ref(message)).await?;
        let outcome = outcomes.into_iter().next();
        let refused = |error: EntryError| Error::Failed(format!("{}: {}", self.url, error.message));
        outcome.map_or_else(
            || Err(Error::Failed(format!("{}: no confirmation", self.url))),
            |outcome| outcome.map_err(refused),
        )
    }

    async fn send_batch(&mut self, messages: &[Outgoing]) -> Result<Outcomes<Sent>, Error> {
        self.publish(messages).await
    }

    async fn receive(&mut self, request: ReceiveRequest) -> Result<Vec<Received>, Error> {
        let Some(consumer) = &mut self.consumer else {
            return Err(wrong_role(&self.url));
        };
        let mut received = Vec::new();
        let mut next = timeout(request.wait, consumer.next()).await.ok();
        while let Some(arrived) = next {
            match arrived {
                Some(Ok(delivery)) => received.push(unpacked(&delivery)),
                // what has arrived can't be settled any more
                Some(Err(error)) => {
                    return Err(connection::explain("basic.consume", &self.url, &error));
                }
                None => {
                    return Err(Error::Failed(format!(
                        "RabbitMQ has cancelled the consumer of {}",
                        self.url
                    )));
                }
            }
            // after the first message, only those that have arrived already
            next = (received.len() < request.max)
                .then(|| consumer.next().now_or_never())
                .flatten();
        }
        if received.is_empty() {
            self.calls.empty_receives += 1;
        }
        Ok(received)
    }

    /// Acknowledges the messages. RabbitMQ answers nothing.
    async fn delete(&mut self, handles: &[&str]) -> Result<Outcomes<()>, Error> {
        for handle in handles {
            self.calls.count("basic.ack", 0);
            let options = BasicAckOptions::default();
            let acknowledged = self.channel.basic_ack(tag(handle), options);
            answered("basic.ack", &self.url, acknowledged).await?;
        }
        Ok(handles.iter().map(|_| Ok(())).collect())
    }

    /// Ends the consumer, so that the messages do not come back to it, and returns them to the queue.
    async fn release(&mut self, handles: &[&str]) -> Result<Outcomes<()>, Error> {
        if let Some(consumer) = self.consumer.take() {
            self.calls.count("basic.cancel", 0);
            let options = BasicCancelOptions::default();
            let cancelled = self.channel.basic_cancel(consumer.tag(), options);
            answered("basic.cancel", &self.url, cancelled).await?;
        }
        for handle in handles {
            self.calls.count("basic.nack", 0);
            let options = BasicNackOptions {
                multiple: false,
                requeue: true,
            };
            let returned = self.channel.basic_nack(tag(handle), options);
            answered("basic.nack", &self.url, returned).await?;
        }
        Ok(handles.iter().map(|_| Ok(())).collect())
    }

    fn hidden_until(&self) -> &'static str {
        "this connection ends"
    }

    async fn close(&mut self) {
        connection::close(&self.connection, &self.url).await;
    }
}

fn properties(message: &Outgoing, id: &str) -> BasicProperties {
    let mut headers = FieldTable::default();
    let client = AMQPValue::LongString(message.client.as_str().into());
    headers.insert(CLIENT_ATTRIBUTE.into(), client);
    let now = i64::try_from(nanoseconds() / 1_000_000).unwrap_or(i64::MAX);
    headers.insert(SENT_AT.into(), AMQPValue::LongLongInt(now));
    BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type("text/plain".into())
        .with_message_id(id.into())
        .with_headers(headers)
}

fn outcome(id: String, confirmation: Confirmation) -> Result<Sent, EntryError> {
    let refused = |message: String| EntryError {
        code: "NotStored".to_owned(),
        message,
        sender_fault: false,
    };
    match confirmation {
        Confirmation::Ack(None) => Ok(Sent {
            id,
            sequence_number: None,
        }),
        Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned)) => Err(refused(
            format!("RabbitMQ returned the message: {}", returned.reply_text),
        )),
        Confirmation::Nack(None) | Confirmation::NotRequested => {
            Err(refused("RabbitMQ did not store the message".to_owned()))
        }
    }
}

fn unpacked(delivery: &Delivery) -> Received {
    let headers = delivery.properties.headers().clone().unwrap_or_default();
    let text = |name: &str| {
        let value = headers.inner().get(name)?;
        Some(value.as_long_string()?.to_string())
    };
    let number = |name: &str| match headers.inner().get(name)? {
        AMQPValue::LongLongInt(number) => u64::try_from(*number).ok(),
        AMQPValue::LongInt(number) => u64::try_from(*number).ok(),
        _ => None,
    };
    let returned = number(DELIVERY_COUNT).unwrap_or_else(|| u64::from(delivery.redelivered));
    let receive_count = u32::try_from(returned)
        .unwrap_or(u32::MAX)
        .saturating_add(1);
    let handle = delivery.delivery_tag.to_string();
    let id = delivery.properties.message_id().as_ref();
    let sent_at = number(SENT_AT).map(Duration::from_millis);
    let system = [
        ("DeliveryTag", handle.clone()),
        ("Redelivered", delivery.redelivered.to_string()),
        ("DeliveryCount", receive_count.to_string()),
    ];
    Received {
        id: id.map_or_else(|| handle.clone(), ToString::to_string),
        receipt_handle: handle,
        body: String::from_utf8_lossy(&delivery.data).into_owned(),
        client: text(CLIENT_ATTRIBUTE).unwrap_or_else(|| NO_CLIENT.to_owned()),
        arrived_at: SystemTime::now(),
        sent_at: sent_at.and_then(|since| UNIX_EPOCH.checked_add(since)),
        receive_count,
        group: None,
        dedup_id: None,
        sequence_number: None,
        system_attributes: system.map(|(name, value)| (name.to_owned(), value)).into(),
        attributes: headers
            .inner()
            .keys()
            .filter_map(|name| Some((name.to_string(), text(name.as_str())?)))
            .collect::<BTreeMap<_, _>>(),
    }
}

/// The handle of a message is its number on the channel.
fn tag(handle: &str) -> u64 {
    handle.parse().unwrap_or_default()
}

fn nanoseconds() -> u128 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_nanos()
}
