//! Questions about a topic. The calls of librdkafka block a thread.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::metadata::{Metadata, MetadataPartition, MetadataTopic};
use rdkafka::{Offset, TopicPartitionList};

use super::client::{Place, Watch};
use super::error;
use super::progress::{Part, distance};
use crate::error::QueueError;

/// How long Kafka may take to answer.
const LIMIT: Duration = Duration::from_secs(5);
/// How long librdkafka may take to report why it has closed a connection. It does so before it fails the call.
const LISTENING: Duration = Duration::from_millis(100);

/// How many reports are read at once.
const REPORTS: usize = 100;

/// Asks Kafka. Connects when it is needed, and again after a failure.
#[derive(Debug)]
pub(super) struct Lookup {
    place: Place,
    /// `None` before the first question, and after a failure. One question is asked at a time.
    client: Arc<Mutex<Option<Client>>>,
}

/// Belongs to the group of the workers, and reads no messages. A client that sends would create the topics that it asks
/// about.
struct Client {
    consumer: BaseConsumer<Watch>,
    watch: Watch,
}

/// What Kafka knows about a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Topic {
    /// The numbers of its partitions.
    pub(super) partitions: Vec<i32>,
    /// On how many servers the partition with the fewest copies is.
    pub(super) replicas: usize,
}

impl Lookup {
    /// Makes no connection yet.
    pub(super) fn new(place: Place) -> Self {
        Self {
            place,
            client: Arc::default(),
        }
    }

    /// Returns what Kafka knows about a topic, or `None` if the topic does not exist.
    ///
    /// # Errors
    /// Returns an error if Kafka does not answer or refuses to.
    pub(super) async fn topic(&self, name: &str) -> Result<Option<Topic>, QueueError> {
        self.ask(name, topic).await
    }

    /// Returns why nothing can be sent to a topic, or `None` if the topic exists and the user may see it.
    ///
    /// # Errors
    /// Returns an error if Kafka does not answer or refuses to.
    pub(super) async fn obstacle(&self, name: &str) -> Result<Option<String>, QueueError> {
        self.ask(name, |consumer, name| match topic(consumer, name) {
            Ok(Some(_)) => Ok(None),
            Ok(None) => Ok(Some(error::missing(name))),
            Err(KafkaError::MetadataFetch(RDKafkaErrorCode::TopicAuthorizationFailed)) => {
                Ok(Some(error::forbidden(name)))
            }
            Err(failure) => Err(failure),
        })
        .await
    }

    /// Counts the messages of a topic that the workers have not settled, or `None` if there is no such topic.
    ///
    /// # Errors
    /// Returns an error if Kafka does not answer or refuses to.
    pub(super) async fn unsettled(&self, name: &str) -> Result<Option<u64>, QueueError> {
        let parts = self.parts(name).await?;
        Ok(parts.map(|parts| parts.iter().map(Part::unsettled).sum()))
    }

    /// Returns what the workers have settled of each partition of a topic, or `None` if there is no such topic.
    ///
    /// # Errors
    /// Returns an error if Kafka does not answer or refuses to.
    pub(super) async fn parts(&self, name: &str) -> Result<Option<Vec<Part>>, QueueError> {
        self.ask(name, parts).await
    }

    /// Counts the messages of a topic, or `None` if there is no such topic.
    ///
    /// # Errors
    /// Returns an error if Kafka does not answer or refuses to.
    pub(super) async fn length(&self, name: &str) -> Result<Option<u64>, QueueError> {
        self.ask(name, |consumer, name| {
            let Some(topic) = topic(consumer, name)? else {
                return Ok(None);
            };
            let mut length = 0;
            for partition in topic.partitions {
                let (low, high) = consumer.fetch_watermarks(name, partition, LIMIT)?;
                length += distance(low, high);
            }
            Ok(Some(length))
        })
        .await
    }

