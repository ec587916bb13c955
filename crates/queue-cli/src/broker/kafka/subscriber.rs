//! A member of the consumer group.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Headers};
use rdkafka::{Message, Offset, TopicPartitionList};
use sqs_client::EntryError;
use sqs_client::batch::Outcomes;
use tokio::time::{Instant, timeout, timeout_at};

use super::client::{Watch, blocking, group_settings};
use crate::broker::BrokerUrl;
use crate::error::Error;
use crate::message::{CLIENT_ATTRIBUTE, NO_CLIENT, Received};

/// How long a subscriber waits for partitions. It gets none if the group has more subscribers than the topic partitions.
const JOINING: Duration = Duration::from_secs(30);
const TICK: Duration = Duration::from_millis(100);
/// How long Kafka may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// A member of the consumer group.
pub(super) struct Subscriber {
    url: BrokerUrl,
    /// `None` after it has left.
    consumer: Option<Arc<StreamConsumer<Watch>>>,
    watch: Watch,
    /// What came while it joined.
    waiting: VecDeque<Received>,
}

impl Subscriber {
    /// Joins the group, and waits until it has partitions, or for [`JOINING`].
    pub(super) async fn join(url: &BrokerUrl) -> Result<Self, Error> {
        let watch = Watch::default();
        let explain = |error: KafkaError| watch.explain("JoinGroup", url, &error);
        let consumer: StreamConsumer<Watch> = group_settings(url)?
            .create_with_context(watch.clone())
            .map_err(explain)?;
        consumer.subscribe(&[url.name()]).map_err(explain)?;
        let mut subscriber = Self {
            url: url.clone(),
            consumer: Some(Arc::new(consumer)),
            watch: watch.clone(),
            waiting: VecDeque::new(),
        };
        let deadline = Instant::now() + JOINING;
        while watch.positions(|all| all.assigned().is_empty()) && Instant::now() < deadline {
            // partitions are assigned while it waits for messages
            let message = subscriber.next(Instant::now() + TICK).await?;
            subscriber.waiting.extend(message);
        }
        Ok(subscriber)
    }

    pub(super) fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Returns the client, unless it has left the group.
    pub(super) fn consumer(&self) -> Result<Arc<StreamConsumer<Watch>>, Error> {
        let left = || Error::Failed(format!("the group of {} was left", self.url));
        self.consumer.clone().ok_or_else(left)
    }

    /// Waits for the next message.
    pub(super) async fn next(&mut self, deadline: Instant) -> Result<Option<Received>, Error> {
        if let Some(message) = self.waiting.pop_front() {
            return Ok(Some(message));
        }
        let consumer = self.consumer()?;
        loop {
            match timeout_at(deadline, consumer.recv()).await {
                Err(_elapsed) => return Ok(None),
                Ok(Ok(message)) => {
                    let (partition, offset) = (message.partition(), message.offset());
                    // one of a partition that has moved meanwhile comes to its new subscriber
                    if self.watch.positions(|all| all.receive(partition, offset)) {
                        return Ok(Some(unpacked(&message)));
                    }
                }
                Ok(Err(error)) => self.judge(&error)?,
            }
        }
    }

    /// Returns whether receiving can go on. librdkafka connects again by itself.
    fn judge(&self, error: &KafkaError) -> Result<(), Error> {
        match (
            error.rdkafka_error_code(),
            self.watch.explain("Fetch", &self.url, error),
        ) {
            (_, setup @ Error::Setup(_)) => Err(setup),
            // one of several servers
            (Some(Code::BrokerTransportFailure | Code::Resolve), _) => Ok(()),
            (_, other) => Err(Error::Busy(other.to_string())),
        }
    }

