//! What operators do with a topic.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication, TopicResult};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::metadata::MetadataPartition;
use rdkafka::{Offset, TopicPartitionList};

use super::client::{Watch, blocking, group_settings, missing, settings};
use super::subscriber::Subscriber;
use crate::broker::{BrokerUrl, Depth};
use crate::error::Error;

/// How long Kafka may take to answer.
const LIMIT: Duration = Duration::from_secs(5);
/// How long librdkafka may take to report why it could not connect.
const LISTENING: Duration = Duration::from_millis(100);
/// How many reports are read. A client that can't connect reports without end.
const REPORTS: usize = 100;
/// The partitions of a new topic: as many subscribers can share it.
const PARTITIONS: i32 = 4;
/// As many copies of a partition as the server's own settings say.
const DEFAULT_COPIES: i32 = -1;

/// Creates the topic, unless it exists.
pub(in crate::broker) async fn create(url: &BrokerUrl) -> Result<(), Error> {
    if partitions(url).await?.is_some() {
        return Ok(());
    }
    let (admin, watch) = admin(url)?;
    let topic = NewTopic::new(
        url.name(),
        PARTITIONS,
        TopicReplication::Fixed(DEFAULT_COPIES),
    );
    let created = admin.create_topics([&topic], &options()).await;
    finished("CreateTopics", url, created, &watch)
}

/// Deletes the topic with its messages.
pub(in crate::broker) async fn delete(url: &BrokerUrl) -> Result<(), Error> {
    exists(url).await?;
    let (admin, watch) = admin(url)?;
    let deleted = admin.delete_topics(&[url.name()], &options()).await;
    finished("DeleteTopics", url, deleted, &watch)
}

/// Counts the messages that the group has not committed yet. Kafka does not tell which of them subscribers hold.
pub(in crate::broker) async fn depth(url: &BrokerUrl) -> Result<Depth, Error> {
    let topic = url.name().to_owned();
    let visible = ask("OffsetFetch", url, move |consumer| behind(consumer, &topic)).await?;
    Ok(Depth {
        visible: visible.ok_or_else(|| missing(url))?,
        in_flight: None,
    })
}

/// Moves the group to the end of the partitions that it gives to this subscriber. Other groups still get the messages.
pub(in crate::broker) async fn purge(url: &BrokerUrl) -> Result<(), Error> {
    exists(url).await?;
    let mut subscriber = Subscriber::join(url).await?;
    let (consumer, watch) = (subscriber.consumer()?, subscriber.watch().clone());
    let topic = url.name().to_owned();
    let purged = blocking(move || {
        let mut ends = TopicPartitionList::new();
        for partition in watch.positions(|all| all.assigned()) {
            let (_, end) = consumer.fetch_watermarks(&topic, partition, LIMIT)?;
            ends.add_partition_offset(&topic, partition, Offset::Offset(end))?;
        }
        consumer.commit(&ends, CommitMode::Sync)
    })
    .await?;
    let purged = purged.map_err(|error| subscriber.watch().explain("OffsetCommit", url, &error));
    subscriber.leave().await;
    purged
}

/// Checks that the topic exists.
pub(super) async fn exists(url: &BrokerUrl) -> Result<(), Error> {
    match partitions(url).await? {
        Some(_) => Ok(()),
        None => Err(missing(url)),
    }
}

/// Returns the numbers of the topic's partitions, or `None` if there is no such topic.
async fn partitions(url: &BrokerUrl) -> Result<Option<Vec<i32>>, Error> {
    let topic = url.name().to_owned();
    ask("Metadata", url, move |consumer| look_up(consumer, &topic)).await
}

/// Asks a question with a client that receives nothing. (One that sends might create the topic.)
async fn ask<T: Send + 'static>(
    action: &'static str,
    url: &BrokerUrl,
    question: impl FnOnce(&BaseConsumer<Watch>) -> KafkaResult<T> + Send + 'static,
) -> Result<T, Error> {
    let settings = group_settings(url)?;
    let url = url.clone();
    blocking(move || {
        let watch = Watch::default();
        let consumer: BaseConsumer<Watch> = settings
            .create_with_context(watch.clone())
            .map_err(|error| watch.explain(action, &url, &error))?;
        question(&consumer).map_err(|error| {
            // the call itself only says that the connection broke, or that it took too long
            for _ in 0..REPORTS {
                if consumer.poll(LISTENING).is_none() {
                    break;
                }
            }
            watch.explain(action, &url, &error)
        })
    })
    .await?
}

fn look_up(consumer: &BaseConsumer<Watch>, name: &str) -> KafkaResult<Option<Vec<i32>>> {
    let metadata = consumer.fetch_metadata(Some(name), LIMIT)?;
    let mut topics = metadata.topics().iter();
    let Some(topic) = topics.find(|topic| topic.name() == name) else {
        return Ok(None);
    };
    match topic.error().map(Code::from) {
        None | Some(Code::NoError) => {
            let numbers = topic.partitions().iter().map(MetadataPartition::id);
            Ok(Some(numbers.collect()))
        }
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => Ok(None),
        Some(code) => Err(KafkaError::MetadataFetch(code)),
    }
}

/// Counts the messages after the positions of the group.
fn behind(consumer: &BaseConsumer<Watch>, name: &str) -> KafkaResult<Option<u64>> {
    let Some(partitions) = look_up(consumer, name)? else {
        return Ok(None);
    };
    let mut list = TopicPartitionList::new();
    for partition in &partitions {
        list.add_partition(name, *partition);
    }
    let committed = consumer.committed_offsets(list, LIMIT)?;
    let mut count = 0;
    for partition in partitions {
        let (low, high) = consumer.fetch_watermarks(name, partition, LIMIT)?;
        let position = committed.find_partition(name, partition);
        let from = match position.map(|position| position.offset()) {
            // what is older than the topic keeps messages is gone
            Some(Offset::Offset(position)) => position.max(low),
            _ => low,
        };
        count += u64::try_from(high.saturating_sub(from)).unwrap_or_default();
    }
    Ok(Some(count))
}

fn admin(url: &BrokerUrl) -> Result<(AdminClient<Watch>, Watch), Error> {
    let watch = Watch::default();
    let admin = settings(url)?.create_with_context(watch.clone());
    let admin = admin.map_err(|error| watch.explain("connecting", url, &error))?;
    Ok((admin, watch))
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(LIMIT))
        .operation_timeout(Some(LIMIT))
}

fn finished(
    action: &str,
    url: &BrokerUrl,
    answer: KafkaResult<Vec<TopicResult>>,
    watch: &Watch,
) -> Result<(), Error> {
    let results = answer.map_err(|error| watch.explain(action, url, &error))?;
    let failed = results.into_iter().find_map(Result::err);
    match failed.map(|(_topic, code)| code) {
        // somebody else has created it meanwhile
        None | Some(Code::TopicAlreadyExists) => Ok(()),
        Some(code) => Err(watch.explain(action, url, &KafkaError::AdminOp(code))),
    }
}