    /// Asks about a topic.
    async fn ask<T: Send + 'static>(
        &self,
        topic: &str,
        question: impl FnOnce(&BaseConsumer<Watch>, &str) -> KafkaResult<T> + Send + 'static,
    ) -> Result<T, QueueError> {
        let (place, slot) = (self.place.clone(), Arc::clone(&self.client));
        let topic = topic.to_owned();
        let asking = tokio::task::spawn_blocking(move || {
            let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            let client = match slot.take() {
                Some(client) => client,
                None => Client::new(&place)?,
            };
            match question(&client.consumer, &topic) {
                Ok(answer) => {
                    client.listen(Duration::ZERO);
                    // What broke meanwhile does not explain a later failure.
                    client.watch.take_last();
                    *slot = Some(client);
                    Ok(answer)
                }
                Err(failure) => {
                    // The call itself only says that the connection broke, or that it took too long.
                    client.listen(LISTENING);
                    Err(client.explain(&failure, &topic))
                }
            }
        });
        let unfinished = |error: tokio::task::JoinError| QueueError::Unavailable(error.to_string());
        asking.await.map_err(unfinished)?
    }
}

impl Client {
    fn new(place: &Place) -> Result<Self, QueueError> {
        let watch = Watch::default();
        let consumer = place
            .group_settings()?
            .create_with_context(watch.clone())
            .map_err(|failure| error::explain_creation(&failure))?;
        Ok(Self { consumer, watch })
    }

    fn explain(&self, failure: &KafkaError, topic: &str) -> QueueError {
        if let Some(refusal) = self.watch.refusal() {
            return refusal;
        }
        match (error::explain(failure, topic), self.watch.take_last()) {
            (QueueError::Unavailable(words), Some(reason)) => {
                QueueError::Unavailable(format!("{words}: {reason}"))
            }
            (explained, _) => explained,
        }
    }

    /// Passes to the watch what librdkafka has reported, and what it reports within this time. A client that can't connect
    /// reports without end.
    fn listen(&self, wait: Duration) {
        let end = Instant::now() + wait;
        for _ in 0..REPORTS {
            let left = end.saturating_duration_since(Instant::now());
            if self.consumer.poll(left).is_none() {
                return;
            }
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

fn topic(consumer: &BaseConsumer<Watch>, name: &str) -> KafkaResult<Option<Topic>> {
    let metadata: Metadata = consumer.fetch_metadata(Some(name), LIMIT)?;
    let mut topics = metadata.topics().iter();
    let Some(found) = topics.find(|topic| topic.name() == name) else {
        return Ok(None);
    };
    match found.error().map(RDKafkaErrorCode::from) {
        None | Some(RDKafkaErrorCode::NoError) => Ok(Some(description(found))),
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
            Ok(None)
        }
        Some(code) => Err(KafkaError::MetadataFetch(code)),
    }
}

fn description(topic: &MetadataTopic) -> Topic {
    let partitions = topic.partitions().iter();
    let replicas = partitions.clone().map(|one| one.replicas().len());
    Topic {
        replicas: replicas.min().unwrap_or_default(),
        partitions: partitions.map(MetadataPartition::id).collect(),
    }
}

/// The ends of the partitions are asked for first: what is settled then was sent before.
fn parts(consumer: &BaseConsumer<Watch>, name: &str) -> KafkaResult<Option<Vec<Part>>> {
    let Some(topic) = topic(consumer, name)? else {
        return Ok(None);
    };
    let mut ends = Vec::with_capacity(topic.partitions.len());
    let mut list = TopicPartitionList::new();
    for partition in topic.partitions {
        ends.push((
            partition,
            consumer.fetch_watermarks(name, partition, LIMIT)?,
        ));
        list.add_partition(name, partition);
    }
    let committed = consumer.committed_offsets(list, LIMIT)?;
    let parts = ends.into_iter().map(|(partition, (low, high))| {
        let position = committed.find_partition(name, partition);
        let settled = match position.map(|position| position.offset()) {
            // What is older than the topic keeps messages is gone.
            Some(Offset::Offset(position)) => position.max(low),
            _ => low,
        };
        Part {
            partition,
            settled,
            end: high,
        }
    });
    Ok(Some(parts.collect()))
}