    /// Commits the positions behind the messages.
    pub(super) async fn delete(&mut self, handles: &[&str]) -> Result<Outcomes<()>, Error> {
        let mut ends = BTreeMap::new();
        let mut outcomes = Vec::with_capacity(handles.len());
        for handle in handles {
            let position = parsed(handle).and_then(|(partition, offset)| {
                let position = self.watch.positions(|all| all.delete(partition, offset))?;
                ends.insert(partition, position);
                Some(())
            });
            outcomes.push(position.ok_or_else(moved));
        }
        if let Err(error) = self.commit(ends).await? {
            // the position is committed with the next one
            let failed = EntryError {
                code: "NotCommitted".to_owned(),
                message: self
                    .watch
                    .explain("OffsetCommit", &self.url, &error)
                    .to_string(),
                sender_fault: false,
            };
            for outcome in outcomes.iter_mut().filter(|outcome| outcome.is_ok()) {
                *outcome = Err(failed.clone());
            }
        }
        Ok(outcomes)
    }

    async fn commit(&self, ends: BTreeMap<i32, i64>) -> Result<KafkaResult<()>, Error> {
        if ends.is_empty() {
            return Ok(Ok(()));
        }
        let consumer = self.consumer()?;
        let topic = self.url.name().to_owned();
        let committing = blocking(move || {
            let mut list = TopicPartitionList::new();
            for (partition, position) in ends {
                list.add_partition_offset(&topic, partition, Offset::Offset(position))?;
            }
            consumer.commit(&list, CommitMode::Sync)
        });
        let unanswered = |_elapsed| {
            let seconds = ANSWER_TIMEOUT.as_secs();
            Error::Failed(format!(
                "OffsetCommit on {} was not answered for {seconds} s",
                self.url
            ))
        };
        timeout(ANSWER_TIMEOUT, committing)
            .await
            .map_err(unanswered)?
    }

    /// Leaves the group. If that takes too long, the group notices later that no heartbeat comes.
    pub(super) async fn leave(&mut self) {
        let consumer = self.consumer.take();
        let _ = timeout(ANSWER_TIMEOUT, blocking(move || drop(consumer))).await;
    }
}

/// Identifies a message by its place.
pub(super) fn handle(partition: i32, offset: i64) -> String {
    format!("{partition}:{offset}")
}

fn parsed(handle: &str) -> Option<(i32, i64)> {
    let (partition, offset) = handle.split_once(':')?;
    Some((partition.parse().ok()?, offset.parse().ok()?))
}

/// The error for a message whose partition has moved to another subscriber.
fn moved() -> EntryError {
    EntryError {
        code: "Moved".to_owned(),
        message: "the partition belongs to another subscriber".to_owned(),
        sender_fault: true,
    }
}

fn unpacked(message: &BorrowedMessage<'_>) -> Received {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut attributes = BTreeMap::new();
    for header in message.headers().into_iter().flat_map(Headers::iter) {
        let value = header.value.map(text).unwrap_or_default();
        attributes.insert(header.key.to_owned(), value);
    }
    let mut system_attributes = BTreeMap::from([
        ("Partition".to_owned(), message.partition().to_string()),
        ("Offset".to_owned(), message.offset().to_string()),
    ]);
    if let Some(key) = message.key() {
        system_attributes.insert("Key".to_owned(), text(key));
    }
    // in milliseconds since 1970
    let sent_at = message.timestamp().to_millis();
    let sent_at = sent_at.and_then(|time| u64::try_from(time).ok());
    let id = handle(message.partition(), message.offset());
    Received {
        receipt_handle: id.clone(),
        id,
        body: message.payload().map(text).unwrap_or_default(),
        client: attributes
            .get(CLIENT_ATTRIBUTE)
            .map_or_else(|| NO_CLIENT.to_owned(), Clone::clone),
        arrived_at: SystemTime::now(),
        sent_at: sent_at.and_then(|time| UNIX_EPOCH.checked_add(Duration::from_millis(time))),
        // Kafka does not count
        receive_count: 1,
        group: None,
        dedup_id: None,
        sequence_number: None,
        system_attributes,
        attributes,
    }
}
